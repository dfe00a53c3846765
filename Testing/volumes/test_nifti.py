"""CSAFusionLib/volumes/nifti.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.volumes.nifti import is_whole


def _header_of(path: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("components", [1, 3])
def test_a_whole_file_is_told_from_one_cut_anywhere(tmp_path: Path, name: str, components: int) -> None:
    voxels = np.random.default_rng(0).integers(0, 1000, (9, 20, 30, components)).astype(np.int16)
    path = tmp_path / name
    sitk.WriteImage(sitk.GetImageFromArray(voxels.squeeze(), isVector=components > 1), str(path))
    content = path.read_bytes()
    assert is_whole(path, _header_of(path))
    for share in (0.5, 0.9, 0.999):
        path.write_bytes(content[: int(share * len(content))])
        assert not is_whole(path, _header_of(path))


def test_a_damaged_compressed_file_is_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    noise = np.random.default_rng(0).normal(size=(20, 30, 40)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(path))
    content = bytearray(path.read_bytes())
    header = _header_of(path)
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    assert not is_whole(path, header)
