"""The colours of a map of misalignment, over the anatomy."""

from __future__ import annotations

import numpy as np

# viridis (van der Walt and Smith, 2015), which every kind of colour vision can read, from 0 to 1 in equal steps.
_COLOURS = np.array(
    [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float32
) / np.float32(255)  # fmt: skip
_OPACITY = 0.65
_LEAST_SCALE_MM = 2.0


def scale_mm(distance: np.ndarray) -> float:
    """The whole number of mm that the last colour stands for, at least 2. distance: mm, negative where not known."""
    return max(_LEAST_SCALE_MM, float(np.ceil(distance.max())))


def coloured(grey: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Grey (H, W) under colours of 0 to 1 (H, W), from blue to yellow, as RGB (H, W, 3); where negative, grey alone."""
    place = share.clip(0, 1) * (len(_COLOURS) - 1)
    low = np.minimum(place.astype(int), len(_COLOURS) - 2)
    part = (place - low)[..., None]
    colour = _COLOURS[low] * (1 - part) + _COLOURS[low + 1] * part
    rgb = np.repeat(grey[..., None], 3, axis=-1)
    return np.where(share[..., None] >= 0, (1 - _OPACITY) * rgb + _OPACITY * colour, rgb)
