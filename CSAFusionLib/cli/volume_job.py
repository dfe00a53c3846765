"""The work of ``csafusion fuse`` on two volumes: read, fuse, say what was done, write."""

from __future__ import annotations

from pathlib import Path

import typer

from CSAFusionLib.cli.options import ReadingOptions
from CSAFusionLib.cli.progress_bar import ProgressBar
from CSAFusionLib.cli.summary import print_fusion_summary, print_written
from CSAFusionLib.cli.transform_options import TransformChoice
from CSAFusionLib.cli.volume_outputs import VolumeOutputs
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.fusion.inference import memory_need
from CSAFusionLib.fusion.known_registration import registration_by
from CSAFusionLib.fusion.pipeline import FusionResult, fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.resampling import region_of
from CSAFusionLib.volumes.reading import read_volume


def fuse_volume_files(
    fixed: Path,
    moving: Path,
    settings: FusionSettings,
    outputs: VolumeOutputs,
    reading: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
    known: TransformChoice | None = None,
    region: Path | None = None,
) -> FusionResult:
    """Fuse two volumes from disk to disk.

    known: a transform that takes the place of the registration, or where it starts.
    region: a mask of where to fuse, on the fixed volume's grid.

    Raises:
        CSAFusionError: an input, an output or a setting cannot be used; nothing was written.
    """
    others = [*(known.inputs if known else ()), *([region] if region else ())]
    outputs.check((fixed, moving, *others), settings.transform_model)
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        volumes = reading.read(fixed, moving)
        outputs.check_volumes(volumes[0])
        where = None if region is None else region_of(read_volume(region), volumes[0])
        need = memory_need(*volumes, settings, choose_device(settings.device))
        typer.echo(f"Memory       about {need} at the peak")
        registration = None
        if known is not None:
            given = known.read(*volumes, (fixed, moving))
            outputs.check_transform(given.transform)
            registration = registration_by(*volumes, settings, given, is_start=known.is_start, progress=progress)
        result = fuse_volumes(
            *volumes,
            settings,
            registration=registration,
            region=where,
            contribution=outputs.contribution is not None,
            progress=progress,
        )
        written = outputs.write(result, volumes, settings, progress)
    print_fusion_summary(result.provenance)
    print_written(written)
    return result
