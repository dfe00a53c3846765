"""CSAFusionLib/volumes/dicom/reading.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.reading import read_dicom_file, read_dicom_folder


def _refusal_of(folder: Path) -> str:
    with pytest.raises(InputError) as refusal:
        read_dicom_folder(folder)
    message = str(refusal.value)
    assert folder.name in message
    assert message.endswith(".")
    return message


def test_a_ct_series_is_read_in_hounsfield_units_in_the_order_of_its_positions(tmp_path: Path, write_series) -> None:
    values = write_series(tmp_path / "ct")
    volume = read_dicom_folder(tmp_path / "ct")
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), values)
    assert volume.modality_hint == "CT"
    assert volume.name == "ct"
    assert volume.image.GetSpacing() == pytest.approx((0.5, 0.75, 3))
    assert volume.image.GetOrigin() == pytest.approx((10, 20, 0))


def test_an_oblique_series_keeps_its_directions_and_its_slice_distance_comes_from_positions(
    tmp_path: Path, write_series
) -> None:
    write_series(tmp_path / "mr", oblique=True, modality="MR", places=(0, 4.5, 9))
    volume = read_dicom_folder(tmp_path / "mr")
    assert volume.image.GetSpacing()[2] == pytest.approx(4.5, abs=1e-4)
    np.testing.assert_allclose(volume.image.GetDirection(), (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8), atol=1e-6)
    assert volume.modality_hint == "MR"


def test_every_pet_slice_is_scaled_by_its_own_slope(tmp_path: Path, write_series) -> None:
    values = write_series(tmp_path / "pet", modality="PT", slopes=(1, 0.5, 2.25, 0.125, 3), intercept=0)
    volume = read_dicom_folder(tmp_path / "pet")
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), values)
    assert volume.modality_hint == "PT"


def test_small_rounding_of_the_positions_is_forgiven(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct", places=(0, 3.01, 6, 8.99, 12.02))
    assert read_dicom_folder(tmp_path / "ct").image.GetSpacing()[2] == pytest.approx(3, abs=0.01)


def test_missing_slices_are_counted(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct", places=(0, 3, 6, 15, 18, 21))
    assert "lacks 2 of its slices" in _refusal_of(tmp_path / "ct")


def test_uneven_slices_are_refused_with_their_distances(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct", places=(0, 3, 6, 10, 14))
    assert "slices 3 to 4 mm apart" in _refusal_of(tmp_path / "ct")


def test_several_slices_at_one_position_are_refused(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "perfusion", places=(0, 0, 3, 3, 6, 6))
    assert "holds 2 volumes: 1 (number 1 in" in _refusal_of(tmp_path / "perfusion")


def test_a_tilted_gantry_is_refused_with_its_angle(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct", tilt=np.tan(np.radians(15)))
    assert "tilted gantry (15 degrees)" in _refusal_of(tmp_path / "ct")


def test_a_localizer_of_another_size_or_direction_in_the_series_is_refused(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "sizes")
    write_series(tmp_path / "sizes", places=(50,), size=(4, 4), prefix="b")
    assert "different sizes" in _refusal_of(tmp_path / "sizes")
    write_series(tmp_path / "turns")
    write_series(tmp_path / "turns", places=(50,), oblique=True, prefix="b")
    assert "not parallel" in _refusal_of(tmp_path / "turns")


def test_several_series_are_listed_and_either_can_be_chosen(tmp_path: Path, write_series) -> None:
    folder = tmp_path / "study"
    write_series(folder, description="axial head")
    write_series(folder, description="bone", series_uid="1.2.826.0.1.3680043.2.1125.2", places=(0, 3, 6), prefix="b")
    message = _refusal_of(folder)
    assert "2 DICOM series" in message
    assert "'axial head' (CT, 5 files, e.g. 'a00" in message
    assert "'bone' (CT, 3 files, e.g. 'b00" in message
    assert "give one file of the series you want" in message
    assert read_dicom_file(next(folder.glob("b*.dcm"))).image.GetSize()[2] == 3


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    assert "holds no DICOM series" in _refusal_of(tmp_path)


def test_a_series_of_one_slice_is_a_volume_of_one_slice(tmp_path: Path, write_series) -> None:
    values = write_series(tmp_path / "ct", places=(6,))
    volume = read_dicom_folder(tmp_path / "ct")
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), values)


def test_a_damaged_slice_is_not_left_out_silently(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct")
    victim = sorted((tmp_path / "ct").iterdir())[2]
    victim.write_bytes(victim.read_bytes()[:-40])
    assert "holds 56 bytes of voxels, where its header says 96" in _refusal_of(tmp_path / "ct")
