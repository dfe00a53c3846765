"""Text files of a bare 4 x 4 matrix, which do not say what wrote them: FSL's FLIRT, or Greedy, NiftyReg and c3d."""

from __future__ import annotations

import re
from enum import Enum

import numpy as np

from CSAFusionLib.geometry.grid import LPS_TO_RAS
from CSAFusionLib.registration.transform_files.frames import Frames, lps_to_fsl

_MOST_TEXT = 4096

# FLIRT alone ends each number with two blanks.
_WRITTEN_BY_FLIRT = re.compile(r"\S+  \S+  \S+  \S+  \s*\n")


class MatrixKind(Enum):
    """What a bare matrix means.

    ``fsl`` is FLIRT's: from the moving volume to the fixed one, in FSL's own millimetres. ``ras`` is that of Greedy,
    NiftyReg and c3d: from the fixed volume to the moving one, in RAS mm.
    """

    FSL = "fsl"
    RAS = "ras"


def parse_matrix(text: str) -> np.ndarray | None:
    """Return the (4, 4) matrix that a text holds and nothing else; None where it holds anything else."""
    rows = [line.split() for line in text[:_MOST_TEXT].splitlines() if line.strip()]
    if [len(row) for row in rows] != [4, 4, 4, 4]:
        return None
    try:
        matrix = np.array(rows, float)
    except ValueError:
        return None
    return matrix if np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-6) else None


def is_written_by_flirt(text: str) -> bool:
    """Tell whether the numbers of a matrix are spaced as FLIRT spaces them, which no other program does."""
    return all(_WRITTEN_BY_FLIRT.fullmatch(line) for line in text.splitlines(keepends=True) if line.strip())


def matrix_to_lps(matrix: np.ndarray, kind: MatrixKind, frames: Frames) -> np.ndarray:
    """Return the (4, 4) matrix from fixed to moving points, LPS mm.

    Raises InputError for an FSL matrix between volumes that are no NIfTI files, LinAlgError for one without an inverse.
    """
    if kind is MatrixKind.RAS:
        return LPS_TO_RAS @ matrix @ LPS_TO_RAS
    to_moving = np.linalg.inv(lps_to_fsl(frames.moving))
    found: np.ndarray = to_moving @ np.linalg.inv(matrix) @ lps_to_fsl(frames.fixed)
    return found
