"""Colour tables for scalar PET and SPECT volumes."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.errors import InputError

# Each table: control points (position, R, G, B), all in [0, 1], joined by straight lines. Hot-iron is that of DICOM
# PS3.6 B.1.1. It and ice grow brighter all the way, so the fused luminance keeps the order of uptake; rainbow, which
# many readers are used to, does not.
COLOUR_TABLES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "hot-iron": ((0, 0, 0, 0), (0.5, 1, 0, 0), (0.75, 1, 0.5, 0), (1, 1, 1, 1)),
    "ice": ((0, 0, 0, 0), (0.4, 0, 0.2, 0.8), (0.75, 0, 0.8, 1), (1, 1, 1, 1)),
    "rainbow": ((0, 0, 0, 0), (0.2, 0, 0, 1), (0.4, 0, 1, 1), (0.6, 0, 1, 0), (0.8, 1, 1, 0), (1, 1, 0, 0)),
}


def apply_colour_table(unit: np.ndarray, name: str) -> np.ndarray:
    """Colour values through a table.

    unit: any shape, in [0, 1].
    Returns float32 RGB (..., 3) in [0, 1]. Raises InputError for a name that is no table.
    """
    if name not in COLOUR_TABLES:
        raise InputError(f"'{name}' is not a colour table; give one of {', '.join(COLOUR_TABLES)}.")
    position, *channels = np.array(COLOUR_TABLES[name]).T
    return np.stack([np.interp(unit, position, channel) for channel in channels], axis=-1).astype(np.float32)
