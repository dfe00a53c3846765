"""CSAFusion's rank among published networks, by the six indicators of `csafusion evaluate`.

    csafusion evaluate ../shared/data -o report
    python Testing/benchmarks/rank_published.py report

The published networks were measured with the authors' code and weights on other patients of the same atlas (38 slices
of CT-MRI, 49 of SPECT-MRI, 31 of PET-MRI). Other slices have other figures, so what is ranked is not a mean, but by how
much it is above averaging's on the same slices. How well that bridges the slices shows the maximum, which was measured
on both: under each table stands how much more it is above averaging here than there. Networks that nearly copy one
source, or leave a grey background, are ranked as they come.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from CSAFusionLib.evaluation.compared_methods import BUNDLED
from CSAFusionLib.evaluation.statistics import rank
from CSAFusionLib.metrics.measure import INDICATORS

_NONE = float("nan")
_AVERAGE, _MAXIMUM = "average", "maximum"
PUBLISHED: dict[str, dict[str, tuple[float, ...]]] = {
    "CT-MRI": {
        _AVERAGE: (0.741 + 0.717, 0.929 + 0.353, 0.809, 0.702, 0.222, 0.361),
        _MAXIMUM: (0.791 + 0.684, 0.898 + 0.208, 0.809, 0.732, 0.314, 0.617),
        "IFCNN": (0.768 + 0.705, 0.891 + 0.331, 0.806, 0.675, 0.236, 0.599),
        "EMFusion": (0.690 + 0.780, 0.650 + 0.460, 0.806, 0.650, 0.265, 0.485),
        "PRRGAN": (0.806 + 0.686, 0.907 + 0.185, 0.807, 0.678, 0.256, 0.517),
        "GeSeNet": (0.577 + 0.511, 0.863 + 0.254, 0.806, 0.577, 0.272, 0.656),
        "MACTFusion": (0.742 + 0.707, 0.861 + 0.228, 0.806, 0.676, 0.262, 0.642),
        "MATR (trained on other pairs)": (0.042 + 0.499, 0.019 + 0.953, 0.810, 0.522, 0.370, 0.456),
        "MUFusion (trained on other pairs)": (0.208 + 0.268, 0.686 + 0.476, 0.805, 0.554, 0.185, 0.387),
    },
    "SPECT-MRI": {
        _AVERAGE: (0.664 + 0.825, 0.410 + 0.906, 0.810, 0.689, 0.277, 0.381),
        _MAXIMUM: (0.582 + 0.897, 0.152 + 0.883, 0.815, 0.705, 0.368, 0.685),
        "IFCNN": (0.579 + 0.916, 0.323 + 0.900, 0.807, 0.670, 0.292, 0.647),
        "EMFusion": (0.518 + 0.967, 0.162 + 0.922, 0.808, 0.662, 0.362, 0.697),
        "PRRGAN": (0.622 + 0.884, 0.307 + 0.907, 0.809, 0.688, 0.289, 0.580),
        "FAMAFuse (nearly a copy of the MR)": (0.491 + 0.986, 0.007 + 0.991, 0.816, 0.711, 0.477, 0.746),
        "MATR": (0.095 + 0.543, 0.004 + 0.961, 0.812, 0.504, 0.381, 0.700),
        "MUFusion": (0.377 + 0.749, 0.359 + 0.868, 0.807, 0.576, 0.284, 0.600),
    },
    "PET-MRI": {
        _AVERAGE: (1.376, 1.306, _NONE, 0.699, 0.378, 0.437),
        _MAXIMUM: (1.447, 1.148, _NONE, 0.714, 0.458, 0.759),
        "FAMAFuse (nearly a copy of the MR)": (1.450, 1.032, _NONE, 0.715, 0.454, 0.786),
        "EMFusion": (1.463, 1.128, _NONE, 0.653, 0.317, 0.710),
        "IFCNN": (1.450, 1.216, _NONE, 0.665, 0.294, 0.693),
    },
}
"""Means in the order of the indicators; of PET-MRI QNCIE was not kept, and five indicators are ranked."""
_DECIMALS = 3
"""Of the published means: what differs by less draws."""


def above_average(means: pd.DataFrame) -> pd.DataFrame:
    """Return by how much each method's means, a row each, are above those in the row of averaging."""
    return (means - means.loc[_AVERAGE]).round(_DECIMALS)


