"""CSAFusionLib/volumes/writing.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.writing import check_output_path, whole_file, write_volume


def _an_image() -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32))
    image.SetSpacing((0.5, 0.75, 3))
    image.SetOrigin((10, -20, 30))
    image.SetDirection((0, -1, 0, 0.6, 0, -0.8, -0.8, 0, -0.6))
    return image


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "A.NII.GZ", "a.b.nrrd"])
def test_what_is_written_reads_back_with_its_geometry_and_nothing_else_stays(tmp_path: Path, name: str) -> None:
    image = _an_image()
    write_volume(image, tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    readable = (tmp_path / name).rename(tmp_path / name.lower())
    back = sitk.ReadImage(str(readable))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(back.GetOrigin(), image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(back.GetSpacing(), image.GetSpacing(), atol=1e-5)
    np.testing.assert_allclose(back.GetDirection(), image.GetDirection(), atol=1e-5)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_a_colour_volume_reads_back_as_bytes(tmp_path: Path, name: str) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    write_volume(sitk.GetImageFromArray(rgb, isVector=True), tmp_path / name)
    back = sitk.ReadImage(str(tmp_path / name))
    assert back.GetPixelID() == sitk.sitkVectorUInt8
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), rgb)


@pytest.mark.parametrize("name", ["a.gz", "a.jpg", "a", "a.mhd", ".nii.gz.txt"])
def test_an_unknown_extension_is_refused_before_any_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="end it in .nii, .nii.gz, .nrrd or .mha"):
        check_output_path(tmp_path / name)


def test_a_missing_folder_and_a_folder_as_file_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").mkdir()
    with pytest.raises(InputError, match="does not exist"):
        check_output_path(tmp_path / "nowhere" / "a.nrrd")
    with pytest.raises(InputError, match="is a folder"):
        check_output_path(tmp_path / "a.nrrd")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.nrrd"
    target.write_text("old")

    def fail_half_way() -> None:
        with whole_file(target) as whole:
            whole.write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(InputError, match="could not be written"):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_image_the_format_cannot_hold_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="could not be written"):
        write_volume(sitk.Image([2, 2, 2], sitk.sitkLabelUInt8), tmp_path / "a.nii")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_and_keeps_ordinary_permissions(tmp_path: Path) -> None:
    target = tmp_path / "a.nrrd"
    target.write_text("old")
    write_volume(_an_image(), target)
    plain = tmp_path / "plain"
    plain.write_text("")
    assert sitk.ReadImage(str(target)).GetSize() == (5, 4, 3)
    assert target.stat().st_mode == plain.stat().st_mode
