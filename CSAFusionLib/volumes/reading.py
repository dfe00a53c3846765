"""Read a volume from a file or a DICOM folder."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.volume import Volume


def read_volume(path: str | Path) -> Volume:
    """Read a 3-D volume from a NIfTI, NRRD, MetaImage or DICOM file, or from a DICOM folder.

    Raises InputError when there is no such file, when it cannot be read, or when it is not one 3-D volume.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"'{path}' does not exist; check the path.")
    if path.is_dir():
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path))
        if not names:
            raise InputError(f"'{path}' holds no DICOM series; give a folder of DICOM slices or a volume file.")
        return Volume(sitk.ReadImage(names), path.name)
    try:
        return Volume(sitk.ReadImage(str(path)), path.name)
    except RuntimeError as error:
        raise InputError(f"'{path}' cannot be read as a volume; give a NIfTI, NRRD, MHA or DICOM file.") from error
