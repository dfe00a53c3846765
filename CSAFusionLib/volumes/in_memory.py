"""Volumes that other libraries hold in memory: SimpleITK and nibabel images, and arrays with a geometry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import LPS_TO_RAS, is_geometry, set_ijk_to_lps
from CSAFusionLib.volumes.pictures import lay_on_black
from CSAFusionLib.volumes.reading import fill_non_finite, straightened
from CSAFusionLib.volumes.volume import Volume

WHAT_SERVES = (
    "a path, a Volume, a SimpleITK image, a nibabel image, or an array with its geometry: (array, affine) or "
    "(array, {'spacing': ..., 'origin': ..., 'direction': ...})"
)

_COLOUR_TYPES = (np.uint8, np.uint16)
_DICOM_MODALITY = "0008|0060"
_MM = {"meter": 1000.0, "micron": 0.001}


def is_nibabel(source: object) -> bool:
    """Tell whether an object is a spatial image of nibabel, which need not be installed."""
    return hasattr(source, "dataobj") and hasattr(source, "affine")


def to_volume(source: object, name: str, *, keep_shear: bool = False) -> Volume:
    """Return an image of another library as a volume, in the same state as one read from a file.

    The source is not changed; corrections are made to a copy.

    Args:
        source: a SimpleITK image; a nibabel image; ``(array, affine)`` with an array indexed [i, j, k] and the (4, 4)
            matrix from indices to RAS mm, as nibabel and MONAI have them; or ``(array, geometry)`` with an array
            indexed [k, j, i], as SimpleITK has them, and either an image on whose grid it lies or a mapping with
            ``spacing`` (mm), ``origin`` (LPS mm, 0 when left out) and ``direction`` (9 numbers, row by row; along LPS
            when left out). Colours are 8- or 16-bit unsigned, along a last axis of 3 or, with an opacity, 4.
        name: what messages call it.
        keep_shear: keep sheared axes, for a volume that is resampled anyway.

    Raises:
        InputError: the source is none of these, is not one 3-D volume, or has no usable geometry.
    """
    notes: tuple[str, ...] = ()
    hint = None
    if isinstance(source, sitk.Image):
        image, hint = _own_copy(source), _modality(source)
    elif is_nibabel(source):
        image, notes = _of_nibabel(source, name)
    elif isinstance(source, tuple) and len(source) == 2 and not isinstance(source[0], str):
        image = _of_pair(*source, name=name)
    else:
        raise InputError(_refusal(source, name))
    image, laid = lay_on_black(image)
    if image.GetDimension() == 3 and 0 not in image.GetSize():
        image, moved = straightened(name, image, keep_shear=keep_shear)
        image, filled = fill_non_finite(image)
        notes += moved + filled
    return Volume(image, name, hint, notes + laid)


def _refusal(source: object, name: str) -> str:
    if isinstance(source, np.ndarray):
        return (
            f"'{name}' is a bare array, which does not say where its voxels lie; give (array, affine) or {WHAT_SERVES}."
        )
    return f"'{name}' is of the type {type(source).__name__}, which is not a volume; give {WHAT_SERVES}."


def _own_copy(source: sitk.Image) -> sitk.Image:
    """A copy without metadata, which may name the patient, and without a fourth dimension of length 1."""
    image = sitk.Image(source)
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = sitk.Extract(image, [*image.GetSize()[:3], 0])
    if "vector" in image.GetPixelIDTypeAsString() and image.GetNumberOfComponentsPerPixel() == 1:
        image = sitk.VectorIndexSelectionCast(image, 0)
    if image.GetMetaDataKeys():
        # Until then the two share their metadata: erasing an entry in one erases it in the other.
        image.MakeUnique()
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    return image


def _modality(image: sitk.Image) -> str | None:
    return image.GetMetaData(_DICOM_MODALITY).strip() if image.HasMetaDataKey(_DICOM_MODALITY) else None


def _of_nibabel(source: Any, name: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """The image placed by nibabel's affine, with the number type that reading its file gives."""
    stored = getattr(source.dataobj, "dtype", None)
    array = np.asanyarray(source.dataobj)
    if array.dtype == np.float64 and stored is not None and not _needs_double(np.dtype(stored)):
        array = array.astype(np.float32)
    if array.dtype.names:
        array = np.stack([array[channel] for channel in array.dtype.names], axis=-1)
    elif array.ndim == 5 and array.shape[3] == 1:
        array = array[:, :, :, 0]
    elif array.ndim == 4 and array.shape[3] > 1:
        raise InputError(_series(name, array.shape[3]))
    header = source.header
    unit = header.get_xyzt_units()[0] if hasattr(header, "get_xyzt_units") else "mm"
    affine = _matrix(source.affine, name)
    affine[:3] *= _MM.get(unit, 1.0)
    note = "holds no orientation (both codes are 0); nibabel's affine places it, as in nibabel, FSL and SPM."
    # The headers of some formats are not mappings.
    names = set(header.keys()) if hasattr(header, "keys") else set()
    is_unplaced = names >= {"sform_code", "qform_code"} and not (header["sform_code"] or header["qform_code"])
    return _on_affine(array, affine, name), (note,) if is_unplaced else ()


