"""Transforms from points of the fixed volume to points of the moving one, LPS mm: read, written and inverted.

- ITK's readers can crash or hang on a damaged file, so a file is tried first in a process of its own: this module, run
  with the path. It ends with 0 when ITK has read the file, with another code when not.
- The inverse is exact where a transform is linear, and found by iteration on a grid where it is not.
"""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, Writer, atomic_write, check_is_text, place_of
from CSAFusionLib.geometry.grid import points_of, voxel_axes
from CSAFusionLib.geometry.transform_algebra import affine_of, as_affine, inverse, map_points
from CSAFusionLib.processes import ModuleProcess
from CSAFusionLib.volumes.input_path import check_input_path

LINEAR_EXTENSIONS = (".tfm", ".txt", ".mat", ".h5")
DEFORMABLE_EXTENSIONS = (".h5",)

_HDF5_OVERHEAD = 4096
"""The fewest bytes that HDF5 needs beside the numbers."""

_MATLAB_HEADER = 20
"""Bytes before a matrix of MATLAB 4: type, rows, columns, whether it is complex, and the length of its name."""


def read_transform(path: str | Path) -> sitk.Transform:
    """Read an ITK transform (.tfm, .txt, .mat or .h5).

    Raises InputError when the file is missing or no regular file, is no transform, is damaged so that ITK would crash
    or hang, holds numbers that are not finite, or is not one of 3-D points.
    """
    if check_input_path(Path(path)):
        raise InputError(f"'{path}' is a folder; give a transform file.")
    check_is_text(Path(path).absolute())
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
    """Write a transform, read it back, and only then put it in place in one step.

    Raises InputError as :func:`check_transform_path` does, or when the disk refuses the file.
    """
    path = check_transform_path(path, deformable=not transform.IsLinear())
    atomic_write({path: transform_writer(transform)})


def transform_writer(transform: sitk.Transform) -> Writer:
    """Return what writes a transform to a path that ends as :func:`check_transform_path` says, and reads it back."""

    def write(path: Path) -> None:
        if path.suffix == ".h5":
            _check_room(path, _HDF5_OVERHEAD + 8 * transform.GetNumberOfParameters())
        sitk.WriteTransform(transform, str(path))
        # ITK's text and MATLAB writers do not report it when the disk refuses a part.
        if not _has_an_end(path) or not _are_alike(sitk.ReadTransform(str(path)), transform):
            raise Unwritable("the disk does not keep it whole")

    return write


def check_transform_path(path: str | Path, *, deformable: bool = False) -> Path:
    """Check, before any long work, that a transform can be written to ``path``; returns it as a Path.

    deformable: the transform will hold a displacement field, which only .h5 keeps.

    Raises InputError for any other extension, and as :func:`CSAFusionLib.files.atomic_write.place_of` does.
    """
    path = Path(path)
    allowed = DEFORMABLE_EXTENSIONS if deformable else LINEAR_EXTENSIONS
    if path.suffix.lower() not in allowed:
        kind = "a deformable transform" if deformable else "a transform"
        raise InputError(f"'{path}' does not name {kind} file; end it in {' or '.join(allowed)}.")
    place_of(path)
    return path


