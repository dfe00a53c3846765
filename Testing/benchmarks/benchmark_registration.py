"""Measure the registration methods against known truth, and print Markdown tables of each run and in short.

    python Testing/benchmarks/benchmark_registration.py --methods auto,sitk,antspyx
    python Testing/benchmarks/benchmark_registration.py --methods auto --starts 20 --millimetres 30 --degrees 20

The open_ms pairs have a measured truth, the others lie in one space. Without starts each pair is registered from its
headers; with starts, from that many random displacements of the moving volume, which are then part of the truth. The
error is the mean distance, over the head of the fixed volume, between where the found and the true transform take a
point. Every run has a process of its own, whose peak of memory is given, children included. ``antspyx`` is that
package's registration 'Rigid' at its default settings, to compare with; methods are run in turn on each case.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from known_truth import DATA, Case, measured_cases, random_motion, same_space_cases

from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.preparation import head_points, prepare
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Method, TransformModel

ANTSPYX = "antspyx"


@dataclass(frozen=True)
class Run:
    """What one registration came to."""

    transform: sitk.Transform
    method: str
    verdict: str
    seconds: float


def register_case(case: Case, method: str, model: str, threads: int | None) -> Run:
    """Register one case by a method of the package, or by antspyx as it comes."""
    if method == ANTSPYX:
        return antspyx_rigid(case)
    found = register(case.fixed, case.moving, Method[method.upper()], TransformModel[model.upper()], threads=threads)
    verdict = found.quality.grade.value if found.quality else ""
    return Run(found.transform, found.method.name.lower(), verdict, found.seconds)


def antspyx_rigid(case: Case) -> Run:
    """``ants.registration`` with nothing but its type set; the time is that of the call."""
    import ants

    fixed, moving = (ants.from_sitk(prepare(volume)) for volume in (case.fixed, case.moving))
    started = time.perf_counter()
    found = ants.registration(fixed, moving, type_of_transform="Rigid")
    seconds = time.perf_counter() - started
    return Run(sitk.ReadTransform(found["fwdtransforms"][0]), ANTSPYX, "", seconds)


def measure(case: Case, method: str, model: str, threads: int | None) -> dict[str, object]:
    """Register one case and return its row of the table."""
    run = register_case(case, method, model, threads)
    points = head_points(prepare(case.fixed))
    start = target_registration_error(sitk.Euler3DTransform(), case.truth, points)
    error = target_registration_error(run.transform, case.truth, points)
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "pair": case.name,
        "method": method,
        "took": run.method,
        "start, mm": start.mean(),
        "error, mm": error.mean(),
        "largest, mm": error.max(),
        "verdict": run.verdict,
        "s": run.seconds,
        "MiB": peak / 1024,
    }


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """The cases that the command line chooses, each with its random starts."""
    for source in (measured_cases, same_space_cases):
        for case in source(options.data):
            if options.only and not any(part in case.name for part in options.only.split(",")):
                continue
            if not options.starts:
                yield case
            for draw in range(options.starts):
                random = np.random.default_rng(draw)
                yield case.displaced(random_motion(case, options.millimetres, options.degrees, random))


def summarise(rows: pd.DataFrame, limit: float) -> pd.DataFrame:
    """One row for each pair and method: errors, how many are within the limit or flagged, time and memory."""

    def describe(runs: pd.DataFrame) -> pd.Series:
        right = runs["error, mm"] <= limit
        good = runs["verdict"] == Grade.GOOD.value
        return pd.Series(
            {
                "runs": len(runs),
                "median error, mm": runs["error, mm"].median(),
                "95 %, mm": runs["error, mm"].quantile(0.95),
                "largest error, mm": runs["error, mm"].max(),
                f"within {limit:g} mm": f"{right.sum()}",
                "right and called good": f"{(right & good).sum()}",
                "wrong and called good": f"{(~right & good).sum()}",
                "median s": runs["s"].median(),
                "most MiB": runs["MiB"].max(),
            }
        )

    return rows.groupby(["pair", "method"], sort=False).apply(describe, include_groups=False).reset_index()


def main() -> None:
    """Run the cases and methods that the command line chooses."""
    options = parse_arguments()
    rows = []
    # Spawned, so that no run inherits the memory of another.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for case in cases(options):
            for method in options.methods.split(","):
                row = pool.apply(measure, (case, method, options.model, options.threads))
                rows.append(row)
                print(
                    " | ".join(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()),
                    flush=True,
                )
    table = pd.DataFrame(rows)
    print("\n" + table.to_markdown(index=False, floatfmt=".2f"))
    print("\n" + summarise(table, options.limit).to_markdown(index=False, floatfmt=".2f"))


def parse_arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--methods", default="auto", help=f"names with commas between them; {ANTSPYX} is one too")
    parser.add_argument("--model", choices=[model.name.lower() for model in TransformModel], default="rigid")
    parser.add_argument("--only", default="", help="parts of the names of the pairs to run, with commas between them")
    parser.add_argument("--starts", type=int, default=0, help="random starts of each pair; 0 starts from the headers")
    parser.add_argument("--millimetres", type=float, default=30.0, help="largest shift of a random start")
    parser.add_argument("--degrees", type=float, default=20.0, help="largest rotation of a random start")
    parser.add_argument("--limit", type=float, default=1.2, help="largest mean error that counts as right, mm")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--data", type=Path, default=DATA)
    return parser.parse_args()


if __name__ == "__main__":
    main()
