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
from CSAFusionLib.fusion.output_grid import OutputGrid, region_on_grid
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
    grid: OutputGrid = OutputGrid(),  # noqa: B008 (frozen)
) -> FusionResult:
    """Fuse two volumes from disk to disk.

    known: a transform that takes the place of the registration, or where it starts.
    region: a mask of where to fuse, on the fixed volume's grid.
    grid: that of the result.

    Raises:
        CSAFusionError: an input, an output or a setting cannot be used; nothing was written.
    """
    others = [*(known.inputs if known else ()), *([region] if region else ())]
    outputs.check((fixed, moving, *others), settings.transform_model)
    outputs.check_style(settings.style)
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        volumes = reading.read(fixed, moving)
        outputs.check_volumes(volumes[0])
        where = None if region is None else region_of(read_volume(region), volumes[0])
        need = memory_need(*volumes, settings, choose_device(settings.device))
        typer.echo(f"Memory       about {need} at the peak")
        given = None if known is None else known.read(*volumes, (fixed, moving))
        if given is not None:
            outputs.check_transform(given.transform)
        is_start = known is not None and known.is_start
        registration, target = None, volumes[0]
        if given is not None or not grid.is_fixed:
            registration = registration_by(*volumes, settings, given, is_start=is_start, progress=progress)
            target = grid.apply(*volumes, registration.transform)
        result = fuse_volumes(
            target,
            volumes[1],
            settings,
            registration=registration,
            region=where if where is None or grid.is_fixed else region_on_grid(where, target.image),
            contribution=outputs.contribution is not None,
            progress=progress,
        )
        if not grid.is_fixed:
            result.provenance["output_grid"] = grid.describe()
        written = outputs.write(result, volumes, settings, progress)
    print_fusion_summary(result.provenance)
    print_written(written)
    return result
