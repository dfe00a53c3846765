"""Small changes of an alignment: turn a head about its centre, shift it, mirror it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.transform_algebra import linear_part, rotation

LEFT_RIGHT = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class RigidPerturbation:
    """Takes a point at ``p`` from the head's centre to ``matrix @ p + shift`` from it, LPS mm.

    matrix: (3, 3) rotation, with a mirroring or not, or that of an affine transform. shift: (3,) mm.
    """

    matrix: np.ndarray = field(default_factory=lambda: np.eye(3))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return where (N, 3) points, given from the head's centre, are taken."""
        return points @ self.matrix.T + self.shift

    def shifted(self, axis: int, millimetres: float) -> RigidPerturbation:
        """This perturbation, then a shift along an axis."""
        return RigidPerturbation(self.matrix, self.shift + millimetres * np.eye(3)[axis])

    def turned(self, axis: int, degrees: float) -> RigidPerturbation:
        """This perturbation with a turn about an axis through where it takes the centre."""
        return RigidPerturbation(rotation(axis, degrees) @ self.matrix, self.shift)

    def further(self, since: RigidPerturbation) -> RigidPerturbation:
        """This perturbation and once more what it adds to an earlier one."""
        return RigidPerturbation(self.matrix @ since.matrix.T @ self.matrix, 2 * self.shift - since.shift)


def perturbation_of(transform: sitk.Transform, centre: np.ndarray) -> RigidPerturbation:
    """Return a linear transform as a perturbation of a head with this centre, (3,) LPS mm."""
    matrix, taken = linear_part(transform, centre)
    return RigidPerturbation(matrix, taken - centre)
