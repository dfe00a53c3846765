"""RGB to luminance and chrominance and back (BT.601), and colour tables for scalar PET and SPECT volumes."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.intensity.colour_tables import COLOUR_TABLES as COLOUR_TABLES

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


def apply_colour_table(unit: np.ndarray, name: str) -> np.ndarray:
    """Colour values through a table.

    unit: any shape, in [0, 1].
    Returns float32 RGB (..., 3) in [0, 1]. Raises InputError for a name that is no table.
    """
    if name not in COLOUR_TABLES:
        raise InputError(f"'{name}' is not a colour table; give one of {', '.join(COLOUR_TABLES)}.")
    position, *channels = np.array(COLOUR_TABLES[name]).T
    return np.stack([np.interp(unit, position, channel) for channel in channels], axis=-1).astype(np.float32)
