"""Read, write and judge transforms; every one takes points of the fixed volume to points of the moving one, LPS mm."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.registration.preparation import foreground
from CSAFusionLib.registration.transform_guard import can_be_read
from CSAFusionLib.volumes.input_path import check_input_path

LINEAR_EXTENSIONS = (".tfm", ".txt", ".mat", ".h5")
DEFORMABLE_EXTENSIONS = (".h5",)


def read_transform(path: str | Path) -> sitk.Transform:
    """Read an ITK transform (.tfm, .txt, .mat or .h5).

    Raises InputError when the file is missing or no regular file, is no transform, is damaged so that ITK would crash
    or hang, holds numbers that are not finite, or is not one of 3-D points.
    """
    if check_input_path(Path(path)):
        raise InputError(f"'{path}' is a folder; give a transform file.")
    unreadable = f"'{path}' cannot be read as a transform; give an undamaged ITK .tfm, .txt, .mat or .h5 file."
    if not can_be_read(Path(path)):
        raise InputError(unreadable)
    try:
        transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(unreadable) from error
    if transform.IsLinear() and not np.isfinite(transform.GetParameters() + transform.GetFixedParameters()).all():
        raise InputError(f"'{path}' holds numbers that are not finite; give another transform.")
    if transform.GetDimension() != 3:
        raise InputError(f"'{path}' is a {transform.GetDimension()}-D transform; give a 3-D one.")
    return transform


def write_transform(transform: sitk.Transform, path: str | Path) -> None:
    """Write a transform to ``path``: written whole beside it first, then put in place in one step.

    Raises InputError as :func:`check_transform_path` does, or when the disk refuses the file.
    """
    path = check_transform_path(path, deformable=not transform.IsLinear())
    with tempfile.TemporaryDirectory(prefix=".csafusion-", dir=path.parent) as folder:
        whole = Path(folder) / f"transform{path.suffix.lower()}"
        try:
            sitk.WriteTransform(transform, str(whole))
        except RuntimeError as error:
            raise InputError(f"'{path}' could not be written; check that the disk has room for it.") from error
        os.replace(whole, path)


def check_transform_path(path: str | Path, *, deformable: bool = False) -> Path:
    """Check, before any long work, that a transform can be written to ``path``; returns it as a Path.

    deformable: the transform will hold a displacement field, which only .h5 keeps.

    Raises InputError for any other extension, a missing or read-only folder, or a path that is a folder.
    """
    path = Path(path)
    allowed = DEFORMABLE_EXTENSIONS if deformable else LINEAR_EXTENSIONS
    if path.suffix.lower() not in allowed:
        kind = "a deformable transform" if deformable else "a transform"
        raise InputError(f"'{path}' does not name {kind} file; end it in {' or '.join(allowed)}.")
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give the name of a file.")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"The folder of '{path}' does not exist or cannot be written to; choose another.")
    return path


def nearest_rigid(transform: sitk.AffineTransform) -> sitk.Euler3DTransform:
    """Return the rotation and translation closest to an affine transform (polar decomposition), about its centre."""
    left, _, right = np.linalg.svd(np.reshape(transform.GetMatrix(), (3, 3)))
    proper = np.diag([1.0, 1.0, np.linalg.det(left @ right)])
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(transform.GetCenter())
    rigid.SetMatrix((left @ proper @ right).ravel().tolist())
    rigid.SetTranslation(transform.GetTranslation())
    return rigid


def is_identity(transform: sitk.Transform) -> bool:
    """Whether a transform leaves every point exactly where it is."""
    corners = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return transform.IsLinear() and all(transform.TransformPoint(corner) == corner for corner in corners)


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


def inverse(transform: sitk.Transform) -> sitk.Transform:
    """Return the inverse of a linear transform: an Euler3DTransform of one, an AffineTransform of any other."""
    known = sitk.Euler3DTransform if isinstance(transform, sitk.Euler3DTransform) else sitk.AffineTransform
    return known(transform.GetInverse())


def target_registration_error(estimated: sitk.Transform, truth: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """Return how far apart two transforms take each point, (N,) in mm.

    points: (N, 3) in LPS mm of the fixed volume.
    """
    return np.linalg.norm(map_points(estimated, points) - map_points(truth, points), axis=1)


def head_points(image: sitk.Image, count: int = 2000, seed: int = 0) -> np.ndarray:
    """Return centres of foreground voxels, spread evenly at random, (at most ``count``, 3) in LPS mm."""
    indices = np.argwhere(sitk.GetArrayFromImage(foreground(image)))[:, ::-1]
    chosen = np.random.default_rng(seed).permutation(len(indices))[:count]
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return indices[chosen] @ axes.T + np.array(image.GetOrigin())


def map_points(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """Return where a transform takes each of (N, 3) points, LPS mm."""
    return np.array([transform.TransformPoint(point) for point in points.tolist()])
