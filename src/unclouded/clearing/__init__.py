"""Clear scenes into files or arrays, on one machine or several.

What happens to an image, by `passes.Clearing`:

1. `inputs` opens it with its mask, radar and references.
2. `context.summaries` and `context.scene_summary` read it block by block, and reduce it to statistics of its cells.
3. `detector` and `context.scene_cover` find cloud, shadow and haze; `context.other_dates` corrects them by references.
4. `context.context_builder` makes the context and the filled-in clear ground that all tiles share.
5. `tiles` reads each tile again, translates it where it may be covered, and composes the result.
6. `clear` has it written by `writing`; `memory` gives arrays; `cluster` does 2 and 5 on a dask cluster; `series`
   chooses the references of each date of a place.
"""
