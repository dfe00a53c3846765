"""Measure the registration engines against known truth, and print a Markdown table.

    python Testing/benchmarks/benchmark_registration.py --method sitk --model rigid

Pairs with a measured truth (open_ms) are registered from their headers. Pairs on one grid get random known rigid
starts, which are then the truth. The error is the mean distance, over the head of the fixed volume, between where
the found and the true transform take a point. The data is looked for beside the checkout (``--data``).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.preparation import centre, prepare
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.transforms import head_points, read_transform, target_registration_error
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

# Fixed and moving volumes that lie in one space: (name, fixed file, moving file).
SAME_SPACE = [
    ("stroke T1/T2", "stroke/T1.nii.gz", "stroke/T2.nii.gz"),
    ("templates T1/SPECT", "templates/spm_T1.nii.gz", "templates/spm_SPECT.nii.gz"),
    ("templates CT/T1", "templates/scct.nii.gz", "templates/avg152T1.nii.gz"),
    ("pyapetnet T1/PET", "pyapetnet/T1_2000.nii.gz", "pyapetnet/PET_osem.nii.gz"),
    ("rire T1/CT slab", "rire/training_001_mr_T1.mha", "rire/CT_slab_in_T1_grid_slices7-11.nii.gz"),
    ("rire T1 slab/CT slab", "rire/T1_slab_slices7-11.nii.gz", "rire/CT_slab_in_T1_grid_slices7-11.nii.gz"),
]


@dataclass(frozen=True)
class Case:
    """A pair to register, and the transform from fixed to moving points (LPS mm) that is right."""

    name: str
    fixed: Volume
    moving: Volume
    truth: sitk.Transform


def measured_cases(data: Path) -> Iterator[Case]:
    """The open_ms pairs, whose truth its authors measured."""
    folder = data / "volumes" / "open_ms"
    for path in sorted((folder / "ground_truth").glob("*.tfm")):
        found = re.fullmatch(r"(\w+)_fixed-(\w+)_moving-(\w+)", path.stem)
        if found is None:
            raise SystemExit(f"{path.name} is not named as a ground truth")
        patient, fixed, moving = found.groups()
        yield Case(
            f"{patient} {fixed} / {moving}",
            read_volume(folder / patient / f"{fixed}.nii.gz"),
            read_volume(folder / patient / f"{moving}.nii.gz"),
            read_transform(path),
        )


def moved_cases(data: Path, starts: int, millimetres: float, degrees: float) -> Iterator[Case]:
    """The pairs on one grid, the moving header moved by random rigid transforms of at most this shift and rotation."""
    for name, fixed_file, moving_file in SAME_SPACE:
        fixed = read_volume(data / "volumes" / fixed_file)
        moving = read_volume(data / "volumes" / moving_file)
        for draw in range(starts):
            truth = random_rigid(centre(moving.image), millimetres, degrees, np.random.default_rng(draw))
            yield Case(name, fixed, Volume(move_header(moving.image, truth), moving.name), truth)


def random_rigid(
    pivot: np.ndarray, millimetres: float, degrees: float, random: np.random.Generator
) -> sitk.Euler3DTransform:
    """A rotation about a random axis through the pivot and a random shift, each of exactly the given size."""
    axis, shift = (direction / np.linalg.norm(direction) for direction in random.normal(size=(2, 3)))
    turn = sitk.VersorTransform(axis.tolist(), float(np.deg2rad(degrees)))
    moved = sitk.Euler3DTransform()
    moved.SetCenter(pivot.tolist())
    moved.SetMatrix(turn.GetMatrix())
    moved.SetTranslation((millimetres * shift).tolist())
    return moved


def move_header(image: sitk.Image, motion: sitk.Euler3DTransform) -> sitk.Image:
    """The same voxels, placed where the motion takes them (nothing is interpolated)."""
    moved = sitk.Image(image)
    moved.SetOrigin(motion.TransformPoint(image.GetOrigin()))
    turn = np.reshape(motion.GetMatrix(), (3, 3))
    moved.SetDirection((turn @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return moved


def measure(case: Case, method: Method, model: TransformModel, threads: int) -> str:
    """Register one case and return its row of the table."""
    points = head_points(prepare(case.fixed))
    before = target_registration_error(sitk.Euler3DTransform(), case.truth, points).mean()
    result = register(case.fixed, case.moving, method, model, threads=threads)
    after = target_registration_error(result.transform, case.truth, points)
    information = [result.metric[f"mutual_information_{when}"] for when in ("before", "after")]
    return (
        f"| {case.name} | {method.name.lower()} {model.name.lower()} | {before:.2f} | {after.mean():.2f} | "
        f"{after.max():.2f} | {information[0]:.2f} to {information[1]:.2f} | {result.seconds:.1f} |"
    )


def main() -> None:
    """Run the cases that the command line chooses."""
    options = parse_arguments()
    cases = list(measured_cases(options.data)) if options.pairs != "moved" else []
    if options.pairs != "measured":
        cases += moved_cases(options.data, options.starts, options.millimetres, options.degrees)
    print("| pair | method | start, mm | mean error, mm | max error, mm | mutual information | s |")
    print("|---|---|---|---|---|---|---|")
    for case in cases:
        if options.only in case.name:
            method, model = Method[options.method.upper()], TransformModel[options.model.upper()]
            print(measure(case, method, model, options.threads), flush=True)


def parse_arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--method", choices=["none", "sitk", "ants"], default="sitk")
    parser.add_argument("--model", choices=["rigid", "affine", "syn"], default="rigid")
    parser.add_argument("--pairs", choices=["all", "measured", "moved"], default="all")
    parser.add_argument("--only", default="", help="part of the name of the pairs to run")
    parser.add_argument("--starts", type=int, default=3, help="random starts of each pair on one grid")
    parser.add_argument("--millimetres", type=float, default=10.0, help="shift of a random start")
    parser.add_argument("--degrees", type=float, default=10.0, help="rotation of a random start")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=DATA)
    return parser.parse_args()


if __name__ == "__main__":
    main()
