"""Methods by metrics: measured pair by pair, summed up by kind of pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from CSAFusionLib.evaluation.methods import FusionMethod
from CSAFusionLib.evaluation.metrics.measure import measure
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair


def evaluate(
    methods: Mapping[str, FusionMethod], pairs: Sequence[ImagePair], progress: Progress = silent
) -> pd.DataFrame:
    """Return one row for each pair and method: the pair's kind and name, the method, and its metrics.

    Images are rounded to whole grey values from 0 to 255 first, as a saved picture would be.
    """
    rows = []
    for done, pair in enumerate(pairs):
        progress("Evaluating", done, len(pairs))
        for name, fuse in methods.items():
            images = [(255 * image).round() for image in (pair.a, pair.b, fuse(pair.a, pair.b))]
            rows.append({"kind": pair.kind.value, "pair": pair.name, "method": name, **measure(*images)})
    progress("Evaluating", len(pairs), len(pairs))
    return pd.DataFrame(rows)


def summarise(results: pd.DataFrame) -> pd.DataFrame:
    """Return the number of pairs and the mean of each metric, one row for each kind and method."""
    groups = results.drop(columns="pair").groupby(["kind", "method"], sort=False)
    summary = groups.mean()
    summary.insert(0, "pairs", groups.size())
    return summary.reset_index()


def to_markdown(summary: pd.DataFrame) -> str:
    """Return a summary as a Markdown table, metrics with three decimals."""
    cells = [[f"{value:.3f}" if isinstance(value, float) else str(value) for value in row] for row in summary.values]
    lines = [list(summary.columns), ["---"] * len(summary.columns), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
