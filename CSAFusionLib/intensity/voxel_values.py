"""Voxel values in the form that all later work takes: within float32, colours as luminance and chrominance."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.volumes.volume import Volume

# Products of six gradients, as registration makes them, stay finite and above zero between these.
_LARGEST = 2.0**20
_LEAST_RANGE = 2.0**-10
# Of float32's 24 bits this many are left to tell values apart where they lie far from 0.
_LEAST_SHARE = 2.0**-10
# Spikes beyond these quantiles do not count, and are cut where nothing overflows yet.
_QUANTILES = (0.001, 0.999)
_FARTHEST = 2.0**30
# The range after rescaling; slopes are powers of two, so that no value is rounded on the way.
_EXPONENT = 10
_MOST_SHIFT = 1000


def within_float32(volume: Volume) -> Volume:
    """Return the volume with values that float32 holds apart: itself, or rescaled with ``slope`` and ``intercept``.

    A scalar volume is rescaled to float32 if its values lie far from 0 compared with their range (int32 around 2e9),
    exceed 1e6, or are closer than 1e-3 (float64 of 1e40 or 1e-50). Multiplication by a power of two changes no digit,
    so two volumes that differ by such a factor give the same result.
    """
    if volume.is_colour or volume.is_rescaled or volume.image.GetSizeOfPixelComponent() <= 2:
        return volume
    voxels = sitk.GetArrayViewFromImage(volume.image)
    extremes = _plain(voxels.min()), _plain(voxels.max())
    if _is_ordinary(*extremes):
        return volume
    low, high = _robust_range(voxels, extremes)
    offset = low if _is_far_from_zero(low, high) else 0
    shift = _shift(max(abs(low - offset), abs(high - offset)))
    if offset == shift == 0 and max(map(abs, extremes)) <= _FARTHEST:
        return volume
    stored = np.stack([_rescaled(plane, offset, shift) for plane in voxels])
    image = sitk.GetImageFromArray(stored)
    image.CopyInformation(volume.image)
    return replace(volume, image=image, slope=2.0**-shift, intercept=offset)


def own_values(image: sitk.Image, volume: Volume) -> sitk.Image:
    """Return an image in the volume's own values: float64 if the volume was rescaled, else the image itself.

    image: scalar, in the values of ``volume.image``.
    """
    if not volume.is_rescaled:
        return image
    return sitk.Cast(image, sitk.sitkFloat64) * volume.slope + float(volume.intercept)


def _is_ordinary(low: float, high: float) -> bool:
    if max(abs(low), abs(high)) > _LARGEST:
        return False
    return high - low >= _LEAST_RANGE and not _is_far_from_zero(low, high)


def _is_far_from_zero(low: float, high: float) -> bool:
    return high - low < _LEAST_SHARE * max(abs(low), abs(high))


def _robust_range(voxels: np.ndarray, extremes: tuple[float, float]) -> tuple[float, float]:
    """The values between which nearly all lie, as exact as they are stored; the extremes if those are one value."""
    places = [round(share * (voxels.size - 1)) for share in _QUANTILES]
    ordered = np.partition(voxels, places, axis=None)
    low, high = (_plain(ordered[place]) for place in places)
    return (low, high) if low < high else extremes


def _plain(value: np.generic) -> float:
    """A whole number stays one: a float would round it above 2**53."""
    return value.item()


def _shift(largest: float) -> int:
    """The power of two that brings the largest value to 2**9..2**10; 0 if none is needed."""
    exponent = math.frexp(largest)[1]
    if math.ldexp(0.5, exponent) >= _LEAST_RANGE and exponent <= math.log2(_LARGEST):
        return 0
    return max(-_MOST_SHIFT, min(_EXPONENT - exponent, _MOST_SHIFT))


def _rescaled(voxels: np.ndarray, offset: float, shift: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.ldexp(_difference(voxels, offset), shift).clip(-_FARTHEST, _FARTHEST).astype(np.float32)


def _difference(voxels: np.ndarray, offset: float) -> np.ndarray:
    """Values less an offset, float64; of whole numbers exact before they become floats."""
    if voxels.dtype.kind == "f":
        return voxels.astype(np.float64) - offset
    # Unsigned arithmetic wraps around, and so is right below and above the offset.
    wide = voxels.astype(np.int64 if voxels.dtype.kind == "i" else np.uint64).view(np.uint64)
    base = np.uint64(int(offset) % 2**64)
    return np.where(voxels >= offset, (wide - base).astype(np.float64), -((base - wide).astype(np.float64)))


def foreground(image: sitk.Image) -> sitk.Image:
    """Mark what is brighter than the background (Otsu's threshold), 1 or 0 (uint8)."""
    return sitk.OtsuThreshold(image, 0, 1)


# ITU-R BT.601: Y = 0.299 R + 0.587 G + 0.114 B, U = 0.492 (B - Y), V = 0.877 (R - Y).
_LUMINANCE = np.array([0.299, 0.587, 0.114])
_RGB_TO_YUV = np.stack(
    [_LUMINANCE, 0.492 * (np.array([0, 0, 1]) - _LUMINANCE), 0.877 * (np.array([1, 0, 0]) - _LUMINANCE)]
)
_YUV_TO_RGB = np.linalg.inv(_RGB_TO_YUV)


def rgb_to_yuv(rgb: np.ndarray) -> np.ndarray:
    """Turn RGB (..., 3) in [0, 1] into YUV (..., 3): Y in [0, 1], U in [-0.436, 0.436], V in [-0.615, 0.615]."""
    return rgb @ _RGB_TO_YUV.T.astype(rgb.dtype)


def yuv_to_rgb(yuv: np.ndarray) -> np.ndarray:
    """Turn YUV (..., 3) into RGB (..., 3), clipped to [0, 1]: a new Y can leave the colours a screen can show."""
    return np.clip(yuv @ _YUV_TO_RGB.T.astype(yuv.dtype), 0, 1)


def in_whole_numbers(colours: sitk.Image, like: sitk.Image) -> sitk.Image:
    """Colours in the number type of another image."""
    number_type = sitk.GetArrayViewFromImage(like).dtype
    values = sitk.GetArrayViewFromImage(colours)
    rounded = np.rint(values) if number_type.kind in "iu" else values
    image = sitk.GetImageFromArray(rounded.astype(number_type), isVector=True)
    image.CopyInformation(colours)
    return image
