"""CSAFusionLib/volumes/dicom/pixels.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRBigEndian, JPEGLSLossless, RLELossless

from CSAFusionLib.volumes.dicom.elements import HeaderError
from CSAFusionLib.volumes.dicom.files import read_whole
from CSAFusionLib.volumes.dicom.pixels import stored_values
from Testing.volumes.dicom.objects import image, put_pixels, save, stored


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
