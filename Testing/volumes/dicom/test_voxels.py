"""CSAFusionLib/volumes/dicom/voxels.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.series import read_dicom_folder
from Testing.volumes.dicom.objects import put_pixels, stored, write_classic

RGB = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
BYTES = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}


def voxels(folder) -> np.ndarray:
    return sitk.GetArrayFromImage(read_dicom_folder(folder).image)


def test_monochrome1_keeps_its_values_in_all_slices_or_in_some(tmp_path) -> None:
    all_of_them = {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": 2, "RescaleIntercept": 0}
    np.testing.assert_array_equal(voxels(write_classic(tmp_path / "a", **all_of_them)), stored() * 2)

    def every_other(number, dataset):
        dataset.PhotometricInterpretation = f"MONOCHROME{1 + number % 2}"

    np.testing.assert_array_equal(voxels(write_classic(tmp_path / "b", change=every_other)), stored())


def test_whole_numbers_that_float32_would_round_are_float64(tmp_path) -> None:
    values = stored().astype(np.uint32) * 1_000_003
    wide = {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}
    found = voxels(write_classic(tmp_path, values, **wide))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values)
    assert voxels(write_classic(tmp_path / "16", name="b")).dtype == np.float32


def test_a_padding_value_stays_what_it_is(tmp_path) -> None:
    values = stored().astype(np.int16)
    values[:, 0] = -2000
    folder = write_classic(tmp_path, values, PixelRepresentation=1, RescaleSlope=1, RescaleIntercept=-1024)
    np.testing.assert_array_equal(voxels(folder), values - 1024.0)


def test_colours_stay_as_they_are_and_do_not_mix_with_grey(tmp_path) -> None:
    colours = np.stack([stored() % 256, stored() % 200, stored() % 100], axis=-1).astype(np.uint8)
    folder = write_classic(tmp_path / "pet", colours, **RGB, **BYTES)
    volume = read_dicom_folder(folder)
    assert volume.is_colour
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), colours)

    def grey(number, dataset):
        if number == 2:
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
            put_pixels(dataset, colours[2, ..., 0])

    with pytest.raises(InputError, match="in grey and slices in colour"):
        read_dicom_folder(write_classic(tmp_path / "mixed", colours, change=grey, **RGB, **BYTES))


def test_a_drifting_series_shows_everything_where_it_lies(tmp_path) -> None:
    ramp = np.tile(np.arange(0, 800, 100, dtype=np.uint16), (4, 6, 1))
    positions = [(0.6 * number / 3, 0.0, 60.0 * number) for number in range(4)]
    volume = read_dicom_folder(write_classic(tmp_path, ramp, positions=positions))
    # The ramp rises by 100 each 0.75 mm along x, from each slice's own first voxel.
    place = volume.image.TransformContinuousIndexToPhysicalPoint((4, 3, 3))
    assert sitk.GetArrayFromImage(volume.image)[3, 3, 4] == pytest.approx((place[0] - 0.6) / 0.75 * 100)
    assert volume.notes == ("was straightened: its slices drift sideways by up to 0.6 mm.",)
