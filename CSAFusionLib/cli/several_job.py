"""``csafusion fuse FIXED --moving A --moving B -o FOLDER``: several volumes into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import typer

from CSAFusionLib.cli.montage import GAP, band, bounding_box, key_of_fused, key_of_input, sheet, spread, to_rgb
from CSAFusionLib.cli.options import MaskOptions, ReadingOptions
from CSAFusionLib.cli.outputs import (
    check_absent,
    check_extension,
    check_output_folder,
    check_outputs,
    filled_folder,
    print_fusion_summary,
    print_warnings,
    print_written,
)
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, content_writer, is_same_file
from CSAFusionLib.fusion.colour import COLOUR_TABLES
from CSAFusionLib.fusion.output_grid import OutputGrid
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.fusion.several import MovingVolume, SeveralFused, fuse_several
from CSAFusionLib.geometry.grid import region_of
from CSAFusionLib.geometry.planes import Plane, slice_spacing, to_slices
from CSAFusionLib.intensity.mapping import CT_WINDOWS
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.progress import Progress
from CSAFusionLib.registration.transforms import transform_writer
from CSAFusionLib.text import to_json
from CSAFusionLib.volumes.dicom.derived_series import check_can_be_dicom, check_is_empty, derived_series
from CSAFusionLib.volumes.input_path import check_input_path
from CSAFusionLib.volumes.pictures import picture_writer
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import volume_writer

_MODALITIES = {modality.name.lower(): modality for modality in Modality}
_MASK = "mask="
_DICOM = "dicom"


@dataclass(frozen=True)
class NamedMoving:
    """A moving volume as named on the command line: its path, its choices, and the mask on its grid."""

    path: Path
    choices: dict[str, Any] = field(default_factory=dict)
    mask: Path | None = None


def parse_moving(text: str) -> NamedMoving:
    """Return the path, and the choices behind its last colon: ``PET.nii:pet,hot-iron,mask=BRAIN.nii``.

    Each choice is the name of a modality, a colour table or a CT window, or ``mask=`` with a file. A path that exists
    as it stands has no choices.

    Raises InputError for an unknown name, unless the path does not exist without it either.
    """
    path, colon, names = text.rpartition(":")
    if not colon or Path(text).exists() or not Path(path).exists():
        return NamedMoving(Path(text))
    choices: dict[str, Any] = {}
    mask = None
    for said in names.split(","):
        name = said.lower()
        if name.startswith(_MASK):
            mask = Path(said[len(_MASK) :])
        elif name in COLOUR_TABLES:
            choices["colour_table"] = name
        elif name in _MODALITIES:
            choices["modality"] = _MODALITIES[name]
        elif name in CT_WINDOWS:
            choices["window"] = CT_WINDOWS[name]
        else:
            known = ", ".join([*COLOUR_TABLES, *_MODALITIES, *CT_WINDOWS, "mask=FILE"])
            raise InputError(
                f"'{name}' behind '{path}' is not a modality, colour table or window; choose from {known}."
            )
    return NamedMoving(Path(path), choices, mask)


@dataclass(frozen=True)
class SeveralOutputs:
    """Where the results of several moving volumes go.

    folder: for all of them. dicom: whether the fused volume is a DICOM series, in its own folder in that one.
    png: a picture; None for no picture.
    """

    folder: Path
    dicom: bool = False
    png: Path | None = None
    overwrite: bool = False

    def check(self, inputs: list[Path], count: int) -> None:
        """Raise InputError for a folder that cannot be filled, or a result file that already exists."""
        check_output_folder(self.folder)
        if any(is_same_file(self.folder, path) for path in inputs):
            raise InputError(f"'{self.folder}' is an input; give the folder for the result another name.")
        for name in _names(count):
            check_absent(self.folder / name, self.folder / name, overwrite=self.overwrite)
        if self.dicom:
            check_is_empty(self.folder / _DICOM)
        check_extension(self.png, (".png",))
        check_outputs([self.png], inputs, overwrite=self.overwrite)

    def write(self, result: SeveralFused, fixed: Volume, movings: Sequence[Volume], plane: Plane, bar: Progress) -> Any:
        """Write all outputs or nothing; returns the files to report. Warnings on a DICOM series go into the
        provenance."""
        on_chunk = partial(bar, "Writing", 0, 0)
        series: dict[str, Writer] = {}
        if self.dicom:
            modalities = [result.provenance["steps"][0]["fixed"]["modality"]]
            modalities += [step["moving"]["modality"] for step in result.provenance["steps"]]
            frames = tuple(frame for moving in movings for frame in moving.frames)
            series, said = derived_series(
                result.fused, fixed, replace(movings[0], frames=frames), modalities=modalities
            )
            result.provenance["warnings"] = [*result.provenance["warnings"], *said]
        named = dict(zip(_names(len(movings)), self._writers(result, on_chunk), strict=True))
        if self.dicom:
            del named[_names(0)[0]]
        writers = {self.folder / name: write for name, write in named.items()}
        if self.png is not None:
            writers[self.png] = picture_writer(picture_of_several(result, plane))
        files = {self.folder / _DICOM / name: write for name, write in series.items()}
        with filled_folder(self.folder):
            if not self.dicom:
                atomic_write(writers, bar)
                return list(writers)
            with filled_folder(self.folder / _DICOM):
                atomic_write(writers | files, bar)
        return [self.folder / _DICOM, *writers]

    def _writers(self, result: SeveralFused, on_chunk: Any) -> list[Writer]:
        writers = [volume_writer(result.fused, on_chunk)]
        for image, found in zip(result.registered, result.registrations, strict=True):
            writers += [volume_writer(image, on_chunk), transform_writer(found.transform)]
        return [*writers, content_writer(to_json(result.provenance, indent=2) + "\n")]


def fuse_several_files(
    fixed: Path,
    movings: list[str],
    settings: FusionSettings,
    outputs: SeveralOutputs,
    reading: ReadingOptions,
    region: Path | None = None,
    grid: OutputGrid = OutputGrid(),  # noqa: B008 (frozen)
    mask: Path | None = None,
) -> SeveralFused:
    """Fuse several volumes from disk to a folder: the fused one, each moving one registered, transforms, provenance.

    movings: paths, with their choices as :func:`parse_moving` takes them. region, grid: as for the fusion of two
        volumes. mask: where every registration compares the volumes, on the fixed volume's grid.

    Raises:
        CSAFusionError: an input, the folder or a setting cannot be used; nothing was written.
    """
    named = [parse_moving(text) for text in movings]
    masks = [MaskOptions(mask, one.mask) for one in named]
    inputs = [fixed, *(one.path for one in named), *([region] if region else [])]
    inputs += [path for one in masks for path in one.inputs]
    for path in inputs:
        check_input_path(path)
    for one in masks:
        one.check(settings.registration, None)
    outputs.check(inputs, len(movings))
    if outputs.dicom and settings.style is Style.SIDE_BY_SIDE:
        raise InputError("--dicom needs the grid of FIXED, but side by side has its own; leave one out.")
    if reading.volume is not None:
        raise InputError("--volume does not say which of several inputs is meant; save the volume you want first.")
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        read = partial(read_volume, orientation=reading.orientation_from)
        target = read(fixed)
        if outputs.dicom:
            check_can_be_dicom(target)
        volumes = [read(one.path, keep_shear=True) for one in named]
        pairs = zip(named, volumes, masks, strict=True)
        chosen = [
            MovingVolume(volume=volume, masks=own.read((target, volume), reading.orientation_from), **one.choices)
            for one, volume, own in pairs
        ]
        where = None if region is None else region_of(read(region), target)
        result = fuse_several(
            target, chosen, settings, region=where, grid=grid, with_mapped=outputs.png is not None, progress=progress
        )
        written = outputs.write(result, target, volumes, settings.plane, progress)
    _print(result)
    print_written(written)
    return result


def _names(count: int) -> list[str]:
    """The names of the files; numbers stand for the moving volumes, whose names may identify the patient."""
    of_each = [(f"registered-{number}.nii.gz", f"transform-{number}.h5") for number in range(1, count + 1)]
    return ["fused.nii.gz", *[name for names in of_each for name in names], "provenance.json"]


_ROWS = 4


def picture_of_several(result: SeveralFused, plane: Plane) -> np.ndarray:
    """Draw the fixed volume, each moving one in the given order, and the fused one, uint8 (H, W, 3).

    result: with its mapped volumes.
    """
    stacks = [_in_unit(to_slices(image, plane)) for image in (*result.mapped, result.fused)]
    brightness = [stack.max(axis=-1) if stack.ndim == 4 else stack for stack in stacks]
    shown = spread(brightness[0] * np.maximum.reduce(brightness[1:-1]), _ROWS)
    window = bounding_box(np.maximum.reduce([one[shown].max(axis=0) for one in brightness[:-1]]))
    pixel = slice_spacing(result.fused, plane)[1:]
    rows = [([to_rgb(stack[index][window]) for stack in stacks], pixel) for index in shown]
    titles = ["Fixed", *(f"Moving {number}" for number in range(1, len(result.mapped))), "Fused"]
    picture = sheet(rows, titles)
    by_number = {step["moving_number"]: step["moving"] for step in result.provenance["steps"]}
    told = [result.provenance["steps"][0]["fixed"], *(by_number[number] for number in sorted(by_number))]
    is_grey = result.fused.GetNumberOfComponentsPerPixel() == 1
    keys = [*map(key_of_input, told), key_of_fused() if is_grey else None]
    return np.concatenate([picture, band(keys, (picture.shape[1] + GAP) // len(titles) - GAP, GAP)])


def _in_unit(slices: np.ndarray) -> np.ndarray:
    return slices / np.float32(255) if slices.dtype == np.uint8 else slices


def _print(result: SeveralFused) -> None:
    steps = result.provenance["steps"]
    for step in steps:
        typer.echo(f"--- {step['moving_number']} of {len(steps)} moving volumes")
        print_fusion_summary(step | {"warnings": []})
    print_warnings(result.provenance["warnings"])
