"""Methods by metrics, measured pair by pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from CSAFusionLib.evaluation.clinical.fidelity import artefacts
from CSAFusionLib.evaluation.compared_methods import ComparedMethod
from CSAFusionLib.metrics.measure import measure
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair

FusedPictures = dict[str, np.ndarray]
"""One pair's fused pictures by method, (H, W) uint8."""


def fuse_all(
    compared: Sequence[ComparedMethod], pairs: Sequence[ImagePair], progress: Progress = silent
) -> list[FusedPictures]:
    """Fuse every pair with every method, in whole grey values as a saved picture has them."""
    fused: list[FusedPictures] = []
    for done, pair in enumerate(pairs):
        pictures: FusedPictures = {}
        for index, method in enumerate(compared):
            progress("Fusing", done * len(compared) + index, len(pairs) * len(compared))
            pictures[method.name] = to_picture(method.fuse(pair))
        fused.append(pictures)
    progress("Fusing", len(pairs) * len(compared), len(pairs) * len(compared))
    return fused


def measure_all(
    pairs: Sequence[ImagePair], fused: Sequence[FusedPictures], progress: Progress = silent
) -> pd.DataFrame:
    """Return a row for each pair and method: kind, patient and name of the pair, the method, metrics and artefacts.

    The index is the pair's place in ``pairs``.
    """
    rows: list[dict[str, object]] = []
    places: list[int] = []
    total = sum(map(len, fused))
    for place, (pair, pictures) in enumerate(zip(pairs, fused, strict=True)):
        a, b = (to_picture(image).astype(np.float64) for image in (pair.a, pair.b))
        about = {"kind": pair.kind.value, "patient": pair.patient, "pair": pair.name}
        for method, picture in pictures.items():
            progress("Measuring", len(rows), total)
            image = picture.astype(np.float64)
            rows.append({**about, "method": method, **measure(a, b, image), **artefacts(a, b, image)})
            places.append(place)
    progress("Measuring", total, total)
    return pd.DataFrame(rows, index=places)


def to_picture(image: np.ndarray) -> np.ndarray:
    """Round an image to grey values, uint8; what leaves [0, 1] is clipped, as in every result that is written."""
    return (255 * np.clip(image, 0, 1)).round().astype(np.uint8)
