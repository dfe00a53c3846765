"""Ways to fuse two slices into one, a file each: what the network is compared with, and the network itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

FusionMethod = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes two slices (H, W) float32 in [0, 1] and returns the fused one, alike."""

VolumeMethod = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""Takes the slices (S, H, W) float32 in [0, 1] of two volumes and their spacing in mm, and returns the fused ones."""


ColourMethod = Callable[[np.ndarray, np.ndarray, tuple[float, float, float], str], np.ndarray]
"""Takes uptake and anatomy (S, H, W) float32 in [0, 1], the sides of a voxel along slices, rows and columns in mm, and
the name of a colour table; returns RGB (S, H, W, 3) from 0 to 1."""


def slice_by_slice(method: FusionMethod) -> VolumeMethod:
    """Return what fuses every slice of two volumes on its own."""
    return lambda a, b, spacing: np.stack([method(*slices) for slices in zip(a, b, strict=True)])


def with_chrominance(method: VolumeMethod) -> ColourMethod:
    """Return what colours the result of a method as the article does: U and V of the colour table, Y fused."""
    from CSAFusionLib.intensity.colour import apply_colour_table, rgb_to_yuv, yuv_to_rgb

    def fuse(uptake: np.ndarray, anatomy: np.ndarray, voxel: tuple[float, float, float], table: str) -> np.ndarray:
        yuv = rgb_to_yuv(apply_colour_table(uptake, table))
        fused = method(yuv[..., 0].astype(np.float32), anatomy, voxel[0])
        return np.clip(yuv_to_rgb(np.concatenate([fused[..., None], yuv[..., 1:]], axis=-1)), 0, 1)

    return fuse
