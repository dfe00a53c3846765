"""``csafusion fuse --volume all``: register a series and one volume once, and fuse them volume by volume.

It writes files with a fourth dimension, or one file for each volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import SimpleITK as sitk
import typer

from CSAFusionLib.cli.misalignment import map_files, measured
from CSAFusionLib.cli.montage import montage_of
from CSAFusionLib.cli.options import MaskOptions, ReadingOptions, TransformChoice
from CSAFusionLib.cli.outputs import (
    check_absent,
    check_extension,
    check_output_folder,
    check_outputs,
    filled_folder,
    print_fusion_summary,
    print_written,
)
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.cli.volume_job import VolumeOutputs, metrics_table
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, content_writer, is_same_file
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.fusion.output_grid import OutputGrid
from CSAFusionLib.fusion.pipeline import Alignment, memory_need
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.several import SeriesFusion, check_series_settings, series_beside_one, warnings_of
from CSAFusionLib.geometry.grid import region_of
from CSAFusionLib.progress import Progress
from CSAFusionLib.registration.registration import Registration, TransformModel
from CSAFusionLib.registration.transforms import check_transform_path, transform_writer
from CSAFusionLib.text import to_json
from CSAFusionLib.volumes.input_path import ALL
from CSAFusionLib.volumes.pictures import picture_writer
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.volume_series import SeriesTimes, Spool, VolumeSeries, open_series
from CSAFusionLib.volumes.writing import VOLUME_EXTENSIONS

PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class SeriesOutputs:
    """The requested outputs of a series.

    A path with the extension of a volume becomes one 4-D file. That of the fused volumes has a JSON file with their
    times beside it, or is a folder instead, with one file per volume.
    """

    wanted: VolumeOutputs

    @property
    def _in_folder(self) -> bool:
        return not self.wanted.fused.name.lower().endswith(VOLUME_EXTENSIONS)

    @property
    def _times_file(self) -> Path:
        name = self.wanted.fused.name
        ending = max((one for one in VOLUME_EXTENSIONS if name.lower().endswith(one)), key=len)
        return self.wanted.fused.with_name(name[: -len(ending)] + ".json")

    def check(self, inputs: tuple[Path, ...], model: TransformModel) -> None:
        """Raise InputError, before any work, for an output that cannot be written."""
        wanted = self.wanted
        if wanted.dicom:
            raise InputError(
                "--dicom writes one volume: fuse each by its number (--volume 3) into a folder of its own, all by one "
                "--use-transform, or leave --dicom out."
            )
        if wanted.transform is not None:
            check_transform_path(wanted.transform, deformable=not model.is_linear)
        volumes = (wanted.contribution, wanted.registered)
        for volume in volumes:
            check_extension(volume, VOLUME_EXTENSIONS)
        for path, ending in ((wanted.png, ".png"), (wanted.provenance, ".json"), (wanted.metrics, ".tsv")):
            check_extension(path, (ending,))
        files = (wanted.transform, wanted.png, wanted.provenance, *volumes, wanted.metrics)
        others = (*files, *map_files(wanted.misalignment))
        if self._in_folder:
            check_output_folder(wanted.fused)
            if any(is_same_file(wanted.fused, path) for path in inputs):
                raise InputError(f"'{wanted.fused}' is an input; give the folder for the result another name.")
            check_absent(wanted.fused / PROVENANCE, wanted.fused / PROVENANCE, overwrite=wanted.overwrite)
            check_outputs(others, inputs, overwrite=wanted.overwrite)
        else:
            check_outputs((wanted.fused, *others), inputs, overwrite=wanted.overwrite)

    def check_series(self, count: int, times: SeriesTimes | None, inputs: tuple[Path, ...]) -> None:
        """Raise InputError for a file that depends on the series and already exists."""
        if self._in_folder:
            for name in _numbered(count):
                check_absent(self.wanted.fused / name, self.wanted.fused / name, overwrite=self.wanted.overwrite)
        elif times is not None and self._times_file != self.wanted.provenance:
            check_outputs([self._times_file], inputs, overwrite=self.wanted.overwrite)

    def write(self, fusion: SeriesFusion, folder: Path, progress: Progress) -> tuple[FusionResult, list[Path]]:
        """Fuse every volume and write all requested outputs, or nothing.

        folder: a temporary folder for the fused volumes until all are complete.

        Returns the last result, whose provenance covers all volumes, and the files to report.
        """
        spools = {role: Spool(folder / role) for role in ("fused", "registered", "contribution")}
        tables: list[str] = []
        warnings: list[list[str]] = []
        result = None
        for result in fusion.results(contribution=self.wanted.contribution is not None):
            for role, image in self._images(result).items():
                spools[role].add(image)
            if self.wanted.metrics is not None:
                tables.append(metrics_table(result, fusion.settings.plane))
            warnings.append(result.warnings)
        assert result is not None
        result.provenance["warnings"] = warnings_of(warnings)
        said, transform = result.provenance["registration"], result.registration.transform
        maps = measured(self.wanted.misalignment, fusion.pair, transform, said, progress)
        writers = self._writers(fusion, result, spools, tables, progress) | maps
        if self._in_folder:
            with filled_folder(self.wanted.fused):
                atomic_write(writers, progress)
            return result, [self.wanted.fused, *(path for path in writers if path.parent != self.wanted.fused)]
        atomic_write(writers, progress)
        return result, list(writers)

    def _images(self, result: FusionResult) -> dict[str, sitk.Image]:
        images = {"fused": result.fused}
        if self.wanted.registered is not None:
            images["registered"] = result.moving_on_grid
        if self.wanted.contribution is not None:
            if result.contribution is None:
                raise InputError(
                    "These weights predict pixels, so there is no contribution map; leave out --contribution."
                )
            images["contribution"] = result.contribution
        return images

    def _writers(
        self,
        fusion: SeriesFusion,
        result: FusionResult,
        spools: dict[str, Spool],
        tables: list[str],
        progress: Progress,
    ) -> dict[Path, Writer]:
        wanted, times = self.wanted, fusion.series.times
        on_chunk = partial(progress, "Writing", 0, 0)
        text = to_json(result.provenance, indent=2) + "\n"
        writers: dict[Path, Writer] = {}
        if self._in_folder:
            for index, name in enumerate(_numbered(spools["fused"].count)):
                writers[wanted.fused / name] = spools["fused"].volume_writer(index, on_chunk)
            writers[wanted.fused / PROVENANCE] = content_writer(text)
        else:
            writers[wanted.fused] = spools["fused"].writer(times, on_chunk)
            if times is not None and self._times_file != wanted.provenance:
                writers[self._times_file] = content_writer(to_json(times.describe(), indent=2) + "\n")
        if wanted.transform is not None:
            writers[wanted.transform] = transform_writer(result.registration.transform)
        for role, path in (("registered", wanted.registered), ("contribution", wanted.contribution)):
            if path is not None:
                writers[path] = spools[role].writer(times, on_chunk)
        if wanted.png is not None:
            writers[wanted.png] = picture_writer(montage_of(fusion.of_reference(), fusion.settings.plane))
        if wanted.metrics is not None:
            writers[wanted.metrics] = content_writer(_table(tables))
        if wanted.provenance is not None:
            writers[wanted.provenance] = content_writer(text)
        return writers


def _numbered(count: int) -> list[str]:
    digits = max(3, len(str(count)))
    return [f"fused-{number:0{digits}}.nii.gz" for number in range(1, count + 1)]


def _table(of_each: list[str]) -> str:
    """The tables of all volumes as one, whose first column is the number of the volume."""
    header = of_each[0].splitlines()[0]
    rows = [f"{number}\t{row}" for number, table in enumerate(of_each, start=1) for row in table.splitlines()[1:]]
    return "".join(f"{line}\n" for line in (f"volume\t{header}", *rows))


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
    """Fuse a series and a volume from disk to disk with one registration; arguments as for the fusion of two volumes.

    wanted: the outputs, and what represents the series in the registration: ``mean``, or the number of one of its
        volumes.

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
