"""Writing volumes, whole or not at all, compressed by several threads."""

from __future__ import annotations

import gzip
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, InputError
from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.volumes import writing
from CSAFusionLib.volumes.writing import (
    GZIP,
    ZLIB,
    Layout,
    check_output_path,
    deflated,
    encode,
    volume_writer,
    write_volume,
)


def _an_image(slices: int = 3) -> sitk.Image:
    shape = (slices, 4 + slices - 3, 5 + slices - 3)
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=shape).astype(np.float32))
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


def test_an_image_the_format_cannot_hold_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="could not be written"):
        write_volume(sitk.Image([2, 2, 2], sitk.sitkLabelUInt8), tmp_path / "a.nii")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9999])
def test_a_disk_that_fills_up_is_told_and_the_old_file_stays(
    tmp_path: Path, limited_files: Callable[[int], AbstractContextManager], extension: str, share: float
) -> None:
    image, path = _an_image(40), tmp_path / f"fused{extension}"
    write_volume(image, path)
    size = path.stat().st_size
    path.write_text("the good old one")
    with limited_files(int(size * share)), pytest.raises(InputError, match=rf"^'{path}' could not be written: "):
        write_volume(image, path)
    assert path.read_text() == "the good old one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("damage", ["cut", "longer", "flipped", "zeros"])
def test_a_disk_that_keeps_something_else_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str, damage: str
) -> None:
    def damaging(image: sitk.Image, layout: Layout, file: Path, on_chunk: Callable[[], None]) -> int:
        checksum = encode(image, layout, file, on_chunk)
        content = bytearray(file.read_bytes())
        if damage == "cut":
            del content[-1]
        elif damage == "longer":
            content += b"more"
        elif damage == "flipped":
            content[-9000] ^= 1
        else:
            content[-9000:] = bytes(9000)
        file.write_bytes(content)
        return checksum

    monkeypatch.setattr(writing, "encode", damaging)
    with pytest.raises(InputError, match="the disk does not keep it whole"):
        write_volume(_an_image(40), tmp_path / f"fused{extension}")
    assert list(tmp_path.iterdir()) == []


def test_a_volume_that_nifti_would_put_elsewhere_is_not_written_so(tmp_path: Path) -> None:
    image = _an_image()
    image.SetDirection((1, 0.28, 0, 0, 0.96, 0, 0, 0, 1))
    for name in ("a.nii", "a.nii.gz"):
        with pytest.raises(InputError, match=rf"{name}' could not be written: "):
            write_volume(image, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    write_volume(image, tmp_path / "a.nrrd")
    assert sitk.ReadImage(str(tmp_path / "a.nrrd")).GetDirection() == pytest.approx(image.GetDirection())


def test_positions_far_from_the_centre_are_as_fine_as_nifti_can(tmp_path: Path) -> None:
    image = _an_image()
    image.SetOrigin((12345.678, -54321.987, 1))
    write_volume(image, tmp_path / "a.nii.gz")
    assert sitk.ReadImage(str(tmp_path / "a.nii.gz")).GetOrigin() == pytest.approx(image.GetOrigin(), abs=0.01)


def test_writing_can_be_stopped_in_the_midst_of_a_volume(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((60, 128, 128), dtype=np.float32))
    calls: list[int] = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Cancelled

    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.mha"):
        calls.clear()
        with pytest.raises(Cancelled):
            atomic_write({tmp_path / name: volume_writer(image, stop)})
    assert list(tmp_path.iterdir()) == []


def test_a_header_field_that_would_break_the_header_is_left_out(tmp_path: Path) -> None:
    image = _an_image()
    image.SetMetaData("note", "DimSize = 1 1 1\nElementDataFile = LOCAL\n")
    image.SetMetaData("kept", "yes")
    for name in ("a.nrrd", "a.mha"):
        write_volume(image, tmp_path / name)
        back = sitk.ReadImage(str(tmp_path / name))
        assert back.GetMetaData("kept") == "yes" and not back.HasMetaDataKey("note")


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    target, plain = tmp_path / "a.nrrd", tmp_path / "plain"
    plain.write_text("")
    write_volume(_an_image(), target)
    assert target.stat().st_mode == plain.stat().st_mode
    target.chmod(0o640)
    write_volume(_an_image(), target)
    assert target.stat().st_mode & 0o777 == (0o666 if sys.platform == "win32" else 0o640)


WHOLE = np.random.default_rng(0).poisson(3, 700_000).astype("<i2").tobytes()
PIECES = [WHOLE[start : start + 2**17] for start in range(0, len(WHOLE), 2**17)]


@pytest.fixture(autouse=True)
def _as_many_threads_as_before() -> Iterator[None]:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    yield
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def stream(kind: int, threads: int, pieces: list[bytes] = PIECES) -> bytes:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    return b"".join(deflated(pieces, kind, level=4, strategy=zlib.Z_DEFAULT_STRATEGY))


@pytest.mark.parametrize("threads", [1, 3])
def test_others_read_what_was_compressed_as_one_stream(threads: int) -> None:
    assert gzip.decompress(stream(GZIP, threads)) == zlib.decompress(stream(ZLIB, threads)) == WHOLE
    one = zlib.decompressobj(GZIP)
    assert one.decompress(stream(GZIP, threads)) == WHOLE and one.eof and not one.unused_data


@pytest.mark.parametrize("kind", [GZIP, ZLIB])
def test_no_byte_depends_on_the_number_of_threads_and_few_are_lost_to_it(kind: int) -> None:
    alone = zlib.compressobj(4, wbits=kind)
    assert stream(kind, 1) == stream(kind, 4)
    assert len(stream(kind, 1)) < 1.005 * len(alone.compress(WHOLE) + alone.flush())


def test_nothing_is_a_stream_too() -> None:
    assert gzip.decompress(stream(GZIP, 2, [])) == b"" == zlib.decompress(stream(ZLIB, 2, []))


def test_no_more_is_taken_than_keeps_the_threads_busy_and_none_stays_when_it_is_stopped() -> None:
    taken: list[int] = []
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
    pieces = (taken.append(number) or bytes(10) for number in range(100))
    parts = deflated(pieces, GZIP, level=4, strategy=zlib.Z_DEFAULT_STRATEGY)
    next(parts), next(parts)
    assert len(taken) <= 6
    parts.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("deflate")]
