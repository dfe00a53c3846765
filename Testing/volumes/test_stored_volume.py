"""The voxels of NIfTI, NRRD and MetaImage files, and which format a file has."""

from __future__ import annotations

import bz2
import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.reading import Format, format_of
from CSAFusionLib.volumes.stored_volume import Encoding, StoredVolume, VoxelData, head_of, read_voxels, to_image
from Testing.volumes.stored_files import metaimage, nifti, nifti_pair, nrrd, some_voxels

COUNT = 50_000
NUMBERS = np.random.default_rng(0).integers(0, 1000, COUNT).astype("<i2")
ENCODERS: dict[str, tuple[Encoding, Callable[[bytes], bytes]]] = {
    "raw": (Encoding.RAW, bytes),
    "zlib": (Encoding.DEFLATE, zlib.compress),
    "gzip": (Encoding.DEFLATE, gzip.compress),
    "bzip2": (Encoding.BZIP2, bz2.compress),
}


def _read(path: Path, encoding: Encoding, count: int = COUNT, **where) -> np.ndarray:
    return read_voxels(VoxelData((path,), encoding, **where), np.dtype("<i2"), count)[0]


@pytest.mark.parametrize("name", ENCODERS)
def test_all_voxels_come_back_from_behind_an_offset(tmp_path: Path, name: str) -> None:
    encoding, encode = ENCODERS[name]
    path = tmp_path / "a"
    path.write_bytes(b"12345" + encode(b"xyz" + NUMBERS.tobytes()))
    np.testing.assert_array_equal(_read(path, encoding, offset=5, skip=3), NUMBERS)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98, 0.99999])
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, name: str, share: float) -> None:
    encoding, encode = ENCODERS[name]
    path = tmp_path / "a"
    whole = encode(NUMBERS.tobytes())
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="cut off before its last voxel"):
        _read(path, encoding)


@pytest.mark.parametrize("name", ["zlib", "gzip", "bzip2"])
def test_every_flipped_bit_is_found_by_the_checksum(tmp_path: Path, name: str) -> None:
    encoding, encode = ENCODERS[name]
    whole = encode(NUMBERS.tobytes())
    path = tmp_path / "a"
    for place in np.random.default_rng(0).integers(12, len(whole), 25):
        content = bytearray(whole)
        content[place] ^= 1 << int(place % 8)
        path.write_bytes(content)
        with pytest.raises(InputError, match="checksum|cut off"):
            _read(path, encoding)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_claim_that_the_file_cannot_hold_is_refused_before_memory_is_taken(tmp_path: Path, name: str) -> None:
    encoding, encode = ENCODERS[name]
    path = tmp_path / "a"
    path.write_bytes(encode(NUMBERS.tobytes()))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"far too small .* for the voxels that its header claims \(1,907,348.6 MiB\)"):
        _read(path, encoding, count=10**12)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_a_stream_shorter_than_the_claim_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(zlib.compress(NUMBERS.tobytes()))
    with pytest.raises(InputError, match="cut off"):
        _read(path, Encoding.DEFLATE, count=COUNT + 1)


def test_gzip_streams_in_a_row_are_one_and_padding_behind_them_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    content = NUMBERS.tobytes()
    path.write_bytes(gzip.compress(content[:777]) + gzip.compress(content[777:]) + bytes(512))
    np.testing.assert_array_equal(_read(path, Encoding.DEFLATE), NUMBERS)


def test_what_compresses_well_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(4 * 10**6)))
    assert not _read(path, Encoding.DEFLATE, count=2 * 10**6).any()


@pytest.mark.parametrize("name", ENCODERS)
def test_what_is_left_over_is_counted(tmp_path: Path, name: str) -> None:
    encoding, encode = ENCODERS[name]
    path = tmp_path / "a"
    path.write_bytes(encode(NUMBERS.tobytes()))
    _, surplus = read_voxels(VoxelData((path,), encoding), np.dtype("<i2"), COUNT - 30)
    assert surplus == 60


def test_the_last_bytes_are_found_without_knowing_what_comes_before(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"header of unknown length" + NUMBERS.tobytes())
    np.testing.assert_array_equal(_read(path, Encoding.RAW, offset=None), NUMBERS)


def test_several_files_hold_equal_shares(tmp_path: Path) -> None:
    paths = tmp_path / "a", tmp_path / "b"
    for path, half in zip(paths, np.split(NUMBERS, 2), strict=True):
        path.write_bytes(half.tobytes())
    np.testing.assert_array_equal(read_voxels(VoxelData(paths), np.dtype("<i2"), COUNT)[0], NUMBERS)
    with pytest.raises(InputError, match="do not make up"):
        read_voxels(VoxelData(paths), np.dtype("<i2"), COUNT - 1)


