"""``csafusion fuse`` for two volumes: check outputs before any work, and write them together or not at all."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import SimpleITK as sitk
import typer

from CSAFusionLib.cli.misalignment import map_files, measured
from CSAFusionLib.cli.options import MaskOptions, ReadingOptions, TransformChoice
from CSAFusionLib.cli.outputs import (
    check_extension,
    check_output_folder,
    check_outputs,
    filled_folder,
    print_fusion_summary,
    print_written,
)
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, content_writer
from CSAFusionLib.fusion.device import choose_device, load_torch
from CSAFusionLib.fusion.output_grid import OutputGrid
from CSAFusionLib.fusion.pipeline import Alignment, fuse_on_grid, memory_need
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.geometry.grid import region_of
from CSAFusionLib.geometry.planes import Plane, slice_centres
from CSAFusionLib.progress import Progress
from CSAFusionLib.registration.registration import TransformModel
from CSAFusionLib.registration.transforms import check_transform_path, transform_writer
from CSAFusionLib.text import to_json
from CSAFusionLib.volumes.dicom.derived_series import check_can_be_dicom, check_is_empty, derived_series
from CSAFusionLib.volumes.pictures import picture_writer
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import VOLUME_EXTENSIONS, volume_writer

_NONE = "n/a"


def metrics_table(result: FusionResult, plane: Plane) -> str:
    """Return a row for each slice, tab-separated: its number from 1, its centre in RAS mm, and its metrics.

    A metric of a slice where both volumes are black is ``n/a``.
    """
    names = sorted(result.figures)
    centres = slice_centres(result.fused, plane) * [-1, -1, 1]
    rows = [["slice", "r_mm", "a_mm", "s_mm", *names]]
    for index, centre in enumerate(centres):
        values = [result.figures[name][index] for name in names]
        rows.append(
            [str(index + 1)]
            + [f"{position:.3f}" for position in centre]
            + [_NONE if math.isnan(value) else f"{value:.6f}" for value in values]
        )
    return "".join("\t".join(row) + "\n" for row in rows)


@dataclass(frozen=True)
class VolumeOutputs:
    """Where the results go; None is not written.

    dicom: ``fused`` is a folder for a DICOM series.
    contribution: the fixed volume's share; registered: the moving volume on the grid of the result.
    metrics: a table of what each slice keeps of both volumes.
    misalignment: a map of how far off the registration is, with its uncertainty and a picture beside it.
    """

    fused: Path
    transform: Path | None = None
    png: Path | None = None
    provenance: Path | None = None
    dicom: bool = False
    contribution: Path | None = None
    registered: Path | None = None
    metrics: Path | None = None
    misalignment: Path | None = None
    overwrite: bool = False

    def check(self, inputs: tuple[Path, ...], model: TransformModel) -> None:
        """Raise InputError, before any work, for an output that cannot be written."""
        if self.dicom:
            _check_series_folder(self.fused)
        else:
            check_extension(self.fused, VOLUME_EXTENSIONS)
        if self.transform is not None:
            check_transform_path(self.transform, deformable=not model.is_linear)
        for volume in (self.contribution, self.registered):
            check_extension(volume, VOLUME_EXTENSIONS)
        check_extension(self.png, (".png",))
        check_extension(self.provenance, (".json",))
        check_extension(self.metrics, (".tsv",))
        files = (self.transform, self.png, self.provenance, self.contribution, self.registered, self.metrics)
        others = (*files, *map_files(self.misalignment))
        check_outputs(others if self.dicom else (self.fused, *others), inputs, overwrite=self.overwrite)

    def check_style(self, style: Style) -> None:
        """Raise InputError for an output that a style does not have: only the network has contributions."""
        if style is not Style.FUSED and self.contribution is not None:
            raise InputError(
                f"--contribution comes from the network, which --style {style.value} does not use; leave one out."
            )
        if style is Style.SIDE_BY_SIDE and (self.dicom or self.metrics is not None):
            option = "--dicom" if self.dicom else "--metrics"
            raise InputError(f"{option} needs the grid of FIXED, but side by side has its own; leave one out.")

    def check_volumes(self, fixed: Volume) -> None:
        """Raise InputError where the fixed volume cannot give what an output needs."""
        if self.dicom:
            check_can_be_dicom(fixed)

    def check_transform(self, transform: sitk.Transform) -> None:
        """Raise InputError where the file of the transform cannot hold the transform of the result."""
        if self.transform is not None and not transform.IsLinear():
            check_transform_path(self.transform, deformable=True)

    def write(
        self, result: FusionResult, volumes: tuple[Volume, Volume], settings: FusionSettings, progress: Progress
    ) -> list[Path]:
        """Write all requested outputs; returns the files to report. Warnings on a DICOM series go into the provenance.

        volumes: the fixed and the moving one.

        Raises InputError where an output cannot be written; then none is written.
        """
        series: dict[str, Writer] = {}
        if self.dicom:
            modalities = [result.provenance[role]["modality"] for role in ("fixed", "moving")]
            series, warnings = derived_series(result.fused, *volumes, modalities=modalities)
            result.provenance["warnings"] = [*result.provenance["warnings"], *warnings]
        said, transform = result.provenance["registration"], result.registration.transform
        maps = measured(self.misalignment, volumes, transform, said, progress)
        named = self.writers(result, settings, progress) | maps
        writers = named | {self.fused / name: write for name, write in series.items()}
        with filled_folder(self.fused) if self.dicom else nullcontext():
            atomic_write(writers, progress)
        return [self.fused, *named] if self.dicom else list(named)

    def writers(self, result: FusionResult, settings: FusionSettings, progress: Progress) -> dict[Path, Writer]:
        """The functions that write each output except a DICOM series; they can be cancelled over a large volume."""
        on_chunk = partial(progress, "Writing", 0, 0)
        writers: dict[Path, Writer] = {}
        if not self.dicom:
            writers[self.fused] = volume_writer(result.fused, on_chunk)
        if self.transform is not None:
            writers[self.transform] = transform_writer(result.registration.transform)
        if self.contribution is not None:
            writers[self.contribution] = volume_writer(_contribution_of(result), on_chunk)
        if self.registered is not None:
            writers[self.registered] = volume_writer(result.moving_on_grid, on_chunk)
        if self.png is not None:
            from CSAFusionLib.cli.montage import montage_of

            writers[self.png] = picture_writer(montage_of(result, settings.plane))
        if self.metrics is not None:
            writers[self.metrics] = content_writer(metrics_table(result, settings.plane))
        if self.provenance is not None:
            writers[self.provenance] = content_writer(to_json(result.provenance, indent=2) + "\n")
        return writers


def _check_series_folder(folder: Path) -> None:
    check_output_folder(folder)
    check_is_empty(folder)


def _contribution_of(result: FusionResult) -> sitk.Image:
    if result.contribution is None:
        raise InputError("These weights predict pixels, so there is no contribution map; leave out --contribution.")
    return result.contribution


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

    known: a transform that replaces the registration, or from which it starts.
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
