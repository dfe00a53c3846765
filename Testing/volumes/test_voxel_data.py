"""CSAFusionLib/volumes/voxel_data.py."""

from __future__ import annotations

import bz2
import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.voxel_data import Encoding, VoxelData, head_of, read_voxels

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
