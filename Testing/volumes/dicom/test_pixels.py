"""Stored values and the voxels that they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRBigEndian, JPEGLSLossless, RLELossless

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.frames import Scale, chosen_scales, dose_scale_of, real_world_of, rescale_of
from CSAFusionLib.volumes.dicom.headers import HeaderError, read_whole
from CSAFusionLib.volumes.dicom.pixels import stored_values
from CSAFusionLib.volumes.dicom.series_reading import read_dicom_folder
from Testing.volumes.dicom.objects import image, item, put_pixels, save, stored, write_classic


def values_of(name: str) -> np.ndarray:
    return stored_values(read_whole(Path(get_testdata_file(name, download=False))))


def written(path: Path, values: np.ndarray, **elements) -> Dataset:
    """A dataset of these voxels, written and read again."""
    dataset = image("7.3", "CT", values.shape[1:3], 1, NumberOfFrames=len(values), **elements)
    put_pixels(dataset, values)
    return read_whole(save(dataset, path))


@pytest.mark.parametrize("kind", ["RLE", "bigendian", "implicit", "expb", "jp2klossless", "jpeg_ls_lossless", "padded"])
def test_one_image_is_the_same_in_every_transfer_syntax(kind: str) -> None:
    np.testing.assert_array_equal(values_of(f"MR_small_{kind}.dcm"), values_of("MR_small.dcm"))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("JPGExtended.dcm", (1, 1024, 256)),
        ("SC_rgb_jpeg_gdcm.dcm", (1, 100, 100, 3)),
        ("examples_ybr_color.dcm", (30, 240, 320, 3)),
        ("examples_palette.dcm", (1, 350, 800, 3)),
        ("image_dfl.dcm", (1, 512, 512)),
    ],
)
def test_12_bits_lossless_jpeg_film_palette_and_deflated_are_decoded(name: str, shape: tuple[int, ...]) -> None:
    values = values_of(name)
    assert values.shape == shape
    assert values.min() < values.max()


@pytest.mark.parametrize("name", ["SC_rgb_rle_16bit_2frame.dcm", "SC_rgb_rle_32bit.dcm"])
def test_rle_colours_of_more_than_8_bits_keep_their_bytes_in_order(name: str) -> None:
    dataset = read_whole(Path(get_testdata_file(name, download=False)))
    np.testing.assert_array_equal(stored_values(dataset), dataset.pixel_array.reshape(stored_values(dataset).shape))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_frames_are_neither_rescaled_nor_inverted(tmp_path: Path, syntax: str) -> None:
    if syntax == JPEGLSLossless:
        pytest.importorskip("jpeg_ls", reason="pyjpegls, which highdicom brings, is not installed")
    dataset = written(
        tmp_path / "a.dcm", stored(), PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=5
    )
    dataset.compress(syntax)
    np.testing.assert_array_equal(stored_values(read_whole(save(dataset, tmp_path / "b.dcm"))), stored())


def test_signed_values_of_12_bits_carry_their_sign_and_other_bits_are_cleared(tmp_path: Path) -> None:
    values = np.arange(-20, 28, dtype=np.int16).reshape(1, 6, 8)
    twelve = {"BitsStored": 12, "HighBit": 11}
    overlay = (values.view(np.uint16) & 0x0FFF) | 0x3000
    found = stored_values(written(tmp_path / "a.dcm", overlay, PixelRepresentation=1, **twelve))
    np.testing.assert_array_equal(found, values)
    found = stored_values(written(tmp_path / "b.dcm", np.uint16(0x3000) + stored(1), **twelve))
    np.testing.assert_array_equal(found, stored(1))


def test_the_bytes_of_big_endian_files_are_turned(tmp_path: Path) -> None:
    dataset = image("7.3", "CT", (6, 8), 1, NumberOfFrames=4)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    put_pixels(dataset, stored().astype(">u2"))
    np.testing.assert_array_equal(stored_values(read_whole(save(dataset, tmp_path / "a.dcm"))), stored())


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"Rows": 7}, "holds 384 bytes of voxels, where its header says 448"),
        ({"Rows": 5}, "holds 384 bytes of voxels, where its header says 320"),
        ({"Columns": 7}, "holds 384 bytes of voxels, where its header says 336"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "where its header says 768"),
        ({"BitsAllocated": 8, "BitsStored": 8}, "where its header says 192"),
        ({"BitsAllocated": 12, "BitsStored": 12}, "12 of 12 bits"),
        ({"BitsStored": 17}, "17 of 16 bits"),
        ({"SamplesPerPixel": 2}, "2 values in each voxel"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "without a palette"),
    ],
)
def test_voxels_that_do_not_fit_their_header_are_refused(tmp_path: Path, elements: dict, said: str) -> None:
    dataset = written(tmp_path / "a.dcm", stored())
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    with pytest.raises(HeaderError, match=said):
        stored_values(read_whole(save(dataset, tmp_path / "b.dcm")))


def test_a_frame_that_claims_a_size_its_data_cannot_have_is_refused(tmp_path: Path) -> None:
    dataset = written(tmp_path / "a.dcm", stored())
    dataset.compress(RLELossless)
    dataset.Rows = dataset.Columns = 60000
    with pytest.raises(HeaderError, match="far too little data"):
        stored_values(read_whole(save(dataset, tmp_path / "b.dcm")))


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


IDENTITY = Scale(1, 0, "US")
BOTH = frozenset({"slope", "intercept"})
MAPPING = Scale(0.5, 3, "real world value")


def test_a_rescale_is_taken_from_slope_and_intercept_or_either() -> None:
    assert rescale_of(item(RescaleSlope=2, RescaleIntercept=-1024)) == Scale(2, -1024, given=BOTH)
    assert rescale_of(item(RescaleIntercept=-1024)) == Scale(1, -1024, given=frozenset({"intercept"}))
    assert rescale_of(item()) is None


@pytest.mark.parametrize("slope", [0, [1, 2]])
def test_a_slope_that_is_none_is_refused(slope: object) -> None:
    with pytest.raises(HeaderError, match="Rescale Slope"):
        rescale_of(item(RescaleSlope=slope, RescaleIntercept=0))


def test_a_table_gives_the_values_of_stored_ones() -> None:
    table = item(LUTDescriptor=[4, 10, 16], LUTData=np.array([0, 5, 20, 80], "<u2").tobytes())
    scale = rescale_of(item(ModalityLUTSequence=[table]))
    np.testing.assert_array_equal(scale.apply(np.array([9, 10, 11, 13, 99], np.uint16)), [0, 0, 5, 80, 80])


def test_a_real_world_mapping_holds_where_the_rescale_says_nothing_in_all_frames() -> None:
    assert chosen_scales([(IDENTITY, MAPPING)] * 2) == [MAPPING] * 2
    assert chosen_scales([(None, MAPPING)]) == [MAPPING]
    assert chosen_scales([(IDENTITY, MAPPING), (Scale(2, 0), MAPPING)]) == [IDENTITY, Scale(2, 0)]
    assert chosen_scales([(Scale(1, 0, "HU"), MAPPING)]) == [Scale(1, 0, "HU")]
    assert chosen_scales([(None, None)]) == [Scale()]


def test_only_a_linear_mapping_is_one() -> None:
    linear = item(RealWorldValueSlope=0.5, RealWorldValueIntercept=3.0)
    assert real_world_of([item(), linear]) == MAPPING
    assert real_world_of([item()]) is None


def test_a_dose_without_a_scale_is_refused() -> None:
    assert dose_scale_of(item(DoseGridScaling=0.001)).slope == 0.001
    with pytest.raises(HeaderError, match="Dose Grid Scaling"):
        dose_scale_of(item())


def test_slices_that_lack_what_others_are_scaled_by_are_refused() -> None:
    whole, half = Scale(1, -1024, given=BOTH), Scale(1, 0, given=frozenset({"slope"}))
    assert chosen_scales([(half, None)] * 2) == [half, half]
    for other in (half, None):
        with pytest.raises(HeaderError, match="lack the rescale slope or intercept of the others"):
            chosen_scales([(whole, None), (other, None)])
