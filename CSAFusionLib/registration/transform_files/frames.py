"""The two volumes between which a transform was found; some formats mean nothing without them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import ijk_to_lps, ijk_to_ras
from CSAFusionLib.volumes.dicom.files import is_dicom
from CSAFusionLib.volumes.formats import Format, format_of
from CSAFusionLib.volumes.nifti import read_nifti
from CSAFusionLib.volumes.nifti_orientation import Orientation


@dataclass(frozen=True)
class Frame:
    """The grid of one of the two volumes, and the file it was read from; None for an image that is only in memory."""

    image: sitk.Image
    path: Path | None = None


@dataclass(frozen=True)
class Frames:
    """The fixed and the moving volume of a transform."""

    fixed: Frame
    moving: Frame

    def exchanged(self) -> Frames:
        """The same two with their parts exchanged."""
        return Frames(self.moving, self.fixed)


def lps_to_fsl(frame: Frame) -> np.ndarray:
    """Return the (4, 4) matrix from LPS mm to FSL's coordinates of a volume.

    FSL counts millimetres along the axes of the file, from its first voxel, and turns the first axis round where the
    file is stored "neurologically" (its matrix to RAS has a positive determinant).

    Raises InputError for a file that is not NIfTI: its voxels may be in another order than in the NIfTI file FSL saw.
    """
    spacing = np.array(frame.image.GetSpacing())
    ijk_to_fsl = np.diag([*spacing, 1.0])
    if _is_neurological(frame):
        ijk_to_fsl[0] = [-spacing[0], 0.0, 0.0, (frame.image.GetSize()[0] - 1) * spacing[0]]
    found: np.ndarray = ijk_to_fsl @ np.linalg.inv(ijk_to_lps(frame.image))
    return found


def _is_neurological(frame: Frame) -> bool:
    if frame.path is None:
        return bool(np.linalg.det(ijk_to_ras(frame.image)[:3, :3]) > 0)
    if frame.path.is_dir() or is_dicom(frame.path) or format_of(frame.path) is not Format.NIFTI:
        raise InputError(
            f"An FSL transform counts voxels in the order of the NIfTI files it was found between, and '{frame.path}' "
            f"is no NIfTI file; name those files with --transform-fixed and --transform-moving."
        )
    # Of two orientations FSL, too, takes the sform, and a file that has none for a "radiological" one.
    to_lps = read_nifti(frame.path, Orientation.NIBABEL).affine
    return bool(np.linalg.det(to_lps[:3, :3]) > 0)
