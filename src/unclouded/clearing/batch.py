"""A batch of scenes that are cleared into files, one after the other or on a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unclouded.clearing.clear import ClearedScene, clear_to_file
from unclouded.clearing.executor import Executor
from unclouded.clearing.inputs import ReferenceOpener
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.series import ReferenceSelection
from unclouded.progress import Progress
from unclouded.reading.reader import ReadOptions


@dataclass(frozen=True)
class Batch:
    """Sources, outputs and options of a batch.

    Attributes:
        outputs: the file to write for each source.
        reading: options of reading the sources.
        model: the loaded weights.
        options: of clearing each source.
        selection: selects the references of each source, instead of those of the options.
        opener: opens the references, with what is known of them already.
    """

    outputs: Mapping[str, Path]
    reading: ReadOptions
    model: Model
    options: ClearOptions
    selection: ReferenceSelection | None = None
    opener: ReferenceOpener | None = None

    def clear(self, source: str, progress: Progress, executor: Executor | None = None) -> ClearedScene:
        """Clear one of the sources into its file; arguments and errors as of `clear_to_file`."""

        def run(options: ClearOptions) -> ClearedScene:
            with self.reading.open(source) as scene:
                return clear_to_file(
                    scene,
                    self.outputs[source],
                    self.model,
                    options,
                    executor=executor,
                    progress=progress,
                    opener=self.opener,
                )

        return run(self.options) if self.selection is None else self.selection.clear(source, self.options, run)
