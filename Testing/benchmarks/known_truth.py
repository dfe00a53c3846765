"""Pairs of the shared volumes whose right transform is known, and known motions to add to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import centre
from CSAFusionLib.registration.transforms import read_transform
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

    def displaced(self, motion: sitk.Euler3DTransform) -> Case:
        """The same pair with the moving volume placed where a motion takes it (by its header, not interpolated)."""
        placed = Volume(move_header(self.moving.image, motion), self.moving.name)
        return replace(self, moving=placed, truth=sitk.CompositeTransform([motion, self.truth]))


def measured_cases(data: Path) -> Iterator[Case]:
    """The open_ms pairs, whose truth its authors measured."""
    folder = data / "volumes" / "open_ms"
    for path in sorted((folder / "ground_truth").glob("*.tfm")):
        found = re.fullmatch(r"(\w+)_fixed-(\w+)_moving-(\w+)", path.stem)
        if found is None:
            raise SystemExit(f"{path.name} is not named as a ground truth")
        patient, fixed, moving = found.groups()
        yield Case(
            f"open_ms {patient} {fixed}/{moving}",
            read_volume(folder / patient / f"{fixed}.nii.gz"),
            read_volume(folder / patient / f"{moving}.nii.gz"),
            read_transform(path),
        )


def same_space_cases(data: Path) -> Iterator[Case]:
    """The pairs that lie in one space as they are."""
    for name, fixed, moving in SAME_SPACE:
        volumes = (read_volume(data / "volumes" / file) for file in (fixed, moving))
        yield Case(name, *volumes, sitk.Euler3DTransform())


def random_motion(case: Case, millimetres: float, degrees: float, random: np.random.Generator) -> sitk.Euler3DTransform:
    """A shift and a turn about the moving volume's centre in random directions, each from none up to the given size."""
    return rigid_motion(centre(case.moving.image), random.uniform(0, millimetres), random.uniform(0, degrees), random)


def rigid_motion(
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
