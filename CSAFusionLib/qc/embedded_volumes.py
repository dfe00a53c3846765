"""Volumes small enough to stand in a page: 8 bits a channel, as compressed NIfTI that niivue shows as it is."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import SimpleITK as sitk

MOST_VOXELS = 256**3
"""Of one volume in a page; a browser holds several times as many bytes."""
LONGEST_SIDE = 1024
"""In voxels; graphics cards take at least 2048, software that stands in for one takes less."""

_UINT8, _RGB24 = 2, 128
_HEADER_BYTES = 352
_IN_MM = 2
_SFORM_ALIGNED = 2
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def factors_to_fit(image: sitk.Image, most_voxels: int = MOST_VOXELS) -> tuple[int, int, int]:
    """Return how many voxels along i, j and k become one, so that the volume fits; (1, 1, 1) where it does already.

    The shortest voxel side grows first, so that voxels become no longer than they have to.
    """
    factors = np.ones(3, dtype=int)
    size = np.array(image.GetSize())
    while np.prod(size // factors) > most_voxels or (size // factors).max() > LONGEST_SIDE:
        sides = factors * np.array(image.GetSpacing())
        open_to_growth = size // (factors + 1) >= 1
        too_long = size // factors > LONGEST_SIDE
        candidates = (too_long if too_long.any() else open_to_growth).nonzero()[0]
        factors[candidates[sides[candidates].argmin()]] += 1
    i, j, k = factors.tolist()
    return i, j, k


def nifti_of(image: sitk.Image, factors: tuple[int, int, int] = (1, 1, 1)) -> bytes:
    """Return a volume as gzipped NIfTI-1 of uint8, or of RGB24 where it is in colour.

    image: float in [0, 1], shown as 0 to 255, or RGB of uint8.
    factors: how many voxels along i, j and k become one, their mean.
    """
    if image.GetNumberOfComponentsPerPixel() == 1:
        voxels = np.nan_to_num(sitk.GetArrayViewFromImage(image))
        scaled = sitk.GetImageFromArray(np.clip(voxels * 255.0, 0, 255).round().astype(np.uint8))
        scaled.CopyInformation(image)
        image = scaled
    if max(factors) > 1:
        image = sitk.BinShrink(image, factors)
    voxels = sitk.GetArrayViewFromImage(image)
    # Not SimpleITK's own NIfTI: it stores colour as a vector, which niivue shows grey.
    content = _header(image) + np.ascontiguousarray(voxels, dtype=np.uint8).tobytes()
    return gzip.compress(content, compresslevel=6, mtime=0)


def _header(image: sitk.Image) -> bytes:
    """The header of NIfTI-1. The place stands in the sform alone, which also has sheared grids."""
    channels = image.GetNumberOfComponentsPerPixel()
    spacing = image.GetSpacing()
    axes = _LPS_TO_RAS @ np.reshape(image.GetDirection(), (3, 3)) * np.array(spacing)
    affine = np.column_stack([axes, _LPS_TO_RAS @ np.array(image.GetOrigin())])
    header = bytearray(_HEADER_BYTES)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *image.GetSize(), 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, _UINT8 if channels == 1 else _RGB24, 8 * channels)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 0.0, 0.0, 0.0, 0.0)
    struct.pack_into("<3f", header, 108, _HEADER_BYTES, 1.0, 0.0)
    struct.pack_into("<B", header, 123, _IN_MM)
    struct.pack_into("<2f", header, 124, 255.0, 0.0)
    struct.pack_into("<2h", header, 252, 0, _SFORM_ALIGNED)
    struct.pack_into("<12f", header, 280, *affine.ravel())
    struct.pack_into("<4s", header, 344, b"n+1\0")
    return bytes(header)
