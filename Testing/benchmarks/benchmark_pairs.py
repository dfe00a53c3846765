"""Register every pair of the shared volumes by their headers and ``auto``, and print a Markdown table.

    python Testing/benchmarks/benchmark_pairs.py
    python Testing/benchmarks/benchmark_pairs.py --only petct,spine --both-ways
    PYTHONPATH=/path/to/another/version python Testing/benchmarks/benchmark_pairs.py

Each line tells what ``auto`` took, what the check says of it, the mean error over the head of the fixed volume where
the truth is known, and CPU seconds. Truth: volumes of one folder that lie in one space; the measured transforms of
open_ms, chained where two volumes are joined by several; the bodies of petct, aligned by the scanner to about 2.5 mm.
Every pair has a process of its own. Only what every version has is used, so that versions can be compared.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import CSAFusionError
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.preparation import head_points, prepare
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.registration.transforms import read_transform
from CSAFusionLib.volumes.reading import read_volume

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

# Folders whose volumes lie in one space, and those of which nothing is known but that they show one patient.
ONE_SPACE = ("stroke", "open_ms/mni_patient07", "templates", "pyapetnet", "rire", "petct")
UNKNOWN = ("lumbar", "spine")
MEASURED = ("open_ms/patient01", "open_ms/patient12")
# One image in ten orders of its axes: each is paired with the first only.
ORIENTATIONS = "orientations"
ENDINGS = (".nii.gz", ".mha")
HEADER = "| pair | took | verdict | error, mm | CPU s | reason |\n| --- | --- | --- | --- | --- | --- |"


@dataclass(frozen=True)
class Pair:
    """Two files, the name of the pair, and the matrix (4, 4) from fixed to moving points, LPS mm, where it is known."""

    name: str
    fixed: Path
    moving: Path
    truth: np.ndarray | None


def pairs(volumes: Path, both_ways: bool) -> Iterator[Pair]:
    """All pairs of the shared volumes."""
    for folder in (*ONE_SPACE, *UNKNOWN, *MEASURED, ORIENTATIONS):
        files = sorted(path for path in (volumes / folder).iterdir() if path.name.endswith(ENDINGS))
        if folder == ORIENTATIONS:
            chosen = [(files[0], other) for other in files[1:]]
        else:
            chosen = list(itertools.combinations(files, 2))
        for fixed, moving in chosen + [(b, a) for a, b in chosen if both_ways]:
            names = (path.name.partition(".")[0] for path in (fixed, moving))
            yield Pair(f"{folder} {'/'.join(names)}", fixed, moving, _truth(folder, fixed, moving))


def measure(pair: Pair) -> str:
    """Register a pair; returns its line of the table."""
    fixed, moving = read_volume(pair.fixed), read_volume(pair.moving)
    started = time.process_time()
    try:
        found = register(fixed, moving, Method.AUTO)
    except CSAFusionError as error:
        return f"| {pair.name} | | refused | | {time.process_time() - started:.1f} | {error} |"
    seconds = time.process_time() - started
    wrong = ""
    if pair.truth is not None:
        truth = sitk.AffineTransform(pair.truth[:3, :3].ravel().tolist(), pair.truth[:3, 3].tolist())
        points = head_points(prepare(fixed))
        wrong = f"{target_registration_error(found.transform, truth, points).mean():.2f}"
    quality = found.quality
    level, reason = (quality.grade.value, quality.reason) if quality else ("", "")
    return f"| {pair.name} | {found.method.name.lower()} | {level} | {wrong} | {seconds:.1f} | {reason} |"


def main() -> None:
    """Register the pairs that the command line chooses."""
    options = parse_arguments()
    print(HEADER, flush=True)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for pair in pairs(options.data / "volumes", options.both_ways):
            if any(part in pair.name for part in options.only.split(",")):
                print(pool.apply(measure, (pair,)), flush=True)


def parse_arguments() -> argparse.Namespace:
    """What to register."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="parts of the names of the pairs to take, with commas between them")
    parser.add_argument("--both-ways", action="store_true", help="each pair with fixed and moving exchanged, too")
    parser.add_argument("--data", type=Path, default=DATA)
    return parser.parse_args()


def _truth(folder: str, fixed: Path, moving: Path) -> np.ndarray | None:
    if folder in UNKNOWN:
        return None
    if folder not in MEASURED:
        return np.eye(4)
    return _chained(_measured(fixed.parent), *(path.name.partition(".")[0] for path in (fixed, moving)))


def _measured(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """The measured transforms of a patient and their inverses, by the names of the volumes they lead from and to."""
    steps = {}
    for path in (folder.parent / "ground_truth").glob(f"{folder.name}_*.tfm"):
        found = re.fullmatch(rf"{folder.name}_fixed-(\w+)_moving-(\w+)", path.stem)
        if found:
            matrix = _matrix(read_transform(path))
            steps[found[1], found[2]], steps[found[2], found[1]] = matrix, np.linalg.inv(matrix)
    return steps


def _chained(steps: dict[tuple[str, str], np.ndarray], first: str, last: str) -> np.ndarray | None:
    """The transform along the shortest chain of steps; None where there is none."""
    reached = {first: np.eye(4)}
    while last not in reached:
        farther = {
            end: matrix @ reached[start]
            for (start, end), matrix in steps.items()
            if start in reached and end not in reached
        }
        if not farther:
            return None
        reached |= farther
    return reached[last]


def _matrix(transform: sitk.Transform) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis, unit in enumerate(np.eye(3).tolist()):
        matrix[:3, axis] = np.array(transform.TransformPoint(unit)) - matrix[:3, 3]
    return matrix


if __name__ == "__main__":
    main()
