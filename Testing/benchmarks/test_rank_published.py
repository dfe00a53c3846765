"""The rank among published networks, on made-up figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from CSAFusionLib.metrics.measure import INDICATORS
from Testing.benchmarks import rank_published
from Testing.benchmarks.rank_published import compared, main, of_maximum

NAN = float("nan")
MADE_UP = {
    "CT-MRI": {
        "average": (1.0, 1.0, 0.8, 0.5, 0.2, 0.3),
        "maximum": (1.1, 0.9, 0.8, 0.6, 0.3, 0.5),
        "one": (1.2, 1.0, 0.8, 0.4, 0.4, 0.6),
        "two": (0.9, 1.1, 0.8, 0.5, 0.1, 0.2),
    },
    "PET-MRI": {"average": (1.0, 1.0, NAN, 0.5, 0.2, 0.3), "maximum": (1.1, 0.9, NAN, 0.6, 0.3, 0.5)}
    | {"one": (1.2, 0.9, NAN, 0.4, 0.4, 0.6)},
}


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_published, "PUBLISHED", MADE_UP)


def a_summary(kind: str) -> pd.DataFrame:
    """Our method is .1 above averaging by all, on slices where everything has half a unit more."""
    rows = {"average": 0.0, "maximum": 0.2, "mine": 0.1}
    means = pd.Series(MADE_UP[kind]["average"], list(INDICATORS)).fillna(0.8)
    return pd.DataFrame([{"kind": kind, "method": name, **(means + 0.5 + more)} for name, more in rows.items()])


def test_what_is_ranked_is_the_difference_from_averaging_on_the_same_slices() -> None:
    rows = compared(a_summary("CT-MRI"), "CT-MRI", "mine").set_index("method")
    assert rows.loc["mine", list(INDICATORS)].tolist() == [0.1] * 6
    assert rows.loc["one", list(INDICATORS)].tolist() == [0.2, 0.0, 0.0, -0.1, 0.2, 0.3]
    ranks = {name: rows.loc[name, [f"{indicator} rank" for indicator in INDICATORS]].tolist() for name in rows.index}
    assert ranks == {"mine": [2, 1.5, 1, 1, 2, 2], "one": [1, 3, 2.5, 3, 1, 1], "two": [3, 1.5, 2.5, 2, 3, 3]}
    assert rows["mean rank"].to_dict() == pytest.approx({"mine": 9.5 / 6, "one": 11.5 / 6, "two": 15 / 6})
    assert list(rows.index) == ["mine", "one", "two"]


def test_an_indicator_that_is_not_known_of_all_is_not_ranked() -> None:
    rows = compared(a_summary("PET-MRI"), "PET-MRI", "mine").set_index("method")
    assert rows["QNCIE rank"].isna().all()
    assert rows.loc["mine", "mean rank"] == pytest.approx((2 + 1 + 1 + 2 + 2) / 5)


def test_the_maximum_tells_how_far_the_slices_differ() -> None:
    told = of_maximum(a_summary("CT-MRI"), "CT-MRI")
    assert told.tolist() == pytest.approx([0.1, 0.3, 0.2, 0.1, 0.1, 0.0])


def test_it_prints_a_table_from_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    a_summary("CT-MRI").to_csv(tmp_path / "summary.csv", index=False)
    monkeypatch.setattr("sys.argv", ["rank", str(tmp_path), "--ours", "mine"])
    main()
    printed = capsys.readouterr().out
    assert "| CT-MRI | **mine** | +0.100 (2) | +0.100 (1.5) | +0.100 (1) | +0.100 (1) |" in printed
    assert "PET-MRI" not in printed


def test_a_report_without_the_method_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    a_summary("CT-MRI").to_csv(tmp_path / "summary.csv", index=False)
    monkeypatch.setattr("sys.argv", ["rank", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert "no method named CSAFusion" in capsys.readouterr().err
