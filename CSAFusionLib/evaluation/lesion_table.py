"""Lesion retention of every method on every pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import get_args

import pandas as pd

from CSAFusionLib.evaluation.bootstrap import mean_and_interval
from CSAFusionLib.evaluation.clinical.lesions import LesionRetention, Source, lesion_retention, summarise_retention
from CSAFusionLib.evaluation.methods import FusionMethod
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair, PairKind


def measure_lesions(
    methods: Mapping[str, Callable[[PairKind], FusionMethod]], pairs: Sequence[ImagePair], progress: Progress = silent
) -> pd.DataFrame:
    """Return a row for each pair, method and lesion: kind, patient and name of the pair, the method, and its fate.

    Args:
        methods: by name, what fuses slices of a kind.
    """
    rows: list[dict[str, object]] = []
    total = len(pairs) * len(methods)
    for done, pair in enumerate(pairs):
        for index, (method, method_for) in enumerate(methods.items()):
            progress("Fusing lesions", done * len(methods) + index, total)
            about = {"kind": pair.kind.value, "patient": pair.patient, "pair": pair.name, "method": method}
            rows += [{**about, **asdict(lesion)} for lesion in lesion_retention(method_for(pair.kind), pair.a, pair.b)]
    progress("Fusing lesions", total, total)
    return pd.DataFrame(rows)


def summarise_lesions(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return the mean retention, its worst decile and the mean's 95 % interval for each source, by kind and method."""
    names = [field.name for field in fields(LesionRetention)]
    rows = []
    for (kind, method), of_method in lesions.groupby(["kind", "method"], sort=False):
        kept = summarise_retention([LesionRetention(*row) for row in of_method[names].to_numpy()])
        intervals = {
            f"95 %({source})": mean_and_interval(of_method[of_method["source"] == source], "retention")[1]
            for source in get_args(Source)
        }
        rows.append({"kind": kind, "method": method, **kept, **intervals})
    return pd.DataFrame(rows)
