"""CSAFusionLib/volumes/formats.py."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.formats import Format, format_of
from Testing.volumes.stored_files import metaimage, nifti, nifti_pair, nrrd, some_voxels


def _refusal_of(path: Path) -> str:
    with pytest.raises(InputError) as refusal:
        format_of(path)
    assert f"'{path}'" in str(refusal.value) and str(refusal.value).endswith(".")
    return str(refusal.value)


def test_a_format_is_told_by_what_a_file_holds_whatever_its_name(tmp_path: Path) -> None:
    voxels = some_voxels()
    assert format_of(nifti(tmp_path / "scan", voxels)) is Format.NIFTI
    assert format_of(nifti(tmp_path / "b.nii.gz", voxels)) is Format.NIFTI
    assert format_of(nifti(tmp_path / "c.nrrd", voxels, second=True, order=">")) is Format.NIFTI
    assert format_of(nifti_pair(tmp_path, voxels)) is Format.NIFTI
    assert format_of(tmp_path / "a.img") is Format.NIFTI
    assert format_of(nrrd(tmp_path / "e.mha", voxels)) is Format.NRRD
    assert format_of(metaimage(tmp_path / "f.nii", voxels)) is Format.METAIMAGE


def test_damage_at_the_start_leaves_the_name_to_tell(tmp_path: Path) -> None:
    for name, found in (("a.nii.gz", Format.NIFTI), ("b.nhdr", Format.NRRD), ("c.MHA", Format.METAIMAGE)):
        (tmp_path / name).write_bytes(b"\x81damaged")
        assert format_of(tmp_path / name) is found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.vtk", "is a VTK file"),
        ("a.tif", "is a TIFF file"),
        ("a.gipl", "is a GIPL file"),
        ("a.mrc", "is an MRC file"),
        ("a.png", "is a PNG picture"),
        ("a.bmp", "is a BMP picture"),
    ],
)
def test_what_itk_would_open_but_nobody_promised_is_refused_by_name(tmp_path: Path, name: str, said: str) -> None:
    voxels = some_voxels("u1", (8, 10) if "picture" in said else (6, 8, 10))
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / name))
    assert said in _refusal_of(tmp_path / name)
    assert said in _refusal_of((tmp_path / name).rename(tmp_path / "renamed"))


@pytest.mark.parametrize(
    ("name", "start", "said"),
    [
        ("a.mnc", b"CDF\x01rest", "is a MINC file, which is not read"),
        ("a.mnc", b"\x89HDF\r\n\x1a\nrest", "HDF5 or MINC file"),
        ("a.nii", b"CDF\x01rest", "MINC"),
        ("a.mgz", gzip.compress(b"\0\0\0\1"), "FreeSurfer MGH file"),
        ("a.raw", b"bare", "is a file of bare voxels, which is not read; give the header"),
        ("a.npy", b"\x93NUMPY", "NumPy array"),
        ("a.zip", b"PK\x03\x04", "ZIP archive"),
        ("a.xyz", b"who knows", "cannot be read as a volume; give a NIfTI, NRRD or MHA file"),
        ("a.nrrd.gz", gzip.compress(b"NRRD0004\ntype: short\n"), "gzipped as a whole"),
        ("a.nrrd", b"", "is an empty file"),
    ],
)
def test_another_format_is_refused_by_its_name(tmp_path: Path, name: str, start: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(start)
    assert said in _refusal_of(tmp_path / name)


def test_a_format_is_told_from_the_start_alone(tmp_path: Path) -> None:
    path = tmp_path / "large.nrrd"
    path.write_bytes(b"NRRD0004\n" + np.zeros(10**7, np.uint8).tobytes())
    assert format_of(path) is Format.NRRD
