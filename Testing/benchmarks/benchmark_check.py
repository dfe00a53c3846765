"""Count the grades of the quality assessment against known errors, and print a Markdown table.

    python Testing/benchmarks/benchmark_check.py                    # misaligned states, as they are
    python Testing/benchmarks/benchmark_check.py --pairs held-out   # the same on pairs no threshold was chosen on
    python Testing/benchmarks/benchmark_check.py --method sitk      # what a registration makes of them

Every pair of known truth is displaced by its header: by less than 2 mm, by up to 6 mm and degrees, by up to 40 mm and
30 degrees; of every other one a part of the moving volume is cut off; some are turned by 180 degrees or mirrored. The
error is the mean distance between where the assessed and the true transform take the head that both volumes show.
The CT template is symmetrical, and so its own mirror image: it is not mirrored. The CT slab of rire lies some 6 mm
too low in the T1 head, as the ventricles show: slabs are cut from other pairs. The data is looked for beside the
checkout (``--data``).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from known_truth import DATA, Case, measured_cases, rigid_motion, same_space_cases

from CSAFusionLib.geometry.transform_algebra import map_points, target_registration_error
from CSAFusionLib.registration.preparation import foreground_centre, head_points, prepare
from CSAFusionLib.registration.quality.assessment import Assessment, assess
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume

# More pairs that lie in one space: (name, fixed file, moving file).
CALIBRATION = [
    ("mni T1/T2", "open_ms/mni_patient07/T1.nii.gz", "open_ms/mni_patient07/T2.nii.gz"),
    ("stroke FLAIR/T1", "stroke/FLAIR.nii.gz", "stroke/T1.nii.gz"),
    ("templates T1/PET", "templates/spm_T1.nii.gz", "templates/spm_PET.nii.gz"),
    ("templates CT/PET", "templates/scct.nii.gz", "templates/spm_PET.nii.gz"),
    ("pyapetnet PET/T1", "pyapetnet/PET_osem.nii.gz", "pyapetnet/T1_2000.nii.gz"),
]
HELD_OUT = [
    ("mni FLAIR/T1", "open_ms/mni_patient07/FLAIR.nii.gz", "open_ms/mni_patient07/T1.nii.gz"),
    ("mni T2/FLAIR", "open_ms/mni_patient07/T2.nii.gz", "open_ms/mni_patient07/FLAIR.nii.gz"),
    ("stroke T2/FLAIR", "stroke/T2.nii.gz", "stroke/FLAIR.nii.gz"),
    ("stroke T2/T1", "stroke/T2.nii.gz", "stroke/T1.nii.gz"),
    ("templates T2/T1", "templates/avg152T2.nii.gz", "templates/avg152T1.nii.gz"),
    ("templates T2/SPECT", "templates/avg152T2.nii.gz", "templates/spm_SPECT.nii.gz"),
    ("rire CT slab/T1 slab", "rire/CT_slab_in_T1_grid_slices7-11.nii.gz", "rire/T1_slab_slices7-11.nii.gz"),
]
SYMMETRICAL = "CT/"
DISPLACED = "rire T1/CT slab"
SLABS = ("patient12 study1_T1W/study1_T2W", "patient01 study1_T1W/study1_FLAIR", "stroke T1/T2", "pyapetnet T1/PET")
SLAB_MM = 20.0

# Kind of displacement, draws of it for each pair, largest shift in mm and turn in degrees.
DRAWS = [
    ("small", 6, 1.2, 0.7),
    ("middling", 2, 6, 6),
    ("large", 5, 40, 30),
    ("turned", 1, 3, 5),
    ("mirrored", 1, 3, 5),
]
CLASSES = ("up to 2 mm", "2 to 5 mm", "over 5 mm")


@dataclass(frozen=True)
class AssessedCase:
    """A displaced pair: its name, the kind of displacement, what is left of it in mm, and what the check says."""

    name: str
    kind: str
    error: float
    assessment: Assessment

    @property
    def error_class(self) -> str:
        """One of ``CLASSES``."""
        return CLASSES[int(np.searchsorted([2.0, 5.0], self.error))]

    @property
    def row(self) -> str:
        """A line that tells all."""
        figures = ", ".join(f"{name} {value:.2f}" for name, value in self.assessment.figures.items())
        quality = self.assessment.quality
        return f"{self.name}; {self.kind}; {self.error:.1f} mm; {quality.grade.value}; {quality.reason}; {figures}"


def pairs(data: Path, group: str) -> Iterator[Case]:
    """The pairs of a group: "calibration" or "held-out"."""
    if group == "held-out":
        yield from _in_one_space(data, HELD_OUT)
        return
    for case in (*measured_cases(data), *same_space_cases(data), *_in_one_space(data, CALIBRATION)):
        if case.name != DISPLACED:
            yield case
        if case.name.endswith(SLABS):
            yield replace(case, name=f"{case.name} slab", moving=Volume(_slab_of(case.moving.image), case.moving.name))


def displacements(case: Case, random: np.random.Generator) -> Iterator[tuple[str, Case]]:
    """The pair under every kind of displacement, and the kind's name."""
    pivot = foreground_centre(prepare(case.moving))
    for kind, count, millimetres, degrees in DRAWS:
        if kind == "mirrored" and SYMMETRICAL in case.name:
            continue
        for draw in range(count):
            rigid = rigid_motion(pivot, random.uniform(0, millimetres), random.uniform(0, degrees), random)
            moved = case.displaced(_with(rigid, _signs(kind, random)))
            if draw % 2:
                moved = replace(moved, moving=Volume(_part_of(moved.moving.image, random), moved.moving.name))
            yield f"{kind}, a part" if draw % 2 else kind, moved


