"""Displacement fields in volume files: those of ANTs, Greedy and ITK in LPS mm, and FNIRT's in FSL's millimetres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import ijk_to_lps
from CSAFusionLib.registration.transform_files.frames import Frame, Frames, lps_to_fsl
from CSAFusionLib.registration.transform_files.unusable import Unusable
from CSAFusionLib.volumes.formats import Format, format_of
from CSAFusionLib.volumes.metaimage import read_metaimage
from CSAFusionLib.volumes.nifti import intent_of, read_nifti
from CSAFusionLib.volumes.nrrd import read_nrrd
from CSAFusionLib.volumes.stored_volume import StoredVolume, one_of, to_image

# FSL's codes for coefficients of cubic splines, of cosines, and of quadratic splines.
_COEFFICIENTS = (2007, 2008, 2009, 2016)


def read_field(path: Path, frames: Frames) -> tuple[sitk.Transform, str]:
    """Read a field on the fixed volume's side; returns it and what wrote it.

    ITK, and what is built on it, writes displacements in LPS mm as three numbers in each voxel; FSL writes
    displacements or places in its own millimetres, as three volumes (4-D).

    Raises Unusable for a file with anything but three finite numbers in each voxel, and for coefficients of FNIRT's,
    InputError for a damaged file.
    """
    stored = _stored(path)
    if stored.series == 3 and stored.components == 1:
        if format_of(path) is Format.NIFTI and intent_of(path) in _COEFFICIENTS:
            raise Unusable(
                "it holds FNIRT's coefficients; write the field with fnirt --fout or convertwarp, and give that"
            )
        images = [to_image(one_of(stored, number))[0] for number in (1, 2, 3)]
        vectors = np.stack([sitk.GetArrayFromImage(image) for image in images], axis=-1).astype(float)
        return to_lps_field(vectors, images[0], frames), "FSL field"
    if stored.series > 1 or stored.components != 3:
        raise Unusable("it is a volume and no field of displacements; give a transform file")
    image, _ = to_image(stored)
    return _transform_of(sitk.GetArrayFromImage(image), image), "displacement field"


def to_lps_field(vectors: np.ndarray, placed: sitk.Image, frames: Frames) -> sitk.Transform:
    """Return the transform of one of FNIRT's fields, which takes fixed to moving points in FSL's coordinates.

    vectors: (K, J, I, 3) mm, displacements, or places where they are those of the moving volume themselves.
    placed: an image on the field's grid, which is one of the fixed volume's.
    """
    field = Frame(placed, frames.fixed.path)
    k, j, i = np.indices(vectors.shape[:3])
    indices = np.stack([i, j, k, np.ones_like(i)], axis=-1).astype(float)
    starts = indices @ ijk_to_lps(placed).T
    in_fsl = (starts @ lps_to_fsl(field).T)[..., :3]
    ends = vectors if _are_places(vectors, in_fsl) else in_fsl + vectors
    to_lps = np.linalg.inv(lps_to_fsl(frames.moving))
    return _transform_of(ends @ to_lps[:3, :3].T + to_lps[:3, 3] - starts[..., :3], placed)


def _are_places(vectors: np.ndarray, points: np.ndarray) -> bool:
    """Whether vectors are places rather than displacements: places vary as the points do."""
    return bool(np.std(vectors - points, axis=(0, 1, 2)).sum() < np.std(vectors, axis=(0, 1, 2)).sum())


def _stored(path: Path) -> StoredVolume:
    found = format_of(path)
    if found is Format.NIFTI:
        return read_nifti(path)
    return read_nrrd(path) if found is Format.NRRD else read_metaimage(path)


def _transform_of(vectors: np.ndarray, placed: sitk.Image) -> sitk.Transform:
    if not np.isfinite(vectors).all():
        raise Unusable("it holds displacements that are not finite; give another transform")
    field = sitk.GetImageFromArray(np.ascontiguousarray(vectors, np.float64), isVector=True)
    field.CopyInformation(placed)
    return sitk.DisplacementFieldTransform(field)
