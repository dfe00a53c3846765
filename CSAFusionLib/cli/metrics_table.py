"""The metrics of each slice as a table."""

from __future__ import annotations

import math

from CSAFusionLib.fusion.pipeline import FusionResult
from CSAFusionLib.geometry.planes import Plane, slice_centres

_NONE = "n/a"


def metrics_table(result: FusionResult, plane: Plane) -> str:
    """Return a row for each slice, tab-separated: its number from 1, its centre in RAS mm, and its metrics.

    A metric of a slice where both volumes are black is ``n/a``.
    """
    names = sorted(result.figures)
    centres = slice_centres(result.fused, plane) * [-1, -1, 1]
    rows = [["slice", "r_mm", "a_mm", "s_mm", *names]]
    for index, centre in enumerate(centres):
        values = [result.figures[name][index] for name in names]
        rows.append(
            [str(index + 1)]
            + [f"{position:.3f}" for position in centre]
            + [_NONE if math.isnan(value) else f"{value:.6f}" for value in values]
        )
    return "".join("\t".join(row) + "\n" for row in rows)
