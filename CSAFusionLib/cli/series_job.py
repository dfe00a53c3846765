"""The work of ``csafusion fuse --volume all``: a series and one volume, registered once, fused volume by volume."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import typer

from CSAFusionLib.cli.mask_options import MaskOptions
from CSAFusionLib.cli.options import ReadingOptions
from CSAFusionLib.cli.progress_bar import ProgressBar
from CSAFusionLib.cli.series_outputs import SeriesOutputs
from CSAFusionLib.cli.summary import print_fusion_summary, print_written
from CSAFusionLib.cli.transform_options import TransformChoice
from CSAFusionLib.cli.volume_outputs import VolumeOutputs
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.fusion.inference import memory_need
from CSAFusionLib.fusion.on_grid import Alignment
from CSAFusionLib.fusion.output_grid import OutputGrid
from CSAFusionLib.fusion.series import SeriesFusion, check_series_settings, series_beside_one
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.resampling import region_of
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.volumes.input_path import ALL
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.series import VolumeSeries, open_series
from CSAFusionLib.volumes.volume import Volume


def fuse_series_files(
    fixed: Path,
    moving: Path,
    settings: FusionSettings,
    wanted: tuple[VolumeOutputs, str],
    reading: ReadingOptions,
    known: TransformChoice | None,
    region: Path | None,
    grid: OutputGrid,
    masks: MaskOptions,
) -> Registration:
    """Fuse a series and a volume from disk to disk, by one registration; the arguments are those of the fusion of two.

    wanted: the outputs, and what of the series is registered: ``mean``, or the number of one of its volumes.

    Returns the registration.

    Raises:
        CSAFusionError: an input, an output or a setting cannot be used; nothing was written.
    """
    outputs, by = SeriesOutputs(wanted[0]), wanted[1]
    others = [*(known.inputs if known else ()), *masks.inputs, *([region] if region else ())]
    inputs = (fixed, moving, *others)
    outputs.check(inputs, settings.transform_model)
    masks.check(settings.registration, known)
    wanted[0].check_style(settings.style)
    with ProgressBar() as progress, _opened(fixed, moving, reading) as (series, other, is_moving):
        check_series_settings(settings, series)
        outputs.check_series(series.count, series.times, inputs)
        reference = series.reference(by, progress)
        volumes = (other, reference) if is_moving else (reference, other)
        given = None if known is None else known.read(*volumes, (fixed, moving))
        if given is not None:
            wanted[0].check_transform(given.transform)
        is_start = known is not None and known.is_start
        orientation = reading.orientation_from
        fusion = SeriesFusion(
            series=series,
            other=other,
            is_moving=is_moving,
            settings=settings,
            reference=reference,
            by=by,
            alignment=Alignment(given=given, is_start=is_start, masks=masks.read(volumes, orientation)),
            grid=grid,
            region=None if region is None else region_of(read_volume(region, orientation=orientation), volumes[0]),
            progress=progress,
        )
        need = memory_need(*volumes, settings, choose_device(settings.device))
        typer.echo(f"Memory       about {need} at the peak, for one volume of the series at a time")
        with OwnedFolder() as folder:
            result, written = outputs.write(fusion, folder, progress)
    print_fusion_summary(result.provenance)
    print_written(written)
    return result.registration


@contextmanager
def _opened(fixed: Path, moving: Path, reading: ReadingOptions) -> Iterator[tuple[VolumeSeries, Volume, bool]]:
    """The series, the other volume, and whether the series is the moving one."""
    with ExitStack() as opened:
        sources = [
            opened.enter_context(open_series(path, orientation=reading.orientation_from, keep_shear=keep_shear))
            for path, keep_shear in ((fixed, False), (moving, True))
        ]
        choice = (reading.volume or "").lower()
        yield series_beside_one((sources[0], sources[1]), None if choice == ALL else choice)
