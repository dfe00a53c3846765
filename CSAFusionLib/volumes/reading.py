"""Read a volume from a file of any format or from a DICOM folder, and check its header before its voxels.

The content of a file determines its format, not its name; an unsupported format is refused by its name.
"""

from __future__ import annotations

import os
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import TOLERATED_MM, nearest_straight, off_straight
from CSAFusionLib.logs import itk_warnings_off
from CSAFusionLib.side_by_side import side_by_side
from CSAFusionLib.volumes.dicom.headers import is_dicom
from CSAFusionLib.volumes.dicom.series_reading import read_dicom_file, read_dicom_folder
from CSAFusionLib.volumes.input_path import check_input_path, reason
from CSAFusionLib.volumes.metaimage import is_metaimage, read_metaimage
from CSAFusionLib.volumes.nifti import HEAD, Orientation, is_nifti, read_nifti
from CSAFusionLib.volumes.nrrd import MAGIC as NRRD_MAGIC
from CSAFusionLib.volumes.nrrd import read_nrrd
from CSAFusionLib.volumes.pictures import lay_on_black
from CSAFusionLib.volumes.stored_volume import StoredVolume, head_of, is_gzip, one_of, to_image
from CSAFusionLib.volumes.volume import Volume, said_beside


class Format(Enum):
    """A supported format, beside DICOM."""

    NIFTI = auto()
    NRRD = auto()
    METAIMAGE = auto()


_READ = "give a NIfTI, NRRD or MHA file, or a DICOM series"
_HEAD = 2048

