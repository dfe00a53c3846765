"""The tables of a report, in order, each with its explanation; cells are escaped for Markdown, HTML and spreadsheets.

Names of methods, pairs and patients come from users, so none of them is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Literal

import pandas as pd

from CSAFusionLib.evaluation.attainable_limit import OBJECTIVES
from CSAFusionLib.evaluation.clinical.lesions import LESION_KINDS
from CSAFusionLib.evaluation.comparison import Comparison, summarise_lesions
from CSAFusionLib.evaluation.fusion_methods import TABLE
from CSAFusionLib.evaluation.observer import DISPLAY_NOISE, INTERNAL_NOISE, compare_areas, summarise_observer
from CSAFusionLib.evaluation.statistics import (
    average_by_patient,
    mean_and_interval,
    share_of_limit,
    summarise,
    too_few_patients,
    too_few_volumes,
)
from CSAFusionLib.metrics.measure import INDICATORS
from CSAFusionLib.text import printable

# An underscore inside a word is no mark.
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&#$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[-+=](?![\d.])|(?<=^\d)[.)](?=\s)")
_FORMULA = ("=", "+", "-", "@")


def for_markdown(text: str) -> str:
    """Return a text whose characters mean nothing to Markdown, neither in a line nor in a cell of a table."""
    return _MARKDOWN.sub(lambda mark: f"\\{mark[0]}", printable(text))


def for_spreadsheet(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula: after a quotation mark, which it does not show."""
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def for_plot(text: str) -> str:
    """Return a text that matplotlib takes neither for mathematics nor, by its first character, for none to be shown."""
    shown = printable(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


Best = Literal["highest", "lowest"]


@dataclass(frozen=True)
class Cell:
    """A value as it is shown, and whether it is the best of its column and kind."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """Rows that begin with the kind of pair, what is best in a column where that can be said, and how to read it."""

    title: str
    note: str
    rows: pd.DataFrame
    best: Mapping[str, Best] = field(default_factory=dict)
    decimals: int = 3

    def cells(self) -> list[list[Cell]]:
        """Return the rows as shown; of values that look the same, all are the best."""
        shown = self.rows.map(partial(_show, decimals=self.decimals))
        best = pd.DataFrame(False, self.rows.index, self.rows.columns)
        for column, which in self.best.items():
            values = self.rows[column].astype(float).round(self.decimals).groupby(self.rows["kind"])
            best[column] = values.transform(lambda of_kind, which=which: of_kind == _extreme(of_kind, which))
        return [
            [Cell(*cell) for cell in zip(texts, marks, strict=True)]
            for texts, marks in zip(shown.to_numpy(), best.to_numpy(), strict=True)
        ]

    def by_kind(self) -> list[tuple[str, list[list[Cell]]]]:
        """Return the rows of :meth:`cells` kind by kind, without the kind itself."""
        groups = groupby(self.cells(), key=lambda row: row[0].text)
        return [(kind, [row[1:] for row in rows]) for kind, rows in groups]

    def is_text(self, column: str) -> bool:
        """Whether a column holds words, not numbers."""
        return not pd.api.types.is_numeric_dtype(self.rows[column])


def _extreme(values: pd.Series, which: Best) -> float:
    return values.max() if which == "highest" else values.min()


def _show(value: object, decimals: int) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.{decimals}f}"
    return str(value)


MAIN = ("SSIM(A)", "SSIM(B)", "SSIM sum", "EPI(A)", "EPI(B)", "EPI sum", "QNCIE", "FMI", "VIF", "QABF")
_FURTHER = ("SSIM balance", "EPI balance", "EPIg(A)", "EPIg(B)", "QNCIE_r", "SF", "AG")
_NEITHER_GOOD_NOR_BAD = ("SF", "AG")
_MARKS = {"better": "▲", "worse": "▼", "no difference": "="}


def tables_of(comparison: Comparison) -> list[Table]:
    """Return the tables of what a comparison measured."""
    tables = [_means(comparison), _intervals(comparison), _ranks(comparison), _paired(comparison), _all(comparison)]
    if comparison.lesions is not None:
        tables.append(_lesions(comparison.lesions))
    tables.append(_artefacts(comparison))
    if comparison.flicker is not None:
        tables += [_flicker(comparison.flicker), _consistency(comparison.flicker)]
    if comparison.colour is not None and not comparison.colour.empty:
        tables.append(_colour(comparison.colour))
    if comparison.observer is not None and not comparison.observer.empty:
        tables += [_observer(comparison.observer), _observer_against_others(comparison.observer, comparison.ours)]
    if comparison.observer_in_colour is not None and not comparison.observer_in_colour.empty:
        tables += _observer_in_colour(comparison.observer_in_colour, comparison.ours)
    if comparison.limits is not None:
        tables += _limits(comparison.summary, summarise(average_by_patient(comparison.limits)))
    return [*tables, _further(comparison), _patients(comparison)]


def _means(comparison: Comparison) -> Table:
    return Table(
        "Means",
        "A is CT, PET, SPECT or T1, B is MR or T2. Means within each patient, then over patients. The best value of "
        "each kind is bold; that of a single column can be had by copying one source, so read them together.",
        comparison.summary[["kind", "method", "patients", "pairs", *MAIN]],
        dict.fromkeys(MAIN, "highest"),
    )


def _intervals(comparison: Comparison) -> Table:
    groups = comparison.results.groupby(["kind", "method"], sort=False)
    rows = [
        {"kind": kind, "method": method} | {name: mean_and_interval(rows, name)[1] for name in INDICATORS}
        for (kind, method), rows in groups
    ]
    return Table(
        "Intervals",
        "95 % confidence intervals of the mean over pairs, by bootstrap over patients. "
        f"{too_few_patients(comparison.results)}",
        pd.DataFrame(rows),
    )


def _further(comparison: Comparison) -> Table:
    return Table(
        "Balance and further metrics",
        "Balance is the smaller over the larger of the values for A and B. EPIg: EPI on Sobel gradients. QNCIE_r: with "
        "Pearson's correlation. SF and AG measure activity, which noise and halos raise too, so no value is the best.",
        comparison.summary[["kind", "method", *_FURTHER]],
        {column: "highest" for column in _FURTHER if column not in _NEITHER_GOOD_NOR_BAD},
    )


def _ranks(comparison: Comparison) -> Table:
    return Table(
        "Ranks",
        "The place of each method by the means of each kind, 1 the best, and the mean of the six places.",
        comparison.ranks,
        {"mean rank": "lowest"},
        decimals=2,
    )


def _paired(comparison: Comparison) -> Table:
    rows = comparison.statistics.assign(cell=[_compared(row) for _, row in comparison.statistics.iterrows()])
    cells = rows.set_index(["kind", "method", "indicator"])["cell"].unstack()
    order = rows[["kind", "method"]].drop_duplicates()
    return Table(
        f"{comparison.ours} against each other method",
        f"▲ {comparison.ours} is better, ▼ worse, = no difference beyond chance; then the mean difference over "
        "pairs and p, two-sided, after Bonferroni. Neighbouring slices of a patient are alike, so p is too small for "
        "a claim about new patients.",
        cells.loc[list(order.itertuples(index=False, name=None)), list(INDICATORS)].reset_index(),
    )


def _compared(row: pd.Series) -> str:
    if pd.isna(row.get("adjusted p")):
        return f"{row['difference']:+.3f}"
    return f"{_MARKS[row['verdict']]} {row['difference']:+.3f}, p {_show_p(row['adjusted p'])}"


def _all(comparison: Comparison) -> Table:
    columns = ["kind", "indicator", "pairs", "Shapiro-Wilk p", "test", "statistic", "p", "paired test"]
    rows = comparison.statistics.drop_duplicates(["kind", "indicator"]).reindex(columns=columns)
    for column in ("Shapiro-Wilk p", "p"):
        rows[column] = [_show_p(p) for p in rows[column]]
    return Table(
        "All methods at once",
        "Do the methods differ at all? Repeated-measures ANOVA (Greenhouse-Geisser) and paired t tests where the "
        "differences pass Shapiro-Wilk, else Friedman and Wilcoxon's signed-rank test; by pair, two-sided, 0.05.",
        rows,
    )


def _lesions(lesions: pd.DataFrame) -> Table:
    rows = summarise_lesions(lesions)
    return Table(
        "Lesion retention",
        "Discs of known contrast, brighter or darker, of 6, 10 and 16 pixels are put into one source, or into both "
        "with the same sign or with opposite signs. Retention is the contrast-to-noise ratio in the fused image over "
        "that in the source, or in the better one: 1 when nothing is lost, 0 when the lesion is gone. Mean, worst "
        f"decile, and 95 % confidence interval of the mean, by bootstrap over patients. {too_few_patients(lesions)}",
        rows,
        {column: "highest" for column in rows.columns if column.startswith(("retention", "worst"))},
    )


def _artefacts(comparison: Comparison) -> Table:
    columns = ["artefacts", "artefacts 99.9 %"]
    return Table(
        "Artefacts",
        "Structure that neither source explains, in grey values of 255: the largest residual of a linear regression on "
        "both sources in a window of 7 pixels, and its 99.9th percentile. Less is better; a change from one source to "
        "the other counts too.",
        comparison.summary[["kind", "method", *columns]],
        dict.fromkeys(columns, "lowest"),
        decimals=1,
    )


def _flicker(flicker: pd.DataFrame) -> Table:
    rows = flicker.groupby(["kind", "method"], sort=False)[["flicker", "flicker for detail"]].mean()
    if (flicker["method"] == "average").any():
        # A row's place in the table of its method tells the volume; two visits of one patient share their name.
        places = flicker.groupby(["kind", "method"]).cumcount()
        average = flicker["flicker"].where(flicker["method"] == "average")
        ratio = flicker["flicker"] / average.groupby([flicker["kind"], places]).transform("max")
        rows["highest, over average's"] = ratio.groupby([flicker["kind"], flicker["method"]]).max()
    return Table(
        "Flicker",
        "The fused volume's second difference from slice to slice over the mean of its sources'; then each divided by "
        "the second differences within slices, so that neither dimness nor contrast counts. Means over volumes. Last, "
        f"the first over that of the average, for the volume where it is the highest. {too_few_volumes(flicker)}",
        rows.reset_index(),
        {"flicker": "lowest", "flicker for detail": "lowest"},
    )


def _consistency(volumes: pd.DataFrame) -> Table:
    return Table(
        "Tissue consistency",
        "How far fused values of voxels with the same two source values lie apart, in grey values of 255 (root mean "
        "square), over a whole volume: where it is large, the same tissue looks different from place to place. Drift: "
        "how far their means lie apart between the quarters of the head from front to back. Turn: by how much the SSIM "
        "with a source differs between slices that are more than half head, the largest over volumes. "
        f"{too_few_volumes(volumes)}",
        _mean_and_worst(volumes),
        dict.fromkeys(("mean", "largest", "drift", "largest drift"), "lowest"),
        decimals=2,
    )


def _colour(volumes: pd.DataFrame) -> Table:
    figures = [column for column in volumes.columns if column not in ("kind", "volume", "method")]
    return Table(
        "Colour",
        f"PET and SPECT in {TABLE}, over the MR. The uptake read back from the nearest colour of the table, where it "
        "is 0.1 and more: mean error and correlation. Hue: mean error in degrees. Clipped: share of voxels with a "
        "channel that is full though the table's is not. Colour of nothing: the largest less the smallest channel "
        "where uptake is below 0.02. Networks bind colour to uptake, other methods take U and V of the table's "
        f"colour. Means over volumes. {too_few_volumes(volumes)}",
        volumes.groupby(["kind", "method"], sort=False)[figures].mean().reset_index(),
        {figure: "highest" if figure == "read-back r" else "lowest" for figure in figures},
    )


def _mean_and_worst(volumes: pd.DataFrame) -> pd.DataFrame:
    groups = volumes.groupby(["kind", "method"], sort=False)
    columns = {
        "mean": groups["inconsistency"].mean(),
        "largest": groups["inconsistency"].max(),
        "drift": groups["drift"].mean(),
        "largest drift": groups["drift"].max(),
        "turn to A": groups["turn to A"].max(),
        "turn to B": groups["turn to B"].max(),
    }
    return pd.DataFrame(columns).reset_index()


def _observer(ratings: pd.DataFrame) -> Table:
    rows = summarise_observer(ratings)
    return Table(
        "Model observer",
        "The area under the ROC curve of a channelised Hotelling observer (six Laguerre-Gauss channels; its own noise "
        f"has {INTERNAL_NOISE:g} of the variance of the backgrounds, and {255 * DISPLAY_NOISE:.0f} grey values of a "
        "pixel are not seen) that looks for lesions in A only, in B only, in both with one sign, and dark in A but "
        "bright in B; discs of 6, 10 and 16 pixels with contrasts of .08 and .16, put into real slices. It is trained "
        f"on other slices than it is tested on. 0.5 is guessing. {too_few_patients(ratings)}",
        rows,
        dict.fromkeys(LESION_KINDS, "highest"),
    )


def _observer_against_others(ratings: pd.DataFrame, ours: str) -> Table:
    return Table(
        f"Model observer: {ours} against the others",
        f"The area under the ROC curve of {ours} less that of the better source, of average and of maximum, with 95 % "
        "intervals that draw the same patients, or slices, for both; and how much of the way from the average to the "
        "pointwise fusion optimised for the observer on these slices it has come, in percent, and of that to the one "
        "that rises with both sources, where they are above the average at all and were asked for.",
        compare_areas(ratings, ours),
    )


def _observer_in_colour(ratings: pd.DataFrame, ours: str) -> list[Table]:
    return [
        Table(
            "Model observer in colour",
            f"The same observer before the colours that a reader sees: A is uptake, shown in grey or, in colour, in "
            f"{TABLE}. It looks at lightness and at both components of chroma of OKLab alike. Networks bind colour to "
            "uptake, other methods take U and V of the table's colour. Lesions are put into the uptake and into B "
            f"before both are fused. {too_few_patients(ratings)}",
            summarise_observer(ratings),
            dict.fromkeys(LESION_KINDS, "highest"),
        ),
        Table(
            f"Model observer in colour: {ours} against the others",
            f"The area under the ROC curve of {ours} less that of the better source (A in grey, A in colour, or B), of "
            "average, maximum and overlay, with 95 % intervals that draw the same patients, or slices, for both.",
            compare_areas(ratings, ours),
        ),
    ]


def _limits(summary: pd.DataFrame, limits: pd.DataFrame) -> list[Table]:
    return [
        Table(
            "Share of the attainable limit",
            "What each method has of the value that direct optimisation of the fused image's pixels reaches, in "
            "percent; balanced is SSIM sum + EPI sum / 2 + VIF, all at once. The limit is one of these metrics, not of "
            "use.",
            share_of_limit(summary, limits),
            dict.fromkeys(OBJECTIVES, "highest"),
            decimals=1,
        ),
        Table(
            "The attainable limit",
            "The images that were optimised, each for the objective in its row, measured as all others are.",
            limits[["kind", "method", *MAIN]].rename(columns={"method": "objective"}),
        ),
    ]


def _patients(comparison: Comparison) -> Table:
    return Table(
        "By patient",
        "Means within each patient.",
        comparison.by_patient[["kind", "method", "patient", "pairs", *MAIN]],
    )


def _show_p(p: object) -> str:
    if not isinstance(p, float) or pd.isna(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"