def _needs_double(stored: np.dtype[Any]) -> bool:
    return stored.itemsize > 4 or (stored.kind in "iu" and stored.itemsize == 4)


def _of_pair(array: object, geometry: object, *, name: str) -> sitk.Image:
    if isinstance(geometry, sitk.Image):
        return _on_grid(array, geometry, name)
    if isinstance(geometry, Mapping):
        return _on_itk_geometry(array, geometry, name)
    return _on_affine(array, _matrix(geometry, name), name)


def _on_affine(array: object, affine: np.ndarray, name: str) -> sitk.Image:
    voxels = _voxels(array, name)
    image = _image(np.swapaxes(voxels, 0, 2))
    set_ijk_to_lps(image, LPS_TO_RAS @ affine)
    return image


def _matrix(affine: object, name: str) -> np.ndarray:
    try:
        matrix = np.array(affine, np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape != (4, 4):
        raise InputError(
            f"'{name}' has a geometry that is neither a (4, 4) affine nor an ITK geometry; give {WHAT_SERVES}."
        )
    if not is_geometry(matrix):
        raise InputError(
            f"'{name}' has an affine that is not a valid geometry; give one that is finite and can be inverted."
        )
    return matrix


def _on_grid(array: object, grid: sitk.Image, name: str) -> sitk.Image:
    image = _image(_voxels(array, name))
    if image.GetSize() != grid.GetSize():
        raise InputError(
            f"'{name}' has {_by(image.GetSize())} voxels and its grid {_by(grid.GetSize())}; give an array indexed "
            f"[k, j, i] of the grid's size."
        )
    image.CopyInformation(grid)
    return image


def _on_itk_geometry(array: object, geometry: Mapping[Any, Any], name: str) -> sitk.Image:
    unknown = [key for key in geometry if key not in ("spacing", "origin", "direction")]
    if unknown or "spacing" not in geometry:
        wrong = f"the entry {unknown[0]!r}" if unknown else "no spacing"
        raise InputError(f"'{name}' has a geometry with {wrong}; give spacing, origin and direction as ITK has them.")
    spacing = _numbers(geometry["spacing"], 3, "spacing", name)
    direction = _numbers(geometry.get("direction", np.eye(3)), 9, "direction", name).reshape(3, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = direction * spacing
    matrix[:3, 3] = _numbers(geometry.get("origin", (0, 0, 0)), 3, "origin", name)
    if spacing.min() <= 0 or not is_geometry(matrix):
        raise InputError(f"'{name}' has a spacing, origin and direction that make no geometry; correct them.")
    image = _image(_voxels(array, name))
    set_ijk_to_lps(image, matrix)
    return image


def _numbers(values: object, count: int, what: str, name: str) -> np.ndarray:
    try:
        numbers = np.array(values, np.float64).ravel()
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.size != count:
        raise InputError(f"'{name}' has a {what} that is not {count} numbers; give them as ITK has them.")
    return numbers


def _voxels(array: object, name: str) -> np.ndarray:
    """Voxels along three axes, and colours along a fourth, in a number type that ITK supports."""
    try:
        voxels = np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"'{name}' is not an array of numbers; give {WHAT_SERVES}.") from error
    if voxels.dtype.kind == "c":
        raise InputError(f"'{name}' holds complex numbers; give its magnitude.")
    if voxels.dtype.kind not in "biuf":
        raise InputError(f"'{name}' holds values of the type {voxels.dtype}; give an array of numbers.")
    if voxels.ndim == 4 and voxels.shape[3] == 1:
        voxels = voxels[..., 0]
    if voxels.ndim == 4 and not (voxels.dtype in _COLOUR_TYPES and voxels.shape[3] in (3, 4)):
        raise InputError(_series(name, voxels.shape[3]))
    if voxels.ndim not in (3, 4):
        raise InputError(f"'{name}' is an array of {voxels.ndim} dimensions; give a 3-D volume.")
    if 0 in voxels.shape:
        raise InputError(f"'{name}' is empty; give a volume that has voxels.")
    return voxels.astype(_itk_type(voxels.dtype), copy=False)


def _itk_type(number_type: np.dtype[Any]) -> np.dtype[Any]:
    if number_type.kind == "b":
        return np.dtype(np.uint8)
    if number_type.kind == "f" and number_type.itemsize not in (4, 8):
        return np.dtype(np.float32 if number_type.itemsize < 4 else np.float64)
    return number_type.newbyteorder("=")


def _image(voxels: np.ndarray) -> sitk.Image:
    return sitk.GetImageFromArray(np.ascontiguousarray(voxels), isVector=voxels.ndim == 4)


def _series(name: str, count: int) -> str:
    return f"'{name}' is a series of {count} volumes (4-D); give one 3-D volume of it."


def _by(size: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in size)