def assessed(name: str, kind: str, case: Case, transform: sitk.Transform) -> AssessedCase:
    """Check a transform, and measure its error over the head that both volumes show."""
    fixed, moving = prepare(case.fixed), prepare(case.moving)
    points = head_points(fixed)
    seen = points[_inside(moving, map_points(case.truth, points))]
    error = target_registration_error(transform, case.truth, seen if len(seen) else points).mean()
    return AssessedCase(name, kind, float(error), assess(fixed, moving, transform))


def print_table(cases: list[AssessedCase]) -> None:
    """How many cases of each class of error got which verdict, and the two rates that matter."""
    counts = Counter((one.error_class, one.assessment.quality.grade) for one in cases)
    print("| true error | " + " | ".join(level.value for level in Grade) + " |")
    print("|---|" + "---|" * len(Grade))
    for name in CLASSES:
        print(f"| {name} | " + " | ".join(str(counts[name, level]) for level in Grade) + " |")
    near, far = (sum(counts[name, level] for level in Grade) for name in (CLASSES[0], CLASSES[-1]))
    missed, recognised = counts[CLASSES[-1], Grade.GOOD], counts[CLASSES[0], Grade.GOOD]
    print(f"\n'good' with more than 5 mm: {missed} of {len(cases)} cases ({missed / len(cases):.1%}; {far} are so far)")
    print(f"'good' of those within 2 mm: {recognised} of {near} ({recognised / max(near, 1):.0%})")


def main() -> None:
    """Judge the cases that the command line chooses."""
    options = parse_arguments()
    cases = []
    for index, case in enumerate(pairs(options.data, options.pairs)):
        if not any(part in case.name for part in options.only.split(",")):
            continue
        for kind, moved in displacements(case, np.random.default_rng([options.seed, index])):
            # A displacement of the moving header alone: the pair's own truth is then the misaligned state.
            found = register(moved.fixed, moved.moving, options.method).transform if options.method else case.truth
            cases.append(assessed(case.name, kind, moved, found))
            if options.verbose:
                print(cases[-1].row, flush=True)
    print_table(cases)


def parse_arguments() -> argparse.Namespace:
    """What to judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pairs", choices=["calibration", "held-out"], default="calibration")
    parser.add_argument("--only", default="", help="parts of the names of the pairs to take, with commas between them")
    parser.add_argument("--method", type=lambda name: Method[name.upper()], help="register before the check")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print every case")
    parser.add_argument("--data", type=Path, default=DATA)
    return parser.parse_args()


def _in_one_space(data: Path, files: list[tuple[str, str, str]]) -> Iterator[Case]:
    for name, *pair in files:
        volumes = (read_volume(data / "volumes" / file) for file in pair)
        yield Case(name, *volumes, sitk.Euler3DTransform())


def _slab_of(image: sitk.Image) -> sitk.Image:
    """A few slices from the middle, ``SLAB_MM`` thick."""
    count = round(SLAB_MM / image.GetSpacing()[2])
    first = (image.GetSize()[2] - count) // 2
    return image[:, :, first : first + count]


def _signs(kind: str, random: np.random.Generator) -> np.ndarray:
    """Which of the axes change their sign: none, two for half a turn, one for a mirror image."""
    signs = np.ones(3)
    axis = random.integers(3)
    if kind == "turned":
        signs[[(axis + 1) % 3, (axis + 2) % 3]] = -1
    if kind == "mirrored":
        signs[axis] = -1
    return signs


def _with(rigid: sitk.Euler3DTransform, signs: np.ndarray) -> sitk.AffineTransform:
    """A motion with its axes turned over about its centre beforehand."""
    matrix = np.reshape(rigid.GetMatrix(), (3, 3)) * signs
    return sitk.AffineTransform(matrix.ravel().tolist(), rigid.GetTranslation(), rigid.GetCenter())


def _part_of(image: sitk.Image, random: np.random.Generator) -> sitk.Image:
    """Half to four fifths of an image along one axis; never of a slab's few slices."""
    size, start = np.array(image.GetSize()), np.zeros(3, int)
    axis = random.choice(np.flatnonzero(size >= 10))
    kept = int(size[axis] * random.uniform(0.5, 0.8))
    start[axis], size[axis] = random.integers(size[axis] - kept + 1), kept
    return sitk.RegionOfInterest(image, size.tolist(), start.tolist())


def _inside(image: sitk.Image, points: np.ndarray) -> np.ndarray:
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(point) for point in points.tolist()])
    return ((indices > -0.5) & (indices < np.array(image.GetSize()) - 0.5)).all(axis=1)


if __name__ == "__main__":
    main()
