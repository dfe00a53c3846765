"""Read a volume from a file or a DICOM folder, its header checked before its voxels are trusted."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.choice import chosen
from CSAFusionLib.volumes.dicom.files import is_dicom
from CSAFusionLib.volumes.dicom.reading import read_dicom_file, read_dicom_folder
from CSAFusionLib.volumes.nifti import is_whole
from CSAFusionLib.volumes.quiet import itk_warnings_off
from CSAFusionLib.volumes.volume import Volume


def read_volume(path: str | Path, volume: int | None = None) -> Volume:
    """Read a 3-D volume.

    Args:
        path: a NIfTI, NRRD or MetaImage file, a folder that holds one DICOM series, a multi-frame DICOM file, or one
            file of a DICOM series, for which the whole series is read. A fourth dimension of length 1 is dropped.
        volume: which one, from 1, where a DICOM file or series holds several; None for the only one.

    Raises:
        SeveralVolumesError: there are several volumes and none was chosen.
        InputError: the path does not exist, cannot be read, or is not one 3-D volume.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"'{path}' does not exist; check the path.")
    with itk_warnings_off():
        if path.is_dir():
            return read_dicom_folder(path, volume)
        if is_dicom(path):
            return read_dicom_file(path, volume)
        chosen(str(path), [("", 1)], volume)
        return _read(path)


def _read(path: Path) -> Volume:
    header = _read_header(path)
    _check_dimension(path, header.GetSize())
    if header.HasMetaDataKey("vox_offset") and path.suffix.lower() in (".nii", ".gz") and not is_whole(path, header):
        raise InputError(f"'{path}' is cut off before its last voxel; copy or export it again.")
    return Volume(_read_voxels(path, header), path.name)


def _read_header(path: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(_unreadable(path, error)) from error
    return reader


def _check_dimension(path: Path, size: tuple[int, ...]) -> None:
    if len(size) < 3:
        raise InputError(f"'{path}' is a 2-D image; give a 3-D volume.")
    if any(length > 1 for length in size[3:]):
        raise InputError(f"'{path}' is a series of {size[3]} volumes (4-D); extract one 3-D volume from it first.")
    if 0 in size:
        raise InputError(f"'{path}' is empty; give a volume that has voxels.")


def _read_voxels(path: Path, header: sitk.ImageFileReader) -> sitk.Image:
    size = header.GetSize()
    header.SetExtractSize([*size[:3], *[0] * len(size[3:])])
    try:
        return header.Execute()
    except RuntimeError as error:
        raise InputError(_unreadable(path, error)) from error


def _unreadable(path: Path, error: RuntimeError) -> str:
    if path.stat().st_size == 0:
        return f"'{path}' is an empty file; export the volume again."
    if "orthonormal" in str(error):
        return f"'{path}' has sheared axes in its header; resample it to a grid with right angles first."
    return f"'{path}' cannot be read as a volume; give an undamaged NIfTI, NRRD or MHA file, or a DICOM series."
