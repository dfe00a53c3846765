"""CSAFusionLib/volumes/dicom/layouts.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.series import read_dicom_file
from Testing.volumes.dicom.objects import AXIAL, image, put_pixels, save, stored, write_classic


def _dose(path: Path, offsets, **elements) -> Path:
    place = {"ImagePositionPatient": [-20, -30, 5], "ImageOrientationPatient": list(AXIAL), "PixelSpacing": [2, 2.5]}
    scale = {"DoseGridScaling": 0.001, "GridFrameOffsetVector": offsets, "FrameIncrementPointer": 0x3004000C}
    dataset = image("481.2", "RTDOSE", (6, 8), 1, NumberOfFrames=4, **place, **(scale | elements))
    put_pixels(dataset, stored())
    return save(dataset, path)


@pytest.mark.parametrize("offsets", [[0, 3, 6, 9], [5, 8, 11, 14]])
def test_a_dose_is_read_in_its_units_from_relative_or_absolute_places(tmp_path, offsets) -> None:
    volume = read_dicom_file(_dose(tmp_path / "dose.dcm", offsets))
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), stored() * 0.001, rtol=1e-6)
    assert volume.image.GetOrigin() == (-20, -30, 5)
    assert volume.image.GetSpacing() == (2.5, 2, 3)


def test_a_dose_whose_planes_descend_is_turned_with_its_places(tmp_path) -> None:
    volume = read_dicom_file(_dose(tmp_path / "dose.dcm", [0, -3, -6, -9]))
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), stored()[::-1] * 0.001, rtol=1e-6)
    assert volume.image.GetOrigin() == (-20, -30, -4)


def test_a_dose_that_lacks_places_or_scale_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="gives the places of 3 planes of dose and holds 4"):
        read_dicom_file(_dose(tmp_path / "dose.dcm", [0, 3, 6]))
    with pytest.raises(InputError, match="without Dose Grid Scaling"):
        read_dicom_file(_dose(tmp_path / "dose.dcm", [0, 3, 6, 9], DoseGridScaling=None))


def test_a_real_dose_of_pydicom_is_read(tmp_path) -> None:
    dose = read_dicom_file(Path(get_testdata_file("rtdose.dcm", download=False)))
    assert dose.image.GetSize() == (10, 10, 15)
    assert dose.image.GetSpacing() == (10, 10, 5)


def test_a_mosaic_is_refused_by_name(tmp_path) -> None:
    folder = write_classic(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"], modality="MR")
    with pytest.raises(InputError, match="is a mosaic"):
        read_dicom_file(folder / "a000.dcm")


def test_a_film_is_no_volume_and_a_stack_without_groups_is_one(tmp_path) -> None:
    film = image("7.2", "US", (6, 8), 1, NumberOfFrames=4, FrameIncrementPointer=0x00181063)
    put_pixels(film, stored())
    with pytest.raises(InputError, match=r"holds 4 frames \(US\) without a place in space"):
        read_dicom_file(save(film, tmp_path / "film.dcm"))
    film.ImagePositionPatient, film.ImageOrientationPatient = [1, 2, 3], list(AXIAL)
    film.PixelSpacing, film.SpacingBetweenSlices = [1, 1], 2
    film.FrameIncrementPointer = 0x00200032
    volume = read_dicom_file(save(film, tmp_path / "stack.dcm"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), stored())
    assert volume.image.GetSpacing()[2] == 2


def test_what_simpleitk_writes_as_one_file_comes_back(tmp_path) -> None:
    written = sitk.GetImageFromArray((stored() % 251).astype(np.uint8))
    written.SetSpacing((1, 2, 3))
    written.SetOrigin((4, 5, 6))
    written.SetDirection((1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8))
    sitk.WriteImage(written, str(tmp_path / "a.dcm"))
    volume = read_dicom_file(tmp_path / "a.dcm")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(written))
    assert volume.image.GetDirection() == pytest.approx(written.GetDirection())
    assert volume.image.GetOrigin() == pytest.approx((4, 5, 6))
    assert volume.image.GetSpacing() == pytest.approx((1, 2, 3))
