"""The algebra of transforms: matrices, points, inverses and compositions, whatever the parametrisation.

Every transform takes points of the fixed volume to points of the moving one, LPS mm (ITK's direction).
"""

from __future__ import annotations

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk


def identity() -> sitk.Transform:
    """Return the transform of volumes whose headers already agree."""
    return sitk.Transform(3, sitk.sitkIdentity)


def is_identity(transform: sitk.Transform) -> bool:
    """Whether a transform leaves every point exactly where it is."""
    corners = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return transform.IsLinear() and all(transform.TransformPoint(corner) == corner for corner in corners)


def map_points(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """Return where a transform takes each of (N, 3) points, LPS mm."""
    return np.array([transform.TransformPoint(point) for point in points.tolist()])


def linear_part(transform: sitk.Transform, centre: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the (3, 3) matrix of a linear transform, and where it takes ``centre``, (3,) mm; None is the origin."""
    pivot = np.zeros(3) if centre is None else centre
    mapped = map_points(transform, np.vstack([pivot, pivot + np.eye(3)]))
    return (mapped[1:] - mapped[0]).T, mapped[0]


def linear_matrix(transform: sitk.Transform) -> np.ndarray:
    """Return the (4, 4) matrix of a linear transform."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear_part(transform)
    return matrix


def affine_of(matrix: np.ndarray) -> sitk.AffineTransform:
    """Return the affine transform of a (4, 4) matrix, or of its upper three rows."""
    return sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())


def as_affine(linear: sitk.Transform) -> sitk.AffineTransform:
    """Return any linear transform, also a composite of several, as an affine one with its centre at the origin."""
    matrix, shift = linear_part(linear)
    return sitk.AffineTransform(matrix.ravel().tolist(), shift.tolist())


def as_rigid(linear: sitk.Transform) -> sitk.Euler3DTransform:
    """Return any rigid transform, also a composite of several, as rotation and translation."""
    return nearest_rigid(as_affine(linear))


def nearest_rigid(transform: sitk.AffineTransform) -> sitk.Euler3DTransform:
    """Return the rotation and translation closest to an affine transform (polar decomposition), about its centre."""
    left, _, right = np.linalg.svd(np.reshape(transform.GetMatrix(), (3, 3)))
    proper = np.diag([1.0, 1.0, np.linalg.det(left @ right)])
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(transform.GetCenter())
    rigid.SetMatrix((left @ proper @ right).ravel().tolist())
    rigid.SetTranslation(transform.GetTranslation())
    return rigid


def inverse(transform: sitk.Transform) -> sitk.Transform:
    """Return the inverse of a linear transform: an Euler3DTransform for one, an AffineTransform for any other."""
    known = sitk.Euler3DTransform if isinstance(transform, sitk.Euler3DTransform) else sitk.AffineTransform
    return known(transform.GetInverse())


def after_shift(transform: sitk.Transform, shift: np.ndarray) -> sitk.Transform:
    """Return the transform followed by a shift, (3,) mm; a linear transform stays of its kind."""
    if isinstance(transform, (sitk.Euler3DTransform, sitk.AffineTransform)):
        shifted = type(transform)(transform)
        shifted.SetTranslation((np.array(transform.GetTranslation()) + shift).tolist())
        return shifted
    if isinstance(transform, sitk.CompositeTransform):
        # The first one is the last to be applied.
        parts = [transform.GetNthTransform(number) for number in range(transform.GetNumberOfTransforms())]
        return sitk.CompositeTransform([after_shift(parts[0].Downcast(), shift), *parts[1:]])
    return sitk.CompositeTransform([sitk.TranslationTransform(3, shift.tolist()), transform])


def rotation(axis: int, degrees: float) -> np.ndarray:
    """Return the (3, 3) rotation about a coordinate axis, right-handed."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = cosine
    matrix[second, first], matrix[first, second] = sine, -sine
    return matrix


def target_registration_error(estimated: sitk.Transform, truth: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """Return how far apart two transforms take each point, (N,) in mm.

    points: (N, 3) in LPS mm of the fixed volume.
    """
    return np.linalg.norm(map_points(estimated, points) - map_points(truth, points), axis=1)
