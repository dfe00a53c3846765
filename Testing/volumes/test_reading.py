"""CSAFusionLib/volumes/reading.py."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.reading import read_volume


def _an_image(*shape: int) -> sitk.Image:
    array = np.random.default_rng(0).integers(0, 1000, shape).astype(np.int16)
    return sitk.GetImageFromArray(array, isVector=False)


def _written(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, str(path))
    return path


def _refusal_of(path: Path) -> str:
    with pytest.raises(InputError) as refusal:
        read_volume(path)
    message = str(refusal.value)
    assert f"'{path}'" in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd"])
def test_every_format_is_read_with_its_geometry(tmp_path: Path, name: str) -> None:
    image = _an_image(4, 5, 6)
    image.SetSpacing((0.5, 1, 3))
    image.SetOrigin((1, 2, 3))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, 1, 0))
    volume = read_volume(_written(image, tmp_path / name))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.image.GetDirection(), image.GetDirection(), atol=1e-6)
    assert volume.image.GetSpacing() == pytest.approx(image.GetSpacing())
    assert volume.image.GetOrigin() == pytest.approx(image.GetOrigin())
    assert (volume.name, volume.modality_hint) == (name, None)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_a_single_slice_is_a_volume(tmp_path: Path, name: str) -> None:
    assert read_volume(_written(_an_image(1, 5, 6), tmp_path / name)).image.GetSize() == (6, 5, 1)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
def test_a_fourth_dimension_of_length_one_is_dropped(tmp_path: Path, name: str) -> None:
    image = _an_image(4, 5, 6)
    image.SetSpacing((0.5, 1, 3))
    volume = read_volume(_written(sitk.JoinSeries([image]), tmp_path / name))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(image))
    assert volume.image.GetSpacing() == pytest.approx((0.5, 1, 3))


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii.gz"])
def test_a_series_in_time_and_a_picture_are_refused(tmp_path: Path, name: str) -> None:
    series = sitk.JoinSeries([_an_image(4, 5, 6), _an_image(4, 5, 6)])
    assert "series of 2 volumes (4-D)" in _refusal_of(_written(series, tmp_path / name))
    assert "2-D image" in _refusal_of(_written(_an_image(5, 6), tmp_path / f"flat_{name}"))


def test_a_colour_volume_keeps_its_components(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    volume = read_volume(_written(sitk.GetImageFromArray(rgb, isVector=True), tmp_path / "pet.nrrd"))
    assert volume.is_colour
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), rgb)


def test_a_missing_an_empty_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in _refusal_of(tmp_path / "nowhere.nii.gz")
    (tmp_path / "empty.nrrd").touch()
    assert "empty file" in _refusal_of(tmp_path / "empty.nrrd")
    (tmp_path / "text.nii.gz").write_text("not a volume")
    assert "cannot be read" in _refusal_of(tmp_path / "text.nii.gz")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_file_cut_off_half_way_is_refused_and_never_read_as_black(tmp_path: Path, name: str) -> None:
    path = _written(_an_image(20, 30, 40), tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _refusal_of(path)


def test_sheared_axes_are_refused_without_a_word_from_itk(tmp_path: Path, capfd) -> None:
    path = _written(_an_image(4, 5, 6), tmp_path / "sheared.nii")
    header = bytearray(path.read_bytes())
    # NIfTI-1 header: qform_code 0, sform_code 1, srow_x, srow_y, srow_z.
    header[252:256] = struct.pack("<hh", 0, 1)
    header[280:328] = struct.pack("<12f", 1, 0.3, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    path.write_bytes(header)
    assert "sheared axes" in _refusal_of(path)
    assert capfd.readouterr().err == ""


def test_a_dicom_folder_and_any_of_its_files_give_the_series(tmp_path: Path, write_series) -> None:
    values = write_series(tmp_path / "ct")
    other = "1.2.826.0.1.3680043.2.1125.2"
    for path in (tmp_path / "ct", next((tmp_path / "ct").iterdir())):
        volume = read_volume(path)
        np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), values)
        assert volume.modality_hint == "CT"
    write_series(tmp_path / "ct", series_uid=other, places=(0, 3, 6), prefix="b")
    assert read_volume(next((tmp_path / "ct").glob("b*.dcm"))).image.GetSize() == (6, 8, 3)


def test_every_real_volume_is_read(shared_data) -> None:
    files = [*shared_data.glob("volumes/**/*.nii.gz"), *shared_data.glob("volumes/**/*.mha")]
    assert len(files) > 30
    for file in files[::4]:
        assert read_volume(file).image.GetDimension() == 3
