"""Confidence intervals by bootstrap over patients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

FEWEST_PATIENTS = 5
"""With fewer, patients cannot be drawn from: the slices are, and the interval says nothing of other patients."""
_DRAWS = 200


def interval(rows: pd.DataFrame, statistic: Callable[[np.ndarray], float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % confidence interval of a statistic of rows, by drawing patients with replacement.

    Args:
        rows: with the columns ``patient`` and ``pair``.
        statistic: takes the places of rows, (N,), with some drawn more than once.
        seed: of the draws.

    Returns:
        The 2.5th and the 97.5th percentile over 200 draws; nan for no rows.
    """
    if rows.empty:
        return float("nan"), float("nan")
    unit = "patient" if rows["patient"].nunique() >= FEWEST_PATIENTS else "pair"
    groups = list(rows.groupby(unit, sort=False).indices.values())
    random = np.random.default_rng(seed)
    values = [
        statistic(np.concatenate([groups[index] for index in random.integers(len(groups), size=len(groups))]))
        for _ in range(_DRAWS)
    ]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def mean_and_interval(rows: pd.DataFrame, column: str) -> tuple[float, str]:
    """Return the mean of a column and its 95 % confidence interval, as :func:`interval` finds it, in words.

    Args:
        rows: with the columns ``patient`` and ``pair``.
        column: of numbers.
    """
    values = rows[column].to_numpy(float)
    if not len(values):
        return float("nan"), ""
    low, high = interval(rows, lambda places: float(values[places].mean()))
    return float(values.mean()), f"{low:.3f} to {high:.3f}"


def too_few_volumes(volumes: pd.DataFrame) -> str:
    """Return the warning that the volumes of some kinds are too few, naming the kinds; empty where they are enough.

    Args:
        volumes: a row for each volume and method, with the columns ``kind``, ``method`` and ``volume``.
    """
    counts = volumes.groupby(["kind", "method"], sort=False).size().groupby("kind", sort=False).max()
    few = [f"{count} of {kind}" for kind, count in counts.items() if count < FEWEST_PATIENTS]
    if not few:
        return ""
    return (
        f"Too few volumes to say what holds for others ({', '.join(few)}; {FEWEST_PATIENTS} are needed for an "
        "interval): the figures hold for these volumes only."
    )


def too_few_patients(rows: pd.DataFrame) -> str:
    """Return the warning that the patients of some kinds are too few, naming the kinds; empty where they are enough.

    Args:
        rows: with the columns ``kind`` and ``patient``.
    """
    patients = rows.groupby("kind", sort=False)["patient"].nunique()
    few = [f"{count} of {kind}" for kind, count in patients.items() if count < FEWEST_PATIENTS]
    if not few:
        return ""
    return (
        f"Too few patients to say what holds for others ({', '.join(few)}; {FEWEST_PATIENTS} are needed): there the "
        "intervals are over slices, and hold for these patients only."
    )