def _check_room(path: Path, size: int) -> None:
    """Raise OSError if there is no room for this many bytes, which HDF5 would report in pages, and again at exit."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        # Not every disk can set room aside.
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
    finally:
        path.unlink(missing_ok=True)


def _has_an_end(path: Path) -> bool:
    """Whether the last bytes are there, without which ITK may still read all numbers; HDF5 checks this itself."""
    content = path.read_bytes() if path.suffix != ".h5" else b"\n"
    if path.suffix != ".mat":
        return content.endswith(b"\n")
    end = 0
    while end < len(content):
        _, rows, columns, _, name = struct.unpack_from("<5i", content.ljust(end + _MATLAB_HEADER, b"\0"), end)
        end += _MATLAB_HEADER + name + 8 * rows * columns
    return end == len(content)


def _are_alike(a: sitk.Transform, b: sitk.Transform) -> bool:
    """Whether two transforms are of one kind and hold the same numbers."""
    kind = a.GetTransformEnum()
    if kind != b.GetTransformEnum():
        return False
    if kind == sitk.sitkComposite:
        one, other = sitk.CompositeTransform(a), sitk.CompositeTransform(b)
        count = one.GetNumberOfTransforms()
        return count == other.GetNumberOfTransforms() and all(
            _are_alike(one.GetNthTransform(index), other.GetNthTransform(index)) for index in range(count)
        )
    if not _are_close(a.GetFixedParameters(), b.GetFixedParameters()):
        return False
    if kind == sitk.sitkDisplacementField:
        # As Python numbers, the parameters of a field would take gigabytes.
        fields = (sitk.DisplacementFieldTransform(one).GetDisplacementField() for one in (a, b))
        return len({sitk.Hash(field) for field in fields}) == 1
    return _are_close(a.GetParameters(), b.GetParameters())


def _are_close(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and bool(np.allclose(a, b, rtol=1e-9, atol=1e-12))


# Between its nodes the inverse of a field is not linear: it gets two of them where the field has one, down to 1 mm,
# since deformations found by registration are smooth over that.
_NODES_A_VOXEL = 2
_FINEST_MM = 1.0
_MOST_NODES = 4_000_000
# Points outside the domain by less than this share of it are still inverted.
_MARGIN = 0.1
_ITERATIONS = 60
_TOLERANCE_MM = 1e-3

_LARGEST_ERROR_MM = 0.5
_CHECKED_POINTS = 500


def inverse_of(transform: sitk.Transform, domain: sitk.Image) -> tuple[sitk.Transform, float]:
    """Return the inverse of a transform, and how far off it is at most, in mm.

    Args:
        domain: the image from whose grid the transform takes its points; the inverse of a deformation holds only there.

    Raises:
        InputError: the transform folds space, so that it has no inverse.
    """
    if transform.IsLinear():
        return inverse(as_affine(transform)), 0.0
    grid = _grid_over(domain)
    points = _some_points(domain)
    linear = _best_linear(points, map_points(transform, points))
    back = linear.GetInverse()
    # The transform is the linear part after a deformation of the domain onto itself.
    residual = sitk.TransformToDisplacementField(
        sitk.CompositeTransform([back, transform]),
        sitk.sitkVectorFloat64,
        grid.GetSize(),
        grid.GetOrigin(),
        grid.GetSpacing(),
        grid.GetDirection(),
    )
    field = sitk.InvertDisplacementField(
        residual,
        maximumNumberOfIterations=_ITERATIONS,
        maxErrorToleranceThreshold=_TOLERANCE_MM,
        meanErrorToleranceThreshold=_TOLERANCE_MM / 10,
        enforceBoundaryCondition=False,
    )
    found = sitk.CompositeTransform([sitk.DisplacementFieldTransform(field), back])
    error = float(np.linalg.norm(map_points(found, map_points(transform, points)) - points, axis=1).max())
    if not error <= _LARGEST_ERROR_MM:
        raise InputError(
            f"The transform cannot be inverted: its inverse is {error:.1f} mm off where it is checked, since it folds "
            f"space or moves too much; give the inverse that the registration wrote."
        )
    return found, error


def _grid_over(domain: sitk.Image) -> sitk.Image:
    """An empty grid that covers an image and a margin around it."""
    size, spacing = np.array(domain.GetSize(), float), np.array(domain.GetSpacing())
    extent = size * spacing * (1 + 2 * _MARGIN)
    step = np.maximum(spacing / _NODES_A_VOXEL, np.minimum(spacing, _FINEST_MM))
    step *= max(1.0, float(np.prod(extent / step) / _MOST_NODES) ** (1 / 3))
    nodes = np.ceil(extent / step).astype(int) + 1
    grid = sitk.Image(nodes.tolist(), sitk.sitkUInt8)
    grid.SetSpacing(step.tolist())
    grid.SetDirection(domain.GetDirection())
    middle = np.array(domain.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist()))
    axes = voxel_axes(grid)
    grid.SetOrigin((middle - axes @ ((nodes - 1) / 2)).tolist())
    return grid


def _some_points(domain: sitk.Image) -> np.ndarray:
    """Points spread at random over an image, (N, 3) in LPS mm, always the same."""
    indices = np.random.default_rng(0).uniform(0, 1, (_CHECKED_POINTS, 3)) * (np.array(domain.GetSize()[::-1]) - 1)
    return points_of(domain, indices)


def _best_linear(points: np.ndarray, mapped: np.ndarray) -> sitk.AffineTransform:
    """The affine transform that comes nearest (least squares) to taking points (N, 3) to where they are mapped."""
    ones = np.ones((len(points), 1))
    found, *_ = np.linalg.lstsq(np.hstack([points, ones]), mapped, rcond=None)
    return affine_of(found.T)


_SECONDS = 30.0
"""What reading may take; a displacement field of 500 MiB takes a few seconds."""


def can_be_read(path: Path, seconds: float = _SECONDS) -> bool:
    """Tell whether ITK reads a transform file, without a crash and in time; takes half a second, most of it to start.

    Raises OSError where no process can be started.
    """
    child = ModuleProcess(
        "CSAFusionLib.registration.transforms",
        str(path.absolute()),
        paths=sys.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return child.wait(seconds) and child.returncode == 0
    finally:
        child.dismiss()


def _read(path: str) -> int:
    import SimpleITK as sitk

    try:
        sitk.ReadTransform(path)
    except RuntimeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_read(sys.argv[1]))
