"""PNG pictures, and colours with an opacity."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.pictures import lay_on_black, read_picture, write_picture

GENERATOR = np.random.default_rng(0)


def _write_png(path: Path, array: np.ndarray, colour_type: int, bits: int, palette: bytes = b"", **more: bytes) -> None:
    """A PNG by the letter of its standard, in the colour types that sitk does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + (chunk(b"PLTE", palette) if palette else b"")
    chunks += b"".join(chunk(name.encode(), data) for name, data in more.items())
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3)])
def test_what_is_written_reads_back(tmp_path: Path, shape: tuple) -> None:
    pixels = GENERATOR.integers(0, 256, shape).astype(np.uint8)
    write_picture(pixels, tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), pixels)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("colour_type", [0, 2])
@pytest.mark.parametrize(
    "chunks",
    [
        {},
        {"gAMA": struct.pack(">I", 22_000)},
        {"pHYs": struct.pack(">IIB", 300, 100, 1), "tEXt": b"Title\0A head"},
    ],
)
def test_a_usual_picture_is_the_one_that_itk_reads(tmp_path: Path, colour_type: int, chunks: dict[str, bytes]) -> None:
    pixels = GENERATOR.integers(0, 256, (8, 9, 3) if colour_type else (8, 9)).astype(np.uint8)
    _write_png(tmp_path / "a.png", pixels, colour_type, 8, **chunks)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), pixels)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.png"))), pixels)


def test_a_picture_of_few_significant_bits_is_as_bright_as_it_is_stored(tmp_path: Path) -> None:
    # ITK shifts them down: a picture of 5 significant bits would be black.
    pixels = GENERATOR.integers(0, 256, (8, 9)).astype(np.uint8)
    _write_png(tmp_path / "a.png", pixels, 0, 8, sBIT=b"\x05")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), pixels)


def test_a_transparent_colour_is_laid_on_black(tmp_path: Path) -> None:
    pixels = GENERATOR.integers(1, 256, (8, 9, 3)).astype(np.uint8)
    pixels[2, 3] = 7
    _write_png(tmp_path / "a.png", pixels, 2, 8, tRNS=b"\0\7" * 3)
    pixels[2, 3] = 0
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), pixels)


def test_a_picture_that_ends_early_is_left_to_itk(tmp_path: Path) -> None:
    write_picture(GENERATOR.integers(0, 256, (64, 64)).astype(np.uint8), tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    for length in (20, 40, len(whole) // 2):
        (tmp_path / "b.png").write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot be read as a picture"):
            read_picture(tmp_path / "b.png")


@pytest.mark.parametrize("colour_type", [0, 2])
def test_sixteen_bits_keep_their_values(tmp_path: Path, colour_type: int) -> None:
    pixels = GENERATOR.integers(0, 65536, (8, 9, 3) if colour_type else (8, 9)).astype(np.uint16)
    _write_png(tmp_path / "a.png", pixels, colour_type, 16)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), pixels)


def test_a_palette_is_expanded_to_rgb(tmp_path: Path) -> None:
    palette = GENERATOR.integers(0, 256, (16, 3)).astype(np.uint8)
    indices = GENERATOR.integers(0, 16, (8, 9)).astype(np.uint8)
    _write_png(tmp_path / "a.png", indices, 3, 8, palette.tobytes())
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), palette[indices])


def test_an_opaque_alpha_channel_is_dropped_and_another_laid_on_black(tmp_path: Path) -> None:
    pixels = GENERATOR.integers(0, 256, (8, 9, 4)).astype(np.uint8)
    pixels[..., 3] = 255
    _write_png(tmp_path / "opaque.png", pixels, 6, 8)
    np.testing.assert_array_equal(read_picture(tmp_path / "opaque.png"), pixels[..., :3])
    pixels[..., 3] = 0
    pixels[0, 0] = (200, 100, 50, 51)
    _write_png(tmp_path / "clear.png", pixels, 6, 8)
    clear = read_picture(tmp_path / "clear.png")
    np.testing.assert_array_equal(clear[0, 0], (40, 20, 10))
    assert clear.sum() == 70


def test_a_real_pair_is_read_grey_and_in_colour(shared_data) -> None:
    pair = shared_data / "slices" / "PET-MRI"
    name = sorted(file.name for file in (pair / "PET").iterdir())[0]
    assert read_picture(pair / "PET" / name).shape == (256, 256, 3)
    assert read_picture(pair / "MRI" / name).shape == (256, 256)


def test_what_is_no_picture_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    sitk.WriteImage(sitk.Image([4, 5, 6], sitk.sitkUInt8), str(tmp_path / "volume.nrrd"))
    sitk.WriteImage(sitk.Image([4, 5], sitk.sitkFloat32), str(tmp_path / "float.tif"))
    for name, reason in {
        "missing.png": "does not exist",
        "text.png": "cannot be read as a picture",
        "volume.nrrd": "not a 2-D picture",
        "float.tif": "not a grey or RGB picture of 8 or 16 bits",
    }.items():
        with pytest.raises(InputError, match=reason):
            read_picture(tmp_path / name)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no text")
def test_a_name_that_is_no_text_is_refused_where_itk_has_to_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.png")
    path.write_bytes(b"no picture")
    with pytest.raises(InputError, match="no text"):
        read_picture(path)


def test_another_extension_than_png_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="end it in .png"):
        write_picture(np.zeros((4, 4), np.uint8), tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_opaque_colours_stay_and_transparent_ones_are_black(dtype: type) -> None:
    white = np.iinfo(dtype).max
    voxels = np.random.default_rng(0).integers(0, white, (3, 4, 5, 4)).astype(dtype)
    voxels[..., 3] = white
    voxels[0, 0, 0, 3], voxels[0, 0, 1, 3] = 0, white // 2
    image = sitk.GetImageFromArray(voxels, isVector=True)
    image.SetSpacing((1, 2, 3))
    laid, notes = lay_on_black(image)
    colours = sitk.GetArrayFromImage(laid)
    np.testing.assert_array_equal(colours[1:], voxels[1:, ..., :3])
    np.testing.assert_array_equal(colours[0, 0, 0], (0, 0, 0))
    np.testing.assert_allclose(colours[0, 0, 1], voxels[0, 0, 1, :3] / 2, rtol=0.05, atol=1)
    assert laid.GetSpacing() == (1, 2, 3) and "RGB and opacity" in notes[0]


def test_what_has_no_opacity_is_left_alone() -> None:
    for image in (sitk.Image([2, 2, 2], sitk.sitkVectorUInt8, 3), sitk.Image([2, 2, 2], sitk.sitkVectorFloat32, 4)):
        assert lay_on_black(image) == (image, ())
