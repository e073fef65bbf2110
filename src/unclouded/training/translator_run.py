"""A training run of a translator as asked for: which data it learns from, and on what it is measured."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import torch

from unclouded.data.archive import TABLE, Archive
from unclouded.data.collection import load_collection
from unclouded.data.domains import Sampling
from unclouded.errors import InputError
from unclouded.evaluation.records import TrainedNetwork
from unclouded.models.weights import load_land_cover
from unclouded.progress import TrainingProgress, silent_training
from unclouded.settings import TrainingSettings, TranslatorSettings
from unclouded.training.archive_source import ArchiveSource
from unclouded.training.batch_source import BatchSource
from unclouded.training.collection_source import CollectionSource
from unclouded.training.ranks import Ranks
from unclouded.training.translator import train
from unclouded.training.validation import Validation


def run(
    settings: TranslatorSettings,
    data: Path,
    output: Path,
    *,
    resume: bool = False,
    land_cover: str | None = None,
    ranks: Ranks | None = None,
    workers: int = 0,
    progress: TrainingProgress = silent_training,
) -> Path:
    """Train on an archive, or on the images that the settings' collection names; return the path of the weights.

    Args:
        settings: of the run.
        data: an archive, or the folder that holds the collection's images.
        output: folder of the run, see `training.translator.train` and, with an archive, `training.validation`.
        resume: go on from the run's last checkpoint.
        land_cover: weights of the classifier in whose features an archive's validation patches are compared.
        ranks: the processes that train together; this one alone, on the CPU, unless given.
        workers: processes that read an archive ahead.
        progress: told each step with its terms.

    Raises:
        InputError: the data are neither, or there is nothing to measure on.
    """
    ranks, config = ranks or Ranks(), settings.training
    packed = (data / TABLE).is_file()
    if not packed:
        _check_collection(data, config, land_cover)
    with ExitStack() as stack:
        validate = None
        archive = stack.enter_context(Archive(data)) if packed else None
        if archive is not None and (land_cover is not None or settings.loss.unpaired):
            network = None
            if land_cover is not None:
                classifier, header = load_land_cover(land_cover)
                network = TrainedNetwork(classifier.to(ranks.device), header)
            validate = Validation(archive, network, output, config.validation_patches, config.seed)

        def source(rng: torch.Generator) -> BatchSource:
            if archive is None:
                images = load_collection(data, Path(str(config.collection)))
                return CollectionSource(images, rng, radar=config.radar, shard=ranks.shard_of)
            return _archive_source(archive, settings, ranks, workers)

        return train(settings, source, output, resume=resume, ranks=ranks, validate=validate, progress=progress)


def _check_collection(data: Path, config: TrainingSettings, land_cover: str | None) -> None:
    """Check that the settings can be used without an archive."""
    if config.collection is None:
        raise InputError(
            f"{data}: not an archive (it has no {TABLE}), and the settings name no `training.collection` of images "
            "in it; give a folder that `unclouded data pack` or `simulate` wrote"
        )
    if config.crop is not None:
        raise InputError(f"training.crop={config.crop}: only patches of an archive are cropped; give one as --data")
    if land_cover is not None:
        raise InputError(f"--land-cover {land_cover}: only an archive has validation patches; give one as --data")


def _archive_source(archive: Archive, settings: TranslatorSettings, ranks: Ranks, workers: int) -> ArchiveSource:
    """Batches of an archive: simulated and unpaired ones as far as the losses use them."""
    config = settings.training
    simulated = settings.loss.simulated or settings.fits_heads
    unpaired = config.steps > 0 and settings.loss.unpaired
    return ArchiveSource(
        archive,
        simulated=Sampling(batch=config.batch, seed=config.seed) if simulated else None,
        unpaired=Sampling(settings.unpaired.batch, config.seed, settings.unpaired.matched) if unpaired else None,
        radar=config.radar,
        crop=config.crop,
        shard=ranks.shard_of,
        workers=workers,
    )
