"""Fidelity of one fused image: the contrast of a region, artefacts, and the colour of uptake.

- Where in a slice the head is.
- Contrast-to-noise ratio of a region against its surroundings.
- Artefacts (hallucination): structure of the fused image that neither source explains.
- Colour of a fused PET or SPECT: does it still show the uptake, and only where there is uptake?
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from CSAFusionLib.fusion.colour import apply_colour_table

_BRIGHTER_THAN_AIR = 0.1


def find_head(image: np.ndarray) -> np.ndarray:
    """Return the mask of the largest connected region brighter than air, its holes filled; empty for a dark image.

    Args:
        image: (H, W), 0 to 1.
    """
    regions, count = ndimage.label(image > _BRIGHTER_THAN_AIR)
    if count == 0:
        return np.zeros(image.shape, bool)
    largest = 1 + np.argmax(np.bincount(regions.ravel())[1:])
    return ndimage.binary_fill_holes(regions == largest)


LEAST_NOISE = 0.02
"""Five grey values of 256: less than that between a lesion and its surroundings is not seen anyway."""


def contrast_to_noise(image: np.ndarray, region: np.ndarray, surroundings: np.ndarray) -> float:
    """Return the mean of a region less that of its surroundings, over the standard deviation of the latter.

    Args:
        image: values from 0 to 1.
        region: mask, of the image's shape.
        surroundings: mask, of the image's shape.
    """
    around = image[surroundings].astype(np.float64)
    return float((image[region].mean(dtype=np.float64) - around.mean()) / max(around.std(), LEAST_NOISE))


def kept_contrast(fused: np.ndarray, a: np.ndarray, b: np.ndarray, region: np.ndarray, around: np.ndarray) -> float:
    """Return the fused contrast-to-noise ratio over that of the source which shows the region better, in size."""
    of_fused, *of_sources = (abs(contrast_to_noise(image, region, around)) for image in (fused, a, b))
    return of_fused / max(of_sources)


_SIDE = 7
_RIDGE = 0.1
"""Grey values squared: enough to tell a flat source from one with structure, and less than whole numbers' rounding."""


def artefacts(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    """Return the largest and the 99.9th percentile of :func:`unexplained`, in grey values; 0 is perfect.

    Args:
        a: (H, W), 0 to 255.
        b: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    residual = unexplained(a, b, fused)
    return {"artefacts": float(residual.max()), "artefacts 99.9 %": float(np.percentile(residual, 99.9))}


def unexplained(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> np.ndarray:
    """Return how far each fused pixel is from what both sources lead to expect there, (H, W) in grey values.

    Expected is p a + q b + r, with p, q and r by least squares (with a slight ridge) from the 7x7 pixels around. So
    weights that change slowly leave nothing, whatever they are, and neither do brightness and contrast; edges, rings
    and spots of its own do, and so does a seam where a method turns abruptly from one source to the other. A cloud
    much wider than the window shows at its rim only.

    Args:
        a: (H, W), 0 to 255.
        b: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    a, b, fused = (image.astype(np.float64) for image in (a, b, fused))
    aa, bb, ab = _covariance(a, a) + _RIDGE, _covariance(b, b) + _RIDGE, _covariance(a, b)
    af, bf = _covariance(a, fused), _covariance(b, fused)
    determinant = aa * bb - ab**2
    p, q = (af * bb - bf * ab) / determinant, (bf * aa - af * ab) / determinant
    return np.abs(fused - _mean(fused) - p * (a - _mean(a)) - q * (b - _mean(b)))


def _covariance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _mean(x * y) - _mean(x) * _mean(y)


def _mean(image: np.ndarray) -> np.ndarray:
    """Return each pixel's mean over the window around it, edges replicated."""
    return ndimage.uniform_filter(image, _SIDE, mode="nearest")


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
    """Return how well a fused colour volume shows uptake.

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