# The first bytes (from an offset) of unsupported files, some of which ITK would open, and the name of the format.
_FOREIGN_STARTS = {
    (0, b"CDF\x01"): "a MINC file",
    (0, b"CDF\x02"): "a MINC file",
    (0, b"\x89HDF\r\n\x1a\n"): "an HDF5 or MINC file",
    (0, b"# vtk DataFile"): "a VTK file",
    (0, b"<?xml"): "an XML file",
    (0, b"<VTKFile"): "a VTK file",
    (0, b"II*\x00"): "a TIFF file",
    (0, b"MM\x00*"): "a TIFF file",
    (0, b"II+\x00"): "a TIFF file",
    (0, b"\x89PNG"): "a PNG picture",
    (0, b"\xff\xd8\xff"): "a JPEG picture",
    (0, b"\x00\x00\x00\x0cjP"): "a JPEG 2000 picture",
    (0, b"\xff\x4f\xff\x51"): "a JPEG 2000 picture",
    (0, b"BM"): "a BMP picture",
    (0, b"GIF8"): "a GIF picture",
    (0, b"PK\x03\x04"): "a ZIP archive",
    (0, b"%PDF"): "a PDF document",
    (0, b"BZh"): "a bzip2 archive",
    (0, b"\xfd7zXZ"): "an xz archive",
    (0, b"7z\xbc\xaf"): "a 7z archive",
    (0, b"IMGF"): "a GE file",
    (0, b"\x93NUMPY"): "a NumPy array",
    (0, b"MATLAB 5.0"): "a MATLAB file",
    (252, b"\x2a\xe3\x89\xb8"): "a GIPL file",
    (252, b"\xef\xff\xe9\xb0"): "a GIPL file",
    (208, b"MAP "): "an MRC file",
    (257, b"ustar"): "a tar archive",
}
# Formats whose files have no distinctive first bytes, by the extension of their name.
_FOREIGN_NAMES = {
    ".gipl": "a GIPL file",
    ".gipl.gz": "a GIPL file",
    ".mnc": "a MINC file",
    ".mnc.gz": "a MINC file",
    ".mgh": "a FreeSurfer MGH file",
    ".mgz": "a FreeSurfer MGH file",
    ".mgh.gz": "a FreeSurfer MGH file",
    ".mrc": "an MRC file",
    ".pic": "a Bio-Rad file",
    ".spr": "a Stimulate file",
    ".sdt": "a Stimulate file",
    ".v": "an ECAT file",
    ".par": "a Philips PAR/REC file",
    ".rec": "a Philips PAR/REC file",
    ".mif": "an MRtrix file",
    ".mif.gz": "an MRtrix file",
    ".mih": "an MRtrix file",
    ".head": "an AFNI file",
    ".brik": "an AFNI file",
    ".brik.gz": "an AFNI file",
    ".nia": "a NIfTI file in text",
    ".vtk": "a VTK file",
    ".vti": "a VTK file",
    ".tif": "a TIFF file",
    ".tiff": "a TIFF file",
    ".lsm": "a TIFF file",
    ".raw": "a file of bare voxels",
    ".zraw": "a file of bare voxels",
    ".raw.gz": "a file of bare voxels",
    ".npy": "a NumPy array",
    ".mat": "a MATLAB file",
    ".mrb": "a 3D Slicer scene",
    ".mrml": "a 3D Slicer scene",
}
_BARE = {"a file of bare voxels": "give the header (.mhd or .nhdr) that describes it"}
_NAMES = {
    (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz"): Format.NIFTI,
    (".nrrd", ".nhdr"): Format.NRRD,
    (".mha", ".mhd"): Format.METAIMAGE,
}


def format_of(path: Path) -> Format:
    """Return the format of a file that is not DICOM.

    Raises InputError for an unsupported format, which it names if it is known, and for an empty file.
    """
    head = head_of(path, _HEAD)
    if not head and path.stat().st_size == 0:
        raise InputError(f"'{path}' is an empty file; export the volume again.")
    found = _by_content(head)
    if found is not None and (not is_gzip(path) or found is Format.NIFTI):
        return found
    name = path.name.lower()
    for foreign in (_foreign_by_content(head), _foreign_by_name(name)):
        if foreign:
            raise InputError(f"'{path}' is {foreign}, which is not supported; {_BARE.get(foreign, _READ)}.")
    if found is not None:
        raise InputError(f"'{path}' is gzipped as a whole, which this format cannot be; unpack it first.")
    for endings, named in _NAMES.items():
        if name.endswith(endings):
            return named
    raise InputError(f"'{path}' cannot be read as a volume; {_READ}.")


def _by_content(head: bytes) -> Format | None:
    if is_nifti(head[:HEAD]):
        return Format.NIFTI
    if head.startswith(NRRD_MAGIC):
        return Format.NRRD
    if is_metaimage(head):
        return Format.METAIMAGE
    return None


def _foreign_by_content(head: bytes) -> str | None:
    return next(
        (name for (place, start), name in _FOREIGN_STARTS.items() if head[place : place + len(start)] == start), None
    )


def _foreign_by_name(name: str) -> str | None:
    return next((foreign for ending, foreign in _FOREIGN_NAMES.items() if name.endswith(ending)), None)


def fill_non_finite(image: sitk.Image) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return an image whose NaN and infinite voxels have its lowest finite value, and a note that counts them.

    Returns the image itself if all voxels are finite, if none is, or if it is not scalar.
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


# Header rounding moves corners by less than the first; shear up to the second is corrected with no or a short note.
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

    The axes of the image are at right angles: deviations in the header that move no corner by more than 0.1 mm are
    corrected. Voxels that are not finite get the lowest finite value. The notes of the volume report both, and a header
    that contradicts itself or leaves the orientation open.

    Args:
        path: a NIfTI, Analyze, NRRD or MetaImage file, a folder that holds one DICOM series, a multi-frame DICOM file,
            or one file of a DICOM series, for which the whole series is read. A fourth dimension of length 1 is
            dropped.
        volume: the number of the volume, from 1, where a DICOM file or series, or a 4-D file, holds several; None for a
            single one.
        orientation: which orientation of its header places a NIfTI volume.
        keep_shear: accept sheared axes and keep them, for a volume that is resampled anyway.

    Raises:
        SeveralVolumesError: there are several volumes and none was chosen.
        InputError: the path does not exist, cannot be read, or is not one 3-D volume; the file is damaged or
            incomplete; its axes are sheared.
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


def read_pair(
    fixed: str | Path,
    moving: str | Path,
    volumes: tuple[int | None, int | None] = (None, None),
    *,
    orientation: Orientation = Orientation.HEADER,
) -> tuple[Volume, Volume]:
    """Read the fixed and the moving volume; the moving one may be sheared, since it is resampled anyway.

    Arguments and errors are those of :func:`read_volume`; of two errors it is the fixed volume's.
    """
    readers = (
        partial(read_volume, fixed, volumes[0], orientation=orientation),
        partial(read_volume, moving, volumes[1], orientation=orientation, keep_shear=True),
    )
    if not all(os.path.isfile(path) and not is_dicom(Path(path)) for path in (fixed, moving)):
        # What silences pydicom's warnings is not meant for two threads.
        return readers[0](), readers[1]()
    with itk_warnings_off():
        return side_by_side(*readers)


def set_right(path: Path, read: Volume, *, keep_shear: bool) -> Volume:
    """Return a volume with its axes at right angles and every voxel finite, as :func:`read_volume` describes.

    Raises InputError for sheared axes when they are not to be kept.
    """
    image, notes = straightened(str(path), read.image, keep_shear=keep_shear)
    image, filled = fill_non_finite(image)
    return replace(read, image=image, notes=(*read.notes, *notes, *filled))


def stored_volume(path: Path, orientation: Orientation) -> StoredVolume:
    """Read the header of a file that is not DICOM; raises InputError as :func:`read_volume` does."""
    found = format_of(path)
    if found is Format.NIFTI:
        return read_nifti(path, orientation)
    return read_nrrd(path) if found is Format.NRRD else read_metaimage(path)


def _read_file(path: Path, volume: int | None, orientation: Orientation) -> Volume:
    return volume_of(path, one_of(stored_volume(path, orientation), volume))


def volume_of(path: Path, stored: StoredVolume) -> Volume:
    """Read the voxels of one volume of a file, and its acquisition from sidecar and name."""
    image, notes = to_image(stored)
    image, laid = lay_on_black(image)
    modality, acquisition = said_beside(path)
    return Volume(image, path.name, modality, notes + laid, acquisition=acquisition)


def straightened(name: str, image: sitk.Image, *, keep_shear: bool) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return an image whose axes are at right angles, and a note if that moves voxels noticeably.

    name: what the message calls it. keep_shear: keep axes that are far from right angles.
    Raises InputError for such axes otherwise.
    """
    moved = off_straight(image)
    if moved <= _ROUNDING_MM:
        return image, ()
    if moved <= TOLERATED_MM:
        note = (
            f"has axes not quite at right angles; they were corrected, which moves its corners by up to {moved:.2f} mm."
        )
        return nearest_straight(image), (note,) if moved > _UNSAID_MM else ()
    if not keep_shear:
        raise InputError(
            f"'{name}' has sheared axes in its header, {moved:.1f} mm off a straight grid at its corners; resample it "
            f"to a grid with right angles first, or give it as the moving volume."
        )
    return image, (f"has sheared axes, {moved:.1f} mm off a straight grid at its corners; they were followed.",)
