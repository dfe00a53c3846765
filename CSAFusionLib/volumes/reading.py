"""Read a volume from a file or a DICOM folder, its header checked before its voxels are trusted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import TOLERATED_MM, nearest_straight, off_straight
from CSAFusionLib.logs import itk_warnings_off
from CSAFusionLib.volumes.dicom.files import is_dicom
from CSAFusionLib.volumes.dicom.series import read_dicom_file, read_dicom_folder
from CSAFusionLib.volumes.formats import Format, format_of
from CSAFusionLib.volumes.input_path import check_input_path, reason
from CSAFusionLib.volumes.metaimage import read_metaimage
from CSAFusionLib.volumes.naming import said_beside
from CSAFusionLib.volumes.nifti import read_nifti
from CSAFusionLib.volumes.nifti_orientation import Orientation
from CSAFusionLib.volumes.nrrd import read_nrrd
from CSAFusionLib.volumes.pictures import lay_on_black
from CSAFusionLib.volumes.stored_volume import StoredVolume, one_of, to_image
from CSAFusionLib.volumes.volume import Volume


def fill_non_finite(image: sitk.Image) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return an image whose NaN and infinite voxels have its lowest finite value, and a note that counts them.

    The image itself is returned where there are none, where none is finite, and where it is not scalar.
    """
    voxels = sitk.GetArrayViewFromImage(image)
    if voxels.dtype.kind != "f" or image.GetNumberOfComponentsPerPixel() > 1:
        return image, ()
    finite = np.isfinite(voxels)
    missing = voxels.size - int(np.count_nonzero(finite))
    if missing in (0, voxels.size):
        return image, ()
    background = voxels.min(where=finite, initial=np.inf)
    filled = sitk.GetImageFromArray(np.where(finite, voxels, background))
    filled.CopyInformation(image)
    note = (
        f"has {missing} voxels that are not finite (NaN or infinite, {missing / voxels.size:.2g} of all); they were "
        f"filled with its lowest value, {background:g}."
    )
    return filled, (note,)


# Header rounding moves corners by less than the first, and is set right without a word up to the second.
_ROUNDING_MM = 1e-5
_UNSAID_MM = 1e-2


def read_volume(
    path: str | Path,
    volume: int | None = None,
    *,
    orientation: Orientation = Orientation.HEADER,
    keep_shear: bool = False,
) -> Volume:
    """Read a 3-D volume.

    The axes of the image are at right angles: where the header's are not, but by so little that no corner moves by more
    than 0.1 mm, they are set right. Voxels that are not finite have its lowest value. The notes of the volume tell of
    both, and of a header that contradicts itself or leaves the orientation open.

    Args:
        path: a NIfTI, Analyze, NRRD or MetaImage file, a folder that holds one DICOM series, a multi-frame DICOM file,
            or one file of a DICOM series, for which the whole series is read. A fourth dimension of length 1 is
            dropped.
        volume: which one, from 1, where a DICOM file or series, or a 4-D file, holds several; None for the only one.
        orientation: which of its orientations places a NIfTI volume.
        keep_shear: read a volume with sheared axes too, and leave them so; right for one that is resampled anyway.

    Raises:
        SeveralVolumesError: there are several volumes and none was chosen.
        InputError: the path does not exist, cannot be read, or is not one 3-D volume; the file is damaged or not
            whole; its axes are sheared.
    """
    path = Path(path)
    is_folder = check_input_path(path)
    try:
        with itk_warnings_off():
            if is_folder:
                read = read_dicom_folder(path, volume, keep_tilt=keep_shear)
            elif is_dicom(path):
                read = read_dicom_file(path, volume, keep_tilt=keep_shear)
            else:
                read = _read_file(path, volume, orientation)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({reason(error)}); copy it and try again.") from error
    return set_right(path, read, keep_shear=keep_shear)


def set_right(path: Path, read: Volume, *, keep_shear: bool) -> Volume:
    """Return a volume as it was read with its axes at right angles and every voxel finite, as :func:`read_volume` says.

    Raises InputError for sheared axes when they are not to be kept.
    """
    image, notes = straightened(str(path), read.image, keep_shear=keep_shear)
    image, filled = fill_non_finite(image)
    return replace(read, image=image, notes=(*read.notes, *notes, *filled))


def stored_volume(path: Path, orientation: Orientation) -> StoredVolume:
    """Read the header of a file that is no DICOM; InputError as :func:`read_volume` raises it."""
    found = format_of(path)
    if found is Format.NIFTI:
        return read_nifti(path, orientation)
    return read_nrrd(path) if found is Format.NRRD else read_metaimage(path)


def _read_file(path: Path, volume: int | None, orientation: Orientation) -> Volume:
    return volume_of(path, one_of(stored_volume(path, orientation), volume))


def volume_of(path: Path, stored: StoredVolume) -> Volume:
    """Read the voxels of one volume of a file, and what lies beside the file says of it."""
    image, notes = to_image(stored)
    image, laid = lay_on_black(image)
    modality, acquisition = said_beside(path)
    return Volume(image, path.name, modality, notes + laid, acquisition=acquisition)


def straightened(name: str, image: sitk.Image, *, keep_shear: bool) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return an image whose axes are at right angles, and a note where that moves what one would notice.

    name: what the message calls it. keep_shear: leave axes that are far from right angles as they are.
    Raises InputError for such axes when they are not to be kept.
    """
    moved = off_straight(image)
    if moved <= _ROUNDING_MM:
        return image, ()
    if moved <= TOLERATED_MM:
        note = (
            f"has axes not quite at right angles; they were set right, which moves its corners by up to {moved:.2f} mm."
        )
        return nearest_straight(image), (note,) if moved > _UNSAID_MM else ()
    if not keep_shear:
        raise InputError(
            f"'{name}' has sheared axes in its header, {moved:.1f} mm off a straight grid at its corners; resample it "
            f"to a grid with right angles first, or give it as the moving volume."
        )
    return image, (f"has sheared axes, {moved:.1f} mm off a straight grid at its corners; they were followed.",)
