"""``csafusion fuse FIXED --moving A --moving B -o FOLDER``: several volumes into one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import typer

from CSAFusionLib.cli.options import ReadingOptions
from CSAFusionLib.cli.outputs import check_absent, check_output_folder, filled_folder
from CSAFusionLib.cli.progress_bar import ProgressBar
from CSAFusionLib.cli.summary import print_fusion_summary, print_warnings, print_written
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, content_writer, is_same_file
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.several import MovingVolume, SeveralFused, fuse_several
from CSAFusionLib.geometry.resampling import region_of
from CSAFusionLib.intensity.colour import COLOUR_TABLES
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.windows import CT_WINDOWS
from CSAFusionLib.progress import Progress
from CSAFusionLib.registration.transforms import transform_writer
from CSAFusionLib.text import to_json
from CSAFusionLib.volumes.input_path import check_input_path
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import volume_writer

_MODALITIES = {modality.name.lower(): modality for modality in Modality}


def parse_moving(text: str) -> tuple[Path, dict[str, object]]:
    """Return the path, and the choices behind its last colon: ``PET.nii:pet,hot-iron``.

    Each choice is the name of a modality, a colour table or a CT window. A path that exists as it is has none.

    Raises InputError for a name that is none of them, unless there is no such path without it either.
    """
    path, colon, names = text.rpartition(":")
    if not colon or Path(text).exists() or not Path(path).exists():
        return Path(text), {}
    choices: dict[str, object] = {}
    for name in names.lower().split(","):
        if name in COLOUR_TABLES:
            choices["colour_table"] = name
        elif name in _MODALITIES:
            choices["modality"] = _MODALITIES[name]
        elif name in CT_WINDOWS:
            choices["window"] = CT_WINDOWS[name]
        else:
            known = ", ".join([*COLOUR_TABLES, *_MODALITIES, *CT_WINDOWS])
            raise InputError(f"'{name}' behind '{path}' is no modality, colour table or window; choose from {known}.")
    return Path(path), choices


def fuse_several_files(
    fixed: Path,
    movings: list[str],
    settings: FusionSettings,
    folder: Path,
    reading: ReadingOptions,
    region: Path | None = None,
    *,
    overwrite: bool = False,
) -> SeveralFused:
    """Fuse several volumes from disk to a folder: the fused one, each moving one registered, transforms, provenance.

    movings: paths, with their choices as :func:`parse_moving` takes them. region: as of the fusion of two.

    Raises:
        CSAFusionError: an input, the folder or a setting cannot be used; nothing was written.
    """
    parsed = [parse_moving(text) for text in movings]
    inputs = [fixed, *(path for path, _ in parsed), *([region] if region else [])]
    for path in inputs:
        check_input_path(path)
    _check_folder(folder, inputs, len(movings), overwrite=overwrite)
    if reading.volume is not None:
        raise InputError("--volume does not say which of several inputs is meant; save the volume you want first.")
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        read = partial(read_volume, orientation=reading.orientation_from)
        volumes = [_chosen(read(path, keep_shear=True), choices) for path, choices in parsed]
        target = read(fixed)
        where = None if region is None else region_of(read(region), target)
        result = fuse_several(target, volumes, settings, region=where, progress=progress)
        writers = _writers(folder, result, progress)
        with filled_folder(folder):
            atomic_write(writers, progress)
    _print(result)
    print_written(writers)
    return result


def _check_folder(folder: Path, inputs: list[Path], count: int, *, overwrite: bool) -> None:
    """Raise InputError for a folder that cannot be filled, or that holds a file of the result already."""
    check_output_folder(folder)
    if any(is_same_file(folder, path) for path in inputs):
        raise InputError(f"'{folder}' is an input; give the folder for the result another name.")
    for name in _names(count):
        check_absent(folder / name, folder / name, overwrite=overwrite)


def _names(count: int) -> list[str]:
    """The names of the files; numbers stand for the moving volumes, whose names may tell of the patient."""
    of_each = [(f"registered-{number}.nii.gz", f"transform-{number}.h5") for number in range(1, count + 1)]
    return ["fused.nii.gz", *[name for names in of_each for name in names], "provenance.json"]


def _chosen(volume: Volume, choices: dict[str, object]) -> MovingVolume:
    return replace(MovingVolume(volume=volume), **choices)  # type: ignore[arg-type]


def _writers(folder: Path, result: SeveralFused, progress: Progress) -> dict[Path, Writer]:
    on_chunk = partial(progress, "Writing", 0, 0)
    writers = [volume_writer(result.fused, on_chunk)]
    for image, found in zip(result.registered, result.registrations, strict=True):
        writers += [volume_writer(image, on_chunk), transform_writer(found.transform)]
    writers.append(content_writer(to_json(result.provenance, indent=2) + "\n"))
    names = _names(len(result.registered))
    return {folder / name: write for name, write in zip(names, writers, strict=True)}


def _print(result: SeveralFused) -> None:
    steps = result.provenance["steps"]
    for step in steps:
        typer.echo(f"--- {step['moving_number']} of {len(steps)} moving volumes")
        print_fusion_summary(step | {"warnings": []})
    print_warnings(result.provenance["warnings"])
