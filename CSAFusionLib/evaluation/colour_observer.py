"""The model observer before colour: a PET or SPECT in its colour table, alone and fused with the MR.

The same channels look at each of three components of a colour, and one template weighs all responses together, as a
multislice observer weighs those of several slices (Platisa et al., JOSA A 28, 2011). The components are those of OKLab
(Ottosson, 2020): lightness, green to red, and blue to yellow, three opponent axes as vision has. On the RGB of a
display the noise of three channels would average out, and a grey picture show more in colour than in grey.

- Lightness is expressed as the grey value that is as light. So a grey picture is seen exactly as in grey, and nothing
  of it in the other two components.
- The noise is the same in all components: of the display .02, which in OKLab is also the least difference that is
  noticed (CSS Color 4, 2024). Ottosson later found that large patches look more different by chroma than that, by a
  factor of two; of faint small ones less is seen, so the factor is left out.

Readers see lesions in lumpy backgrounds as well in a heated-object table as in grey, and much worse in a rainbow (Li
and Burgess, Proc. SPIE 3036, 1997).

Uptake of the atlas's pictures is the place of their colours in the table that they were coloured with. Their luminance,
which the article fuses, is none: it rises and falls along these tables, and the highest uptake is darker than half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from CSAFusionLib.evaluation.fusion_methods import OVERLAY, TABLE, ColourMethod, FusionMethod, overlay
from CSAFusionLib.evaluation.observer import COLOURED, observe
from CSAFusionLib.fusion.colour import apply_colour_table, to_linear, to_srgb
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.volumes.pictures import read_picture

_CONES_OF_LIGHT = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_OKLAB_OF_CONES = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)


def as_seen(rgb: np.ndarray) -> np.ndarray:
    """Return what the observer sees of sRGB colours (..., 3) in [0, 1]: the equally light grey, and OKLab's a and b."""
    seen = np.cbrt(to_linear(rgb) @ _CONES_OF_LIGHT.T) @ _OKLAB_OF_CONES.T
    seen[..., 0] = to_srgb(seen[..., 0] ** 3)
    return seen


_ATLAS_TABLES = {
    PairKind.PET_MRI: (
        127,
        ((0, 0, 0, 0), (15, 0, 0, 123), (31, 0, 85, 255), (63, 255, 255, 0), (95, 255, 0, 0), (127, 255, 0, 255)),
    ),
    PairKind.SPECT_MRI: (
        91,
        (
            (0, 0, 0, 0), (13.1, 40, 71, 73), (33, 82, 0, 143), (52.1, 190, 90, 121), (73.7, 255, 114, 0),
            (91, 255, 222, 255),
        ),
    ),
}  # fmt: skip
"""Last step and corners (step, R, G, B up to 255) of the tables that the Whole Brain Atlas colours its pictures by."""
_STEPS = 1024
_OFF_TABLE = 6
"""Pixels farther from the table than this, of 255, are not of its colours."""
_MOST_OFF = 0.01


def uptake_of(pair: ImagePair) -> np.ndarray:
    """Return the uptake (H, W) float32 in [0, 1] that the picture of a PET or SPECT shows.

    It is A itself where A is no picture, or one in other colours than those of the atlas.
    """
    from scipy.spatial import KDTree

    if pair.source is None or pair.kind not in _ATLAS_TABLES:
        return pair.a
    pixels = read_picture(pair.source)
    last, corners = _ATLAS_TABLES[pair.kind]
    step, *channels = np.transpose(corners)
    along = np.linspace(0, last, _STEPS)
    table = np.stack([np.interp(along, step, channel) for channel in channels], axis=-1)
    if pixels.ndim == 2:
        return pair.a
    off, place = KDTree(table).query(pixels)
    if (off > _OFF_TABLE).mean() > _MOST_OFF:
        return pair.a
    return (place / (_STEPS - 1)).astype(np.float32)


_VOXEL = (1.0, 1.0, 1.0)
"""Of a picture, in mm: the atlas's are 256 pixels wide, so a head has about its size."""
_READINGS = 10
"""The draws of the observer's noise alone move an area under the curve by some .03 between unlike components."""


def observe_in_colour(
    methods: Mapping[str, Callable[[PairKind], ColourMethod]],
    training: Sequence[ImagePair],
    pairs: Sequence[ImagePair],
    progress: Progress = silent,
) -> pd.DataFrame:
    """Let the observer rate every place of every PET and SPECT in colour, as :func:`observe` does in grey.

    Beside the methods it sees A in grey, in colour, and side by side with B; B; and the 50 % overlay.

    Args:
        methods: by name, what fuses volumes of a kind in colour.
        training: pairs that the observers are trained on.
        pairs: what they are tested on.
        progress: told of each pair.

    Returns:
        The rows of :func:`observe`; none for pairs without PET and SPECT.
    """
    training, pairs = _functional(training), _functional(pairs)
    if not pairs:
        return pd.DataFrame()
    seen: dict[str, Callable[[ImagePair], FusionMethod]] = {
        COLOURED: lambda pair: _shown,
        f"{COLOURED} and B side by side": lambda pair: _beside,
        OVERLAY: lambda pair: _seen(overlay),
    }
    seen |= {name: _for_pairs(method_for) for name, method_for in methods.items()}
    return observe(seen, training, pairs, progress, readings=_READINGS, stage="Observing in colour")


def _functional(pairs: Sequence[ImagePair]) -> list[ImagePair]:
    """Return the pairs whose A is PET or SPECT, with its uptake as A."""
    return [replace(pair, a=uptake_of(pair)) for pair in pairs if pair.kind.modalities[0].is_functional]


def _for_pairs(method_for: Callable[[PairKind], ColourMethod]) -> Callable[[ImagePair], FusionMethod]:
    return lambda pair: _seen(method_for(pair.kind))


def _seen(method: ColourMethod) -> FusionMethod:
    """Return what gives the components (H, W, 3) that the observer sees of a fused slice."""
    return lambda uptake, anatomy: as_seen(method(uptake[None], anatomy[None], _VOXEL, TABLE)[0])


def _shown(uptake: np.ndarray, anatomy: np.ndarray) -> np.ndarray:
    return as_seen(apply_colour_table(uptake, TABLE))


def _beside(uptake: np.ndarray, anatomy: np.ndarray) -> np.ndarray:
    return np.concatenate([_shown(uptake, anatomy), anatomy[..., None]], axis=-1)
