"""A volume as the header of its file describes it, and how it becomes an image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import is_geometry, set_ijk_to_lps
from CSAFusionLib.volumes.input_path import chosen
from CSAFusionLib.volumes.voxel_data import Encoding, VoxelData, read_voxels

NO_ORIENTATION = "holds no orientation; its axes are taken to run to left, posterior and superior, as 3D Slicer does."
NO_SPACING = "does not give its voxel size along every axis; 1 mm was taken where it is missing."

# Bytes behind the voxels that are still padding; more of them, or a slice, is what a wrong header leaves over.
_PADDING = 1024
_AT_A_TIME = 1 << 20


@dataclass(frozen=True)
class StoredVolume:
    """What the header of a file says; all but the voxels has been checked.

    path: the file that was given.
    size: voxels along i, j, k, each 1 or more.
    number_type: of one component, with its byte order.
    affine: (4, 4), takes (i, j, k, 1) to LPS mm; not necessarily straight.
    data: where the voxels are.
    components: numbers in each voxel.
    component_axis: how many of the axes i, j, k run faster than the components; 0 where a voxel's numbers are together.
    scaling: slope and intercept that take stored numbers to values, or None where they are the values.
    series: how many such volumes lie one behind the other; :func:`one_of` chooses one.
    seconds_apart, first_second: time between two of them, 0 where the header does not say it, and that of the first.
    notes: as in :class:`CSAFusionLib.volumes.volume.Volume`.
    """

    path: Path
    size: tuple[int, int, int]
    number_type: np.dtype[Any]
    affine: np.ndarray
    data: VoxelData
    components: int = 1
    component_axis: int = 0
    scaling: tuple[float, float] | None = None
    series: int = 1
    seconds_apart: float = 0.0
    first_second: float = 0.0
    notes: tuple[str, ...] = ()


def one_of(stored: StoredVolume, number: int | None) -> StoredVolume:
    """Return one volume of a series (4-D), counted from 1, or the only volume of a file.

    Raises SeveralVolumesError where there are several and none is chosen, InputError for a number there is none of.
    """
    index = chosen(str(stored.path), [("", stored.size[2])] * stored.series, number)
    data = stored.data
    if stored.series == 1 or len(data.files) > 1 or data.encoding in (Encoding.TEXT, Encoding.HEXADECIMAL):
        return stored
    length = math.prod(stored.size) * stored.components * stored.number_type.itemsize
    return replace(
        stored,
        data=replace(data, skip=data.skip + index * length, behind=(stored.series - 1 - index) * length),
        series=1,
        notes=(*stored.notes, f"is number {index + 1} of the {stored.series} that its source holds."),
    )


def to_image(stored: StoredVolume) -> tuple[sitk.Image, tuple[str, ...]]:
    """Read the voxels; return the image, placed as the header says, and what a user must know about it.

    Values that are scaled are float32, or float64 where their stored numbers need it.
    Raises InputError as :func:`CSAFusionLib.volumes.voxel_data.read_voxels` does, for a header without a geometry, and
    for a series of which no volume is chosen.
    """
    if stored.series > 1:
        raise InputError(
            f"'{stored.path}' is a series of {stored.series} volumes (4-D); extract one 3-D volume from it first."
        )
    _check_geometry(stored)
    flat, surplus = read_voxels(stored.data, stored.number_type, math.prod(stored.size) * stored.components)
    slice_bytes = stored.number_type.itemsize * stored.components * stored.size[0] * stored.size[1]
    notes = stored.notes
    if surplus >= min(_PADDING, slice_bytes):
        notes += (f"holds {surplus} bytes more than its header says, which were left out: compare its size.",)
    image = sitk.GetImageFromArray(_arranged(_scaled(flat, stored), stored), isVector=stored.components > 1)
    set_ijk_to_lps(image, stored.affine)
    return image, notes


def _check_geometry(stored: StoredVolume) -> None:
    if not is_geometry(stored.affine):
        raise InputError(
            f"'{stored.path}' has a header whose spacing, origin or axis directions make no geometry; correct the "
            f"header or export the volume again."
        )


def _scaled(flat: np.ndarray, stored: StoredVolume) -> np.ndarray:
    native = stored.number_type.newbyteorder("=")
    if stored.scaling is None:
        return flat.astype(native, copy=False)
    slope, intercept = stored.scaling
    wide = native.itemsize > 4 or (native.kind in "iu" and native.itemsize == 4)
    values = np.empty(flat.shape, np.float64 if wide else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        # Computed in double, as ITK does it, and bit by bit, so that no array of doubles lies beside the result.
        for start in range(0, flat.size, _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            values[part] = flat[part].astype(np.float64) * slope + intercept
    return values


def _arranged(flat: np.ndarray, stored: StoredVolume) -> np.ndarray:
    """The numbers as an array indexed k, j, i, and by component where there are several."""
    if stored.components == 1:
        return flat.reshape(stored.size[::-1])
    lengths = list(stored.size)
    lengths.insert(stored.component_axis, stored.components)
    return np.moveaxis(flat.reshape(lengths[::-1]), 3 - stored.component_axis, -1)
