"""The work of ``csafusion fuse`` on two volumes: read, fuse, say what was done, write."""

from __future__ import annotations

from pathlib import Path

import typer

from CSAFusionLib.cli.alignment_options import MaskOptions, TransformChoice
from CSAFusionLib.cli.options import ReadingOptions
from CSAFusionLib.cli.outputs import print_fusion_summary, print_written
from CSAFusionLib.cli.progress_bar import ProgressBar
from CSAFusionLib.cli.volume_outputs import VolumeOutputs
from CSAFusionLib.fusion.device import choose_device, load_torch
from CSAFusionLib.fusion.inference import memory_need
from CSAFusionLib.fusion.on_grid import Alignment, fuse_on_grid
from CSAFusionLib.fusion.output_grid import OutputGrid
from CSAFusionLib.fusion.result import FusionResult
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
    masks: MaskOptions = MaskOptions(),  # noqa: B008 (frozen)
) -> FusionResult:
    """Fuse two volumes from disk to disk.

    known: a transform that takes the place of the registration, or where it starts.
    region: a mask of where to fuse, on the fixed volume's grid.
    grid: that of the result.
    masks: where the registration compares the two.

    Raises:
        CSAFusionError: an input, an output or a setting cannot be used; nothing was written.
    """
    others = [*(known.inputs if known else ()), *masks.inputs, *([region] if region else ())]
    outputs.check((fixed, moving, *others), settings.transform_model)
    masks.check(settings.registration, known)
    outputs.check_style(settings.style)
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        volumes = reading.read(fixed, moving)
        outputs.check_volumes(volumes[0])
        orientation = reading.orientation_from
        where = None if region is None else region_of(read_volume(region, orientation=orientation), volumes[0])
        inside = masks.read(volumes, orientation)
        load_torch(for_good=True)
        need = memory_need(*volumes, settings, choose_device(settings.device))
        typer.echo(f"Memory       about {need} at the peak")
        given = None if known is None else known.read(*volumes, (fixed, moving))
        if given is not None:
            outputs.check_transform(given.transform)
        result = fuse_on_grid(
            volumes,
            settings,
            grid=grid,
            alignment=Alignment(
                given=given,
                is_start=known is not None and known.is_start,
                masks=inside,
            ),
            region=where,
            contribution=outputs.contribution is not None,
            progress=progress,
        )
        written = outputs.write(result, volumes, settings, progress)
    print_fusion_summary(result.provenance)
    print_written(written)
    return result
