from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from CSAFusionLib.evaluation.bootstrap import interval, too_few_patients


def rows(patients: int, pairs: int, spread: float, seed: int = 0) -> pd.DataFrame:
    """Values that differ from patient to patient, and hardly within one."""
    random = np.random.default_rng(seed)
    of_patient = random.normal(0, spread, patients)
    return pd.DataFrame(
        {
            "patient": [str(patient) for patient in range(patients) for _ in range(pairs)],
            "pair": [f"{patient}-{pair}" for patient in range(patients) for pair in range(pairs)],
            "value": np.repeat(of_patient, pairs) + random.normal(0, 0.01, patients * pairs),
        }
    )


def mean_of(table: pd.DataFrame) -> Callable[[np.ndarray], float]:
    values = table["value"].to_numpy()
    return lambda places: float(values[places].mean())


def test_the_interval_is_that_of_a_mean_over_patients_and_not_over_slices() -> None:
    table = rows(patients=40, pairs=10, spread=1.0)
    low, high = interval(table, mean_of(table))
    expected = 2 * 1.96 * table.groupby("patient")["value"].mean().std() / np.sqrt(40)
    assert low < table["value"].mean() < high
    assert high - low == pytest.approx(expected, rel=0.25)


def test_of_few_patients_the_slices_are_drawn() -> None:
    table = rows(patients=1, pairs=50, spread=1.0)
    low, high = interval(table, mean_of(table))
    assert 0 < high - low < 0.02


def test_no_rows_have_no_interval() -> None:
    assert np.isnan(interval(rows(0, 0, 1.0), lambda places: 0.0)).all()


def test_kinds_with_too_few_patients_are_named() -> None:
    few, many = rows(1, 3, 1.0).assign(kind="CT-MRI"), rows(6, 2, 1.0).assign(kind="T1-T2")
    assert "1 of CT-MRI;" in too_few_patients(pd.concat([few, many]))
    assert too_few_patients(many) == ""
