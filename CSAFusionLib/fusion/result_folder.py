"""A result as a folder of files that other programs read too, and back, the same to the last bit.

``fused.nrrd``, ``fixed_mapped.nrrd``, ``moving_mapped.nrrd``, ``moving_on_grid.nrrd`` and, if it was asked for,
``contribution.nrrd``; ``transform.h5`` (from fixed to moving points, ITK); and ``result.json``: provenance, warnings,
figures, what is known of the registration, and the grid in full precision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib import checks
from CSAFusionLib.checks import entry, lists_of_numbers, texts
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, content_writer
from CSAFusionLib.files.paths import check_folder, is_taken
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.registration.transforms import read_transform, transform_writer
from CSAFusionLib.text import to_json
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.writing import volume_writer

IMAGES = ("fused", "fixed_mapped", "moving_mapped", "moving_on_grid")
CONTRIBUTION = "contribution"

_DESCRIPTION, _TRANSFORM = "result.json", "transform.h5"


def save_result(result: FusionResult, folder: Path) -> None:
    """Write a result into a folder, which is made if need be: all files or, when one fails, none.

    Raises InputError for a folder that cannot be used, or when the disk refuses a file.
    """
    if is_taken(folder):
        raise InputError(f"'{folder}' is not a folder; give another name.")
    if result.fused.GetSize() != result.fixed_mapped.GetSize():
        raise InputError("A side-by-side volume has a grid of its own and cannot be saved as a result; write 'fused'.")
    check_folder(folder if folder.is_dir() else folder.parent)
    images = {name: getattr(result, name) for name in IMAGES}
    if result.contribution is not None:
        images[CONTRIBUTION] = result.contribution
    description = {
        "images": list(images),
        "grid": _grid(result.fused),
        "registration": result.registration.to_dict(),
        "provenance": result.provenance,
        "warnings": result.warnings,
        "figures": result.figures,
    }
    writers: dict[Path, Writer] = {folder / f"{name}.nrrd": volume_writer(image) for name, image in images.items()}
    writers[folder / _TRANSFORM] = transform_writer(result.registration.transform)
    writers[folder / _DESCRIPTION] = content_writer(to_json(description, indent=2) + "\n")
    folder.mkdir(exist_ok=True)
    atomic_write(writers)


def load_result(folder: Path) -> FusionResult:
    """Read the result that :func:`save_result` wrote; InputError when it is missing, damaged or of a wrong type."""
    description = _description(folder)
    names = texts(entry(description, "images"), "names of the images")
    if sorted({*names} - {CONTRIBUTION}) != sorted(IMAGES):
        raise InputError(f"'{folder}' does not hold a result whole; save it again.")
    grid = checks.mapping(entry(description, "grid"), "grid")
    images = {name: _image(folder / f"{name}.nrrd", grid) for name in names}
    registration = checks.mapping(entry(description, "registration"), "registration")
    return FusionResult(
        **images,
        registration=Registration.from_dict(registration, read_transform(folder / _TRANSFORM)),
        provenance=checks.mapping(entry(description, "provenance"), "provenance"),
        warnings=texts(entry(description, "warnings"), "warnings"),
        figures=lists_of_numbers(entry(description, "figures")),
    )


def _description(folder: Path) -> dict[str, Any]:
    try:
        text = (folder / _DESCRIPTION).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"'{folder}' holds no saved result ({_DESCRIPTION} is missing); check the path.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"'{folder / _DESCRIPTION}' cannot be read; copy the folder again.") from error
    try:
        return checks.mapping(json.loads(text), "saved result")
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{folder / _DESCRIPTION}' is damaged; save the result again.") from error


def _grid(image: sitk.Image) -> dict[str, tuple[float, ...]]:
    return {"spacing": image.GetSpacing(), "origin": image.GetOrigin(), "direction": image.GetDirection()}


def _image(file: Path, grid: dict[str, Any]) -> sitk.Image:
    """An image, put exactly where it was: NRRD keeps the axes in mm, which rounds spacing and direction."""
    image = read_volume(file, keep_shear=True).image
    found = _grid(image)
    for name, own in found.items():
        saved = np.array(_floats(entry(grid, name), name))
        if saved.shape != np.shape(own) or not np.allclose(saved, own, rtol=1e-6, atol=1e-6):
            raise InputError(f"'{file}' does not lie where its result says; save the result again.")
    image.SetSpacing(grid["spacing"])
    image.SetOrigin(grid["origin"])
    image.SetDirection(grid["direction"])
    return image


def _floats(values: object, name: str) -> list[float]:
    if not isinstance(values, list):
        raise InputError(f"The {name} of the grid must be a list of numbers, not {checks.shown(values)}.")
    return [checks.number(value, name, "a finite number", low=-1e300, high=1e300) for value in values]
