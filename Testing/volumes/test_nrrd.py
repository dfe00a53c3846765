"""CSAFusionLib/volumes/nrrd.py, against ITK where it reads and the specification where it does not."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.nrrd import read_nrrd
from CSAFusionLib.volumes.stored_volume import NO_ORIENTATION, NO_SPACING, to_image
from Testing.volumes.stored_files import NRRD_TYPES, nrrd, some_voxels

VOXELS = some_voxels()


def _image(path: Path) -> sitk.Image:
    return to_image(read_nrrd(path))[0]


def _refusal_of(path: Path) -> str:
    with pytest.raises(InputError) as refusal:
        to_image(read_nrrd(path))
    assert "'" in str(refusal.value) and str(refusal.value).endswith(".")
    return str(refusal.value)


def _is_itks(path: Path) -> None:
    ours, theirs = _image(path), sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs))
    for ask in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(ours, ask)(), getattr(theirs, ask)(), atol=1e-12)


@pytest.mark.parametrize("dtype", sorted(NRRD_TYPES))
@pytest.mark.parametrize("endian", ["little", "big"])
def test_every_number_type_is_read_in_either_byte_order(tmp_path: Path, dtype: str, endian: str) -> None:
    voxels = some_voxels(dtype)
    data = voxels.astype(("<" if endian == "little" else ">") + dtype).tobytes()
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(_image(nrrd(tmp_path / "a.nrrd", voxels, data=data, endian=endian))), voxels
    )


@pytest.mark.parametrize("space", ["RAS", "LAS", "left-posterior-superior", "right-anterior-superior"])
def test_every_space_is_placed_as_itk_does(tmp_path: Path, space: str) -> None:
    turned = "(0.6,0.8,0) (-0.8,0.6,0) (0,0,3)"
    path = nrrd(tmp_path / "a.nrrd", VOXELS, space=space, space_directions=turned)
    _is_itks(path)
    assert read_nrrd(path).notes == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"space": "scanner-xyz"},
        {"space": "", "space_directions": "", "space_origin": "", "spacings": "0.9 1 3"},
        {"space": "", "space_directions": "", "space_origin": "", "spacings": "0.9 1 3", "axis_mins": "1 2 3"},
    ],
)
def test_a_header_without_orientation_is_placed_as_itk_does_with_a_warning(tmp_path: Path, fields: dict) -> None:
    path = nrrd(tmp_path / "a.nrrd", VOXELS, **fields)
    _is_itks(path)
    assert read_nrrd(path).notes == (NO_ORIENTATION,)


def test_a_header_without_spacing_is_told(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", VOXELS, space="", space_directions="", space_origin="")
    _is_itks(path)
    assert read_nrrd(path).notes == (NO_SPACING, NO_ORIENTATION)
    path = nrrd(tmp_path / "b.nrrd", VOXELS, space="", space_directions="", space_origin="", spacings="0.9 0.9 nan")
    assert read_nrrd(path).notes == (NO_SPACING, NO_ORIENTATION)
    assert _image(path).GetSpacing() == pytest.approx((0.9, 0.9, 1))


def test_lengths_in_metres_become_mm_with_a_warning(tmp_path: Path) -> None:
    units = '"m" "m" "m"'
    stored = read_nrrd(
        nrrd(tmp_path / "a.nrrd", VOXELS, space_directions="(0.001,0,0) (0,1e-3,0) (0,0,.003)", space_units=units)
    )
    np.testing.assert_allclose(np.diag(stored.affine), [1, 1, 3, 1])
    assert "lengths in m," in stored.notes[0]


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("bzip2", bz2.compress)])
def test_compressed_voxels_are_read(tmp_path: Path, encoding: str, encode) -> None:
    path = nrrd(tmp_path / "a.nrrd", VOXELS, data=encode(VOXELS.tobytes()), encoding=encoding)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)


def test_voxels_in_text_are_read(tmp_path: Path) -> None:
    text = " ".join(map(str, VOXELS.ravel())).encode()
    digits = VOXELS.tobytes().hex("\n").encode()
    for fields in ({"data": text, "encoding": "ascii", "endian": ""}, {"data": digits, "encoding": "hex"}):
        path = nrrd(tmp_path / "a.nrrd", VOXELS, **fields)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)


def test_voxels_beside_the_header_are_read(tmp_path: Path) -> None:
    (tmp_path / "all.raw").write_bytes(b"line one\nxyz" + VOXELS.tobytes())
    for skip in ({"line_skip": "1", "byte_skip": "3"}, {"byte_skip": "-1"}):
        path = nrrd(tmp_path / "a.nhdr", VOXELS, data=b"", data_file="all.raw", **skip)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)


def test_voxels_in_a_file_for_each_slice_are_read(tmp_path: Path) -> None:
    for number, one in enumerate(VOXELS):
        (tmp_path / f"s{number + 5:03d}.raw").write_bytes(one.tobytes())
    numbered = nrrd(tmp_path / "a.nhdr", VOXELS, data=b"", data_file="s%03d.raw 5 10 1 2")
    names = "".join(f"s{number + 5:03d}.raw\n" for number in range(6)).encode()
    listed = tmp_path / "b.nhdr"
    nrrd(listed, VOXELS, data=b"")
    listed.write_bytes(listed.read_bytes().rstrip() + b"\ndata file: LIST\n" + names)
    for path in (numbered, listed):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_the_numbers_of_a_voxel_may_lie_along_any_axis(tmp_path: Path, place: int) -> None:
    colours = some_voxels("u1", (6, 8, 10, 3))
    directions = ["(0.9,0,0)", "(0,0.9,0)", "(0,0,3)"]
    kinds = ["domain"] * 3
    directions.insert(place, "none")
    kinds.insert(place, "RGB-color")
    stored = np.moveaxis(colours, -1, 3 - place)
    path = nrrd(tmp_path / "a.nrrd", stored, space_directions=" ".join(directions), kinds=" ".join(kinds))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), colours)


def test_an_axis_of_length_one_is_dropped_and_a_longer_one_is_a_series(tmp_path: Path) -> None:
    four = "(0.9,0,0) (0,0.9,0) (0,0,3) none"
    path = nrrd(tmp_path / "a.nrrd", VOXELS[None], space_directions=four)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)
    path = nrrd(tmp_path / "b.nrrd", VOXELS[None], space="", space_directions="", space_origin="")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)
    series = nrrd(tmp_path / "c.nrrd", some_voxels(shape=(2, 6, 8, 10)), space="", space_directions="", space_origin="")
    assert "series of 2 volumes" in _refusal_of(series)


def test_a_list_of_numbers_is_no_colour(tmp_path: Path) -> None:
    frames = some_voxels("u1", (6, 8, 10, 3))
    path = nrrd(
        tmp_path / "a.nrrd",
        frames,
        space_directions="none (0.9,0,0) (0,0.9,0) (0,0,3)",
        kinds="list domain domain domain",
    )
    assert "calls a 'list'" in _refusal_of(path)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "block"}, "number type that cannot be used ('block')"),
        ({"type": ""}, "number type that cannot be used"),
        ({"encoding": "zrl"}, "encoding that cannot be used ('zrl')"),
        ({"endian": ""}, "does not give its byte order"),
        ({"sizes": "10 8 -6"}, "impossible sizes"),
        ({"sizes": "10 8"}, "impossible sizes"),
        ({"sizes": "10 8 six"}, "no whole numbers in its field 'sizes'"),
        ({"sizes": "10 8 600000000"}, "far too small"),
        ({"space_directions": "(1,0,0) (0,1,0)"}, "as many kinds or directions"),
        ({"space_directions": "(1,0) (0,1) (1,1)"}, "not in space"),
        ({"space_directions": "(1,0,0) (0,x,0) (0,0,1)"}, "no numbers where"),
        ({"space_directions": "(1,0,0) (0,nan,0) (0,0,1)"}, "make no geometry"),
        ({"space_directions": "(1,0,0) (1,0,0) (0,0,1)"}, "make no geometry"),
        ({"space_directions": "", "space": "", "spacings": "1 2"}, "as many spacings"),
        ({"byte_skip": "-5"}, "negative number of bytes"),
        ({"byte_skip": "9" * 20}, "impossible 'byte skip'"),
        ({"line_skip": "99"}, "skips more lines"),
        ({"data_file": "%d.raw 1 0 0"}, "does not name the files"),
        ({"data_file": "gone.raw"}, "gone.raw' does not exist"),
    ],
)
def test_a_header_that_cannot_be_right_is_refused(tmp_path: Path, fields: dict, said: str) -> None:
    assert said in _refusal_of(nrrd(tmp_path / "a.nrrd", VOXELS, **fields))


def test_a_flat_picture_is_refused(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", VOXELS[0], space="", space_directions="", space_origin="")
    assert "2-D image" in _refusal_of(path)
