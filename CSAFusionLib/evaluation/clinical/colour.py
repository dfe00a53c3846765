"""Colour of a fused PET or SPECT: does it still tell how much is taken up, and only where something is?"""

from __future__ import annotations

import numpy as np

from CSAFusionLib.intensity.colour import apply_colour_table

_STEPS = 512
_TAKEN_UP = 0.1
_NOTHING = 0.02
_LEAST_SATURATION = 0.05
"""Of a colour that is greyer than this, the hue tells nothing."""


def read_back(rgb: np.ndarray, table: str) -> np.ndarray:
    """Return the uptake whose colour in a table is the nearest to each colour, (...), 0 to 1.

    Args:
        rgb: (..., 3), 0 to 1.
        table: name of the colour table.
    """
    from scipy.spatial import KDTree

    colours = apply_colour_table(np.linspace(0, 1, _STEPS, dtype=np.float32), table)
    return KDTree(colours).query(rgb)[1] / (_STEPS - 1)


def colour_fidelity(rgb: np.ndarray, uptake: np.ndarray, table: str) -> dict[str, float]:
    """Return how well a fused colour volume tells uptake.

    Args:
        rgb: (S, H, W, 3), 0 to 1.
        uptake: (S, H, W), 0 to 1.
        table: name of its colour table.

    Returns:
        Where uptake is 0.1 and more: ``read-back error`` (mean difference from the uptake that is read back), its
        ``read-back r`` (correlation), ``hue error`` in degrees (mean, of colours that have a hue) and ``clipped``, the
        share of voxels with a channel that is full though the table's is not. Where uptake is below 0.02:
        ``colour of nothing``, the mean of the largest minus the smallest channel.
    """
    taken, nothing = uptake >= _TAKEN_UP, uptake < _NOTHING
    of_uptake, shown = uptake[taken], rgb[taken]
    colours = apply_colour_table(of_uptake, table)
    found = read_back(shown, table)
    return {
        "read-back error": float(np.abs(found - of_uptake).mean()),
        "read-back r": float(np.corrcoef(found, of_uptake)[0, 1]) if np.ptp(found) > 0 else float("nan"),
        "hue error": _hue_error(shown, colours),
        "clipped": float(((shown >= 1) & (colours < 1 - 1 / 255)).any(axis=-1).mean()),
        "colour of nothing": float(np.ptp(rgb[nothing], axis=-1).mean()) if nothing.any() else float("nan"),
    }


def _hue_error(shown: np.ndarray, colours: np.ndarray) -> float:
    """Return the mean angle between the hues of two lists of colours (N, 3), in degrees."""
    from matplotlib.colors import rgb_to_hsv

    with_hue = (np.ptp(shown, axis=-1) > _LEAST_SATURATION) & (np.ptp(colours, axis=-1) > _LEAST_SATURATION)
    if not with_hue.any():
        return float("nan")
    first, second = (rgb_to_hsv(rgb[with_hue])[:, 0] for rgb in (shown, colours))
    apart = np.abs(first - second)
    return float(360 * np.minimum(apart, 1 - apart).mean())