@pytest.mark.parametrize(("text", "said"), [(b"1 2 x", "no number"), (b"1 2", "cut off"), (b"1 2 99999", "do not fit")])
def test_text_that_is_no_list_of_the_numbers_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(text)
    with pytest.raises(InputError, match=said):
        _read(path, Encoding.TEXT, count=3)


def test_voxels_in_a_pipe_are_never_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes among its files")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe or a device"):
        _read(tmp_path / "pipe", Encoding.RAW)


def test_the_head_of_a_file_is_read_through_gzip_and_never_raises(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content, head in (
        (NUMBERS.tobytes(), NUMBERS.tobytes()[:99]),
        (gzip.compress(NUMBERS.tobytes()), NUMBERS.tobytes()[:99]),
        (gzip.compress(NUMBERS.tobytes()[:9]) + gzip.compress(NUMBERS.tobytes()[9:]), NUMBERS.tobytes()[:99]),
        (b"\x1f\x8b nothing of gzip", b""),
        (b"", b""),
    ):
        path.write_bytes(content)
        assert head_of(path, 99) == head


VOXELS = np.random.default_rng(0).integers(-9, 99, (4, 5, 6)).astype("<i2")
AFFINE = np.array([[0, 0, 3.0, 1], [-0.5, 0, 0, 2], [0, 2, 0, 3], [0, 0, 0, 1]])


@pytest.fixture
def stored(tmp_path: Path) -> StoredVolume:
    (tmp_path / "a.raw").write_bytes(VOXELS.tobytes())
    return StoredVolume(tmp_path / "a.hdr", (6, 5, 4), VOXELS.dtype, AFFINE, VoxelData((tmp_path / "a.raw",)))


def test_a_voxel_lies_where_the_matrix_puts_it(stored: StoredVolume) -> None:
    image, notes = to_image(stored)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), VOXELS)
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((3, 1, 2)), (AFFINE @ (3, 1, 2, 1))[:3])
    assert image.GetSpacing() == (0.5, 2, 3) and notes == ()


def test_a_direction_as_good_as_zero_is_zero_and_itk_says_nothing_of_it(stored: StoredVolume, capfd) -> None:
    tiny = AFFINE.copy()
    tiny[0, 0] = 1e-308
    image, _ = to_image(replace(stored, affine=tiny))
    image.TransformPhysicalPointToContinuousIndex((1, 2, 3))
    assert image.GetDirection()[0] == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("dtype", "scaled"), [("<i2", "f4"), ("<f4", "f4"), ("<i4", "f8"), ("<f8", "f8")])
def test_scaled_values_keep_as_many_digits_as_their_numbers_have(stored: StoredVolume, dtype: str, scaled: str) -> None:
    numbers = VOXELS.astype(dtype)
    stored.data.files[0].write_bytes(numbers.tobytes())
    image, _ = to_image(replace(stored, number_type=np.dtype(dtype), scaling=(0.1, -3)))
    voxels = sitk.GetArrayFromImage(image)
    assert voxels.dtype == np.dtype(scaled)
    np.testing.assert_allclose(voxels, (numbers.astype(float) * 0.1 - 3).astype(scaled), rtol=0)


def test_what_a_wrong_size_leaves_over_is_told_and_padding_is_not(stored: StoredVolume) -> None:
    (_, notes), (_, few) = to_image(replace(stored, size=(6, 5, 3))), to_image(replace(stored, size=(6, 5, 4)))
    assert "holds 60 bytes more than its header says" in notes[0] and few == ()
    stored.data.files[0].write_bytes(VOXELS.tobytes() + bytes(20))
    assert to_image(stored)[1] == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_matrix_without_a_geometry_is_refused_before_voxels_are_read(stored: StoredVolume, value: float) -> None:
    stored.data.files[0].unlink()
    broken = AFFINE.copy()
    broken[1, 0] = value
    with pytest.raises(InputError, match="make no geometry"):
        to_image(replace(stored, affine=broken))


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
        ("a.mnc", b"CDF\x01rest", "is a MINC file, which is not supported"),
        ("a.mnc", b"\x89HDF\r\n\x1a\nrest", "HDF5 or MINC file"),
        ("a.nii", b"CDF\x01rest", "MINC"),
        ("a.mgz", gzip.compress(b"\0\0\0\1"), "FreeSurfer MGH file"),
        ("a.raw", b"bare", "is a file of bare voxels, which is not supported; give the header"),
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
