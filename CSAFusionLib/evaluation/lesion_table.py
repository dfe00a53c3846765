"""Lesion retention of every method on every pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields

import pandas as pd

from CSAFusionLib.evaluation.clinical.lesions import LesionRetention, lesion_retention, summarise_retention
from CSAFusionLib.evaluation.methods import FusionMethod
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair, PairKind


def measure_lesions(
    methods: Mapping[str, Callable[[PairKind], FusionMethod]], pairs: Sequence[ImagePair], progress: Progress = silent
) -> pd.DataFrame:
    """Return a row for each pair, method and lesion: kind and name of the pair, the method, the lesion and its fate.

    Args:
        methods: by name, what fuses slices of a kind.
    """
    rows: list[dict[str, object]] = []
    total = len(pairs) * len(methods)
    for done, pair in enumerate(pairs):
        for index, (method, method_for) in enumerate(methods.items()):
            progress("Fusing lesions", done * len(methods) + index, total)
            about = {"kind": pair.kind.value, "pair": pair.name, "method": method}
            rows += [{**about, **asdict(lesion)} for lesion in lesion_retention(method_for(pair.kind), pair.a, pair.b)]
    progress("Fusing lesions", total, total)
    return pd.DataFrame(rows)


def summarise_lesions(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return the mean retention and its worst decile for each source, a row for each kind and method."""
    names = [field.name for field in fields(LesionRetention)]
    return pd.DataFrame(
        {"kind": kind, "method": method, **summarise_retention([LesionRetention(*row) for row in of_method.to_numpy()])}
        for (kind, method), of_method in lesions.set_index(["kind", "method"])[names].groupby(level=[0, 1], sort=False)
    )
