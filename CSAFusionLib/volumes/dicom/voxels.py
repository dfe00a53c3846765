"""The voxels of a stack of frames, in physical units."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.volumes.dicom.elements import HeaderError
from CSAFusionLib.volumes.dicom.files import read_whole, readable
from CSAFusionLib.volumes.dicom.frames import Frame
from CSAFusionLib.volumes.dicom.pixels import stored_values
from CSAFusionLib.volumes.dicom.scaling import Scale, chosen_scales
from CSAFusionLib.volumes.dicom.stacking import Stack
from CSAFusionLib.volumes.dicom.straightening import shifted

# Whole numbers up to this are exact in float32.
_EXACT_IN_FLOAT32 = 2**24


def image_of(stack: Stack) -> sitk.Image:
    """Return a stack as an image: scalar float32 (float64 where that would round whole numbers), or RGB as stored.

    Raises:
        HeaderError: some slices are in colour and others are not.
        InputError: the voxels of a file cannot be read, or do not fit its header.
    """
    voxels = _voxels(stack)
    image = sitk.GetImageFromArray(voxels, isVector=voxels.ndim == 4)
    image.SetOrigin(stack.origin.tolist())
    image.SetSpacing(stack.spacing)
    image.SetDirection(stack.direction.ravel().tolist())
    return image


def stored_frames(frames: list[Frame]) -> list[np.ndarray]:
    """Return the stored values of frames, (H, W) or RGB (H, W, 3) each, in their order; each file is read once."""
    in_files: dict[str, list[int]] = defaultdict(list)
    for number, frame in enumerate(frames):
        in_files[str(frame.file)].append(number)
    found: dict[int, np.ndarray] = {}
    for numbers in in_files.values():
        file = frames[numbers[0]].file
        dataset = read_whole(file)
        with readable(file):
            values = stored_values(dataset)
        found.update({number: values[frames[number].index] for number in numbers})
    return [found[number] for number in range(len(frames))]


def _voxels(stack: Stack) -> np.ndarray:
    planes = stored_frames(list(stack.frames))
    if len({plane.ndim for plane in planes}) > 1:
        raise HeaderError("has slices in grey and slices in colour; give slices of one scan")
    if planes[0].ndim == 3:
        kind = np.result_type(*planes)
        straight = [_straight(plane, aside) for plane, aside in zip(planes, stack.aside, strict=True)]
        return np.stack(straight).astype(kind)
    scales = chosen_scales([frame.scales for frame in stack.frames])
    voxels = np.empty((len(planes), *planes[0].shape), _number_type(planes, scales))
    for number, (plane, scale, aside) in enumerate(zip(planes, scales, stack.aside, strict=True)):
        voxels[number] = shifted(scale.apply(plane), aside)
    return voxels


def _straight(plane: np.ndarray, aside: np.ndarray) -> np.ndarray:
    return np.rint(shifted(plane, aside)) if aside.any() else plane


def _number_type(planes: list[np.ndarray], scales: list[Scale]) -> type:
    """float64 where the stored values are of a kind that float32 would round, else float32."""
    wide = any(
        plane.dtype == np.float64 or (plane.dtype.itemsize > 2 and plane.dtype.kind in "iu" and _large(plane))
        for plane in planes
    )
    return np.float64 if wide else np.float32


def _large(plane: np.ndarray) -> bool:
    return int(plane.max()) > _EXACT_IN_FLOAT32 or int(plane.min()) < -_EXACT_IN_FLOAT32
