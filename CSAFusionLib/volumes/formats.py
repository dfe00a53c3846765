"""Tell what format a file has, by what it holds rather than by its name, and refuse by name what is not read."""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.metaimage import is_metaimage
from CSAFusionLib.volumes.nifti import HEAD, is_nifti
from CSAFusionLib.volumes.nrrd import MAGIC as NRRD_MAGIC
from CSAFusionLib.volumes.voxel_data import head_of, is_gzip


class Format(Enum):
    """A format that is read, beside DICOM."""

    NIFTI = auto()
    NRRD = auto()
    METAIMAGE = auto()


_READ = "give a NIfTI, NRRD or MHA file, or a DICOM series"
_HEAD = 2048

# What a file begins with (at a byte) that is not read, though ITK would open some of it, and the name of its format.
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
# Formats whose files begin with nothing of their own, by the ending of their name.
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
    """Tell the format of a file that is no DICOM file.

    Raises InputError, which names the format where it is known, for a file of another one and for an empty file.
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
            raise InputError(f"'{path}' is {foreign}, which is not read; {_BARE.get(foreign, _READ)}.")
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
