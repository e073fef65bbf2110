"""The radiometry of a scene: level, scale, offset, no-data and order of the bands, checked against the pixels.

`declared` gathers what files declare; `scale_choice`, `offset_choice` and `nodata_choice` decide, and `encoding` puts
them together. `levels` decides the processing level; `series_radiometry` takes level and offset from other dates.
"""
