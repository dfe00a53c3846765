"""Where a NIfTI header puts its volume: by its qform, by its sform, or by neither, and how it contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import corner_indices

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

# ITK takes an sform for a straight one, with the spacing of pixdim, within these.
_ORTHONORMAL = 1e-4
_SAME_SPACING_MM = 1e-3

_AS_NIBABEL = "by the sform, else the qform, else with rows that run to anterior, as nibabel, FSL and SPM do"

# Two places of a corner that are nearer than this are one.
_APART_MM = 0.1


class Orientation(Enum):
    """Which of a NIfTI header's orientations places the volume.

    ``header`` chooses between qform and sform as ITK and 3D Slicer do; ``nibabel`` takes the sform, else the qform,
    else assumes rows that run to anterior, as nibabel, FSL and SPM do.
    """

    HEADER = "header"
    SFORM = "sform"
    QFORM = "qform"
    NIBABEL = "nibabel"


@dataclass(frozen=True)
class Placement:
    """The (4, 4) matrix from voxel indices to LPS mm, and what the user must know of it."""

    lps: np.ndarray
    notes: tuple[str, ...]


def place(
    path: Path,
    size: tuple[int, int, int],
    *,
    spacing: np.ndarray,
    qfac: float,
    qform: tuple[np.ndarray, np.ndarray] | None,
    sform: np.ndarray | None,
    sform_is_scanner: bool,
    analyze_origin: np.ndarray | None,
    orientation: Orientation,
) -> Placement:
    """Choose between the orientations of a header.

    spacing: (3,) voxel sides in mm, NaN where unknown.
    qfac: 1, or -1 where k runs the other way.
    qform: quaternion b, c, d and offset in RAS mm; None for code 0.
    sform: (3, 4) in RAS mm; None for code 0. sform_is_scanner: its code is 1.
    analyze_origin: SPM's 1-based voxel of the origin in an Analyze header; None in NIfTI.

    If one of two forms is not a finite matrix, only the other is used.
    Raises InputError if the requested orientation is missing.
    """
    q = None if qform is None else _of_quaternion(*qform, spacing, qfac)
    s = None if sform is None else np.vstack([sform, [0.0, 0.0, 0.0, 1.0]])
    by_qform, by_sform = _usable(q, s), _usable(s, q)
    asked = {Orientation.SFORM: by_sform, Orientation.QFORM: by_qform}
    if orientation in asked:
        ras = asked[orientation]
        if ras is None:
            raise InputError(f"'{path}' has no {orientation.value} (its code is 0); choose another --orientation-from.")
        return _placed(ras, f"is placed by the {orientation.value}, as asked.")
    if orientation is Orientation.NIBABEL:
        found = next((ras for ras in (by_sform, by_qform) if ras is not None), None)
        ras = _of_neither(size, spacing, analyze_origin) if found is None else found
        return _placed(ras, f"is placed {_AS_NIBABEL}, as asked.")
    if by_qform is None and by_sform is None:
        return _unknown(spacing, is_analyze=analyze_origin is not None)
    return _chosen(size, spacing, by_qform, by_sform, sform_is_scanner)


def _usable(matrix: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    """The matrix, or None if only the other one can be used."""
    if matrix is None or other is None or np.isfinite(matrix).all() or not np.isfinite(other).all():
        return matrix
    return None


def _placed(ras: np.ndarray, *notes: str) -> Placement:
    return Placement(_RAS_TO_LPS @ ras, notes)


def _chosen(
    size: tuple[int, int, int],
    spacing: np.ndarray,
    by_qform: np.ndarray | None,
    by_sform: np.ndarray | None,
    sform_is_scanner: bool,
) -> Placement:
    """As ITK 5.4 chooses; an sform that it refuses is used where there is no qform."""
    if by_sform is None:
        assert by_qform is not None
        return _placed(by_qform)
    if by_qform is None:
        lengths = np.linalg.norm(by_sform[:3, :3], axis=0)
        if np.nanmax(np.abs(lengths - spacing) * size, initial=0.0) <= _APART_MM:
            return _placed(by_sform)
        note = f"has voxels of {_listed(lengths)} mm by its sform, which is used, and {_listed(spacing)} by pixdim."
        return _placed(by_sform, note)
    apart = np.linalg.norm((corner_indices(size) @ (by_sform - by_qform).T)[:, :3], axis=1).max()
    takes_sform = apart <= _APART_MM or (sform_is_scanner and _is_straight(by_sform, spacing))
    ras, used, other = (by_sform, "sform", "qform") if takes_sform else (by_qform, "qform", "sform")
    if apart <= _APART_MM:
        return _placed(ras)
    note = (
        f"has a qform and an sform that differ by up to {_mm(apart)} mm; the {used} is used, and "
        f"--orientation-from {other} takes the other."
    )
    return _placed(ras, note)


def _is_straight(by_sform: np.ndarray, spacing: np.ndarray) -> bool:
    lengths = np.linalg.norm(by_sform[:3, :3], axis=0)
    if not np.isfinite(by_sform).all() or (np.abs(lengths - spacing) > _SAME_SPACING_MM).any() or lengths.min() <= 0:
        return False
    directions = by_sform[:3, :3] / lengths
    return bool(np.abs(directions @ directions.T - np.eye(3)).max() <= _ORTHONORMAL)


def _unknown(spacing: np.ndarray, *, is_analyze: bool) -> Placement:
    """ITK takes the axes of a header without orientation for LPS, with the first voxel at 0."""
    why = "is an Analyze file, which holds no orientation" if is_analyze else "holds no orientation (both codes are 0)"
    note = (
        f"{why}; its rows are taken to run to posterior, as 3D Slicer does, where nibabel, FSL and SPM take them to "
        f"run to anterior, which is the mirror image (--orientation-from nibabel)."
    )
    return Placement(np.diag([*spacing, 1.0]), (note,))


def _of_neither(size: tuple[int, int, int], spacing: np.ndarray, analyze_origin: np.ndarray | None) -> np.ndarray:
    """As nibabel: columns run to left, rows to anterior, about SPM's origin or else the centre of the volume."""
    centre = (np.array(size) - 1) / 2
    if analyze_origin is not None and analyze_origin.any() and _is_within(analyze_origin, size):
        centre = analyze_origin - 1
    ras = np.diag([-spacing[0], spacing[1], spacing[2], 1.0])
    ras[:3, 3] = -ras[:3, :3] @ centre
    return ras


def _is_within(origin: np.ndarray, size: tuple[int, int, int]) -> bool:
    return bool((origin > -np.array(size)).all() and (origin < 2 * np.array(size)).all())


def _of_quaternion(vector: np.ndarray, offset: np.ndarray, spacing: np.ndarray, qfac: float) -> np.ndarray:
    """Method 2 of nifti1.h; a quaternion a little longer than 1 is shortened, as nifti1_io does."""
    b, c, d = vector
    rest = 1.0 - float(vector @ vector)
    a = np.sqrt(rest) if rest > 1e-7 else 0.0
    if a == 0.0:
        b, c, d = vector / np.linalg.norm(vector)
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * spacing * [1.0, 1.0, qfac]
    matrix[:3, 3] = offset
    return matrix


def _listed(lengths: np.ndarray) -> str:
    return " x ".join(f"{length:.4g}" for length in lengths)


def _mm(distance: float) -> str:
    return f"{distance:.1f}" if distance < 1000 else f"{distance:.0f}"