def published(kind: str) -> pd.DataFrame:
    """Return the published means of a kind, a row for each method, a column for each indicator."""
    return pd.DataFrame.from_dict(PUBLISHED[kind], orient="index", columns=list(INDICATORS))


def compared(summary: pd.DataFrame, kind: str, ours: str) -> pd.DataFrame:
    """Return by how much our method and the published networks are above averaging, and their ranks.

    Args:
        summary: ``summary.csv`` of a report.
        kind: of pairs.
        ours: our method's name there.

    Returns:
        A row for each method, the best first: ``method``, ``mean rank``, and for each indicator the difference and,
        as ``INDICATOR rank``, its rank; nan for an indicator that is not known of all.
    """
    here = summary[summary["kind"] == kind].set_index("method")[list(INDICATORS)]
    differences = above_average(published(kind)).drop([_AVERAGE, _MAXIMUM])
    differences.loc[ours] = above_average(here).loc[ours]
    differences = differences.where(differences.notna().all(axis=0), axis=1)
    differences = differences.rename_axis("method").reset_index()
    ranks = rank(differences.assign(kind=kind)).drop(columns="kind")
    return ranks.merge(differences, on="method", suffixes=(" rank", ""))


def of_maximum(summary: pd.DataFrame, kind: str) -> pd.Series:
    """Return how much more the maximum is above averaging on the slices of a report than on the published ones."""
    here = summary[summary["kind"] == kind].set_index("method")[list(INDICATORS)]
    return above_average(here).loc[_MAXIMUM] - above_average(published(kind)).loc[_MAXIMUM]


def to_markdown(rows: pd.DataFrame, kind: str, ours: str) -> list[str]:
    """Return the lines of a table: each difference, and in brackets its rank."""
    lines = []
    for _, row in rows.iterrows():
        name = f"**{ours}**" if row["method"] == ours else row["method"]
        cells = [_cell(row[indicator], row[f"{indicator} rank"]) for indicator in INDICATORS]
        lines.append(f"| {' | '.join([kind, str(name), *cells, format(row['mean rank'], '.2f')])} |")
    return lines


def _cell(difference: float, place: float) -> str:
    return "" if pd.isna(difference) else f"{difference:+.3f} ({place:g})"


def main() -> None:
    """Print the ranks for every kind of pair in the report that published networks were measured on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="folder that `csafusion evaluate -o` wrote")
    parser.add_argument("--ours", default=BUNDLED, help="the method to rank (default: %(default)s)")
    options = parser.parse_args()
    summary = pd.read_csv(options.report / "summary.csv")
    methods = set(summary["method"])
    for name in (_AVERAGE, _MAXIMUM, options.ours):
        if name not in methods:
            parser.error(f"the report has no method named {name}, but {', '.join(sorted(methods))}")
    kinds = [kind for kind in PUBLISHED if kind in set(summary["kind"])]
    print(f"| pair | method | {' | '.join(INDICATORS)} | mean rank |\n|{' --- |' * (len(INDICATORS) + 3)}")
    for kind in kinds:
        print("\n".join(to_markdown(compared(summary, kind, options.ours), kind, options.ours)))
    print("\nMaximum above average, here less there:")
    for kind in kinds:
        told = [f"{name} {value:+.3f}" for name, value in of_maximum(summary, kind).items() if pd.notna(value)]
        print(f"{kind}: {', '.join(told)}")


if __name__ == "__main__":
    main()
