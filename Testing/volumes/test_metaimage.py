"""CSAFusionLib/volumes/metaimage.py, against ITK where it reads and the documentation where it does not."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.metaimage import is_metaimage, read_metaimage
from CSAFusionLib.volumes.stored_volume import NO_ORIENTATION, NO_SPACING, to_image
from Testing.volumes.stored_files import MET_TYPES, compressed_metaimage, metaimage, some_voxels

VOXELS = some_voxels()


def _image(path: Path) -> sitk.Image:
    return to_image(read_metaimage(path))[0]


def _refusal_of(path: Path) -> str:
    with pytest.raises(InputError) as refusal:
        to_image(read_metaimage(path))
    assert str(refusal.value).endswith(".")
    return str(refusal.value)


@pytest.mark.parametrize("dtype", sorted(MET_TYPES))
@pytest.mark.parametrize("big", [False, True])
def test_every_number_type_is_read_in_either_byte_order(tmp_path: Path, dtype: str, big: bool) -> None:
    voxels = some_voxels(dtype)
    data = voxels.astype((">" if big else "<") + dtype).tobytes()
    path = metaimage(tmp_path / "a.mha", voxels, data=data, BinaryDataByteOrderMSB=str(big))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), voxels)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"TransformMatrix": "0 1 0 0 0 1 1 0 0"},
        {"TransformMatrix": "", "Orientation": "0 1 0 0 0 1 1 0 0", "Offset": "", "Position": "1 2 3"},
        {"TransformMatrix": "", "Rotation": "0 1 0 0 0 1 1 0 0", "Offset": "", "Origin": "1 2 3"},
        {"ElementSpacing": "", "ElementSize": "1 2 3"},
        {"ElementSpacing": "1 2 3", "ElementSize": "4 5 6"},
        {"CenterOfRotation": "5 5 5", "AnatomicalOrientation": "RAS", "ITK_InputFilterName": "MetaImageIO"},
        {"TransformMatrix": "0.8 0.6 0 -0.6 0.8 0 0 0 1"},
        {"ElementType": "MET_LONG"},
        {"ElementType": "MET_ULONG_LONG"},
    ],
)
def test_a_header_is_understood_as_itk_does(tmp_path: Path, fields: dict) -> None:
    width = {"MET_LONG": 2, "MET_ULONG_LONG": 4}.get(fields.get("ElementType", ""), 1)
    path = metaimage(tmp_path / "a.mha", VOXELS, data=VOXELS.tobytes() * width, **fields)
    ours, theirs = _image(path), sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs))
    for ask in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(ours, ask)(), getattr(theirs, ask)(), atol=1e-12)
    assert read_metaimage(path).notes == ()


def test_what_a_header_leaves_open_is_told(tmp_path: Path) -> None:
    open_to_all = metaimage(tmp_path / "a.mha", VOXELS, TransformMatrix="", ElementSpacing="")
    assert read_metaimage(open_to_all).notes == (NO_ORIENTATION, NO_SPACING)
    in_cm = metaimage(tmp_path / "b.mha", VOXELS, DistanceUnits="cm")
    assert read_metaimage(in_cm).affine[2, 2] == 30 and "lengths in cm" in read_metaimage(in_cm).notes[0]
    stretched = metaimage(tmp_path / "c.mha", VOXELS, TransformMatrix="1.1 0 0 0 1 0 0 0 1")
    assert _image(stretched).GetSpacing() == pytest.approx((0.99, 0.9, 3))
    assert "10.0% off length 1" in read_metaimage(stretched).notes[0]


def test_colours_and_compressed_voxels_are_read(tmp_path: Path) -> None:
    colours = some_voxels("u1", (6, 8, 10, 3))
    for path in (metaimage(tmp_path / "a.mha", colours), compressed_metaimage(tmp_path / "b.mha", colours)):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), colours)


def test_voxels_in_text_are_read_and_colons_are_as_good_as_equals(tmp_path: Path) -> None:
    path = metaimage(tmp_path / "a.mha", VOXELS, data=" ".join(map(str, VOXELS.ravel())).encode(), BinaryData="False")
    path.write_bytes(path.read_bytes().replace(b" = ", b": "))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)


@pytest.mark.parametrize("skipped", ["7", "-1"])
def test_voxels_beside_the_header_are_read(tmp_path: Path, skipped: str) -> None:
    (tmp_path / "a.raw").write_bytes(b"skipped" + VOXELS.tobytes())
    path = metaimage(tmp_path / "a.mhd", VOXELS, data=b"", ElementDataFile="a.raw", HeaderSize=skipped)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)


def test_compressed_voxels_beside_the_header_are_read_and_refused_when_cut(tmp_path: Path) -> None:
    stream = zlib.compress(VOXELS.tobytes())
    (tmp_path / "a.zraw").write_bytes(stream)
    path = metaimage(tmp_path / "a.mhd", VOXELS, data=b"", ElementDataFile="a.zraw", CompressedData="True")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)
    (tmp_path / "a.zraw").write_bytes(stream[: len(stream) // 2])
    assert "a.zraw' is cut off" in _refusal_of(path)


def test_voxels_in_a_file_for_each_slice_are_read(tmp_path: Path) -> None:
    for number, one in enumerate(VOXELS):
        (tmp_path / f"s{number + 1}.raw").write_bytes(one.tobytes())
    numbered = metaimage(tmp_path / "a.mhd", VOXELS, data=b"", ElementDataFile="s%d.raw 1 6 1")
    names = "".join(f"s{number + 1}.raw\n" for number in range(6)).encode()
    listed = metaimage(tmp_path / "b.mhd", VOXELS, data=names, ElementDataFile="LIST")
    for path in (numbered, listed):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(_image(path)), VOXELS)


def test_a_fourth_dimension_of_length_one_is_dropped(tmp_path: Path) -> None:
    fields = {
        "NDims": "4",
        "TransformMatrix": "0 1 0 0 1 0 0 0 0 0 1 0 0 0 0 1",
        "Offset": "1 2 3 4",
        "ElementSpacing": "1 2 3 4",
    }
    path = metaimage(tmp_path / "a.mha", VOXELS, DimSize="10 8 6 1", **fields)
    assert _image(path).GetSpacing() == (1, 2, 3)
    assert _image(path).GetDirection() == (0, 1, 0, 1, 0, 0, 0, 0, 1)
    assert "series of 2" in _refusal_of(metaimage(tmp_path / "b.mha", VOXELS, DimSize="10 8 3 2", **fields))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ElementType": "MET_STRING"}, "not a number ('MET_STRING')"),
        ({"ElementType": "MET_OTHER"}, "not a number ('MET_OTHER')"),
        ({"ElementType": "MET_SHORT_ARRAY"}, "not a number"),
        ({"ElementType": ""}, "not a number"),
        ({"DimSize": "10 8 -6"}, "impossible dimensions"),
        ({"DimSize": "10 8"}, "impossible dimensions"),
        ({"DimSize": "10 8 x"}, "no whole numbers in its field 'DimSize'"),
        ({"DimSize": ""}, "damaged MetaImage header"),
        ({"NDims": "2", "DimSize": "10 8"}, "2-D image"),
        ({"DimSize": "10 8 600000000"}, "far too small"),
        ({"TransformMatrix": "1 0 0 0 1 0"}, "6 numbers for its directions, where 9 belong"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "make no geometry"),
        ({"ElementSpacing": "1 0 1"}, "make no geometry"),
        ({"ElementSpacing": "1 nan 1"}, "make no geometry"),
        ({"Offset": "a b c"}, "no numbers in its field 'Offset'"),
        ({"ElementNumberOfChannels": "0"}, "impossible number of channels"),
        ({"HeaderSize": "-7"}, "impossible size"),
        ({"ElementDataFile": "gone.raw"}, "gone.raw' does not exist"),
        ({"ElementDataFile": "%s%n.raw 1 2"}, "does not name the files"),
    ],
)
def test_a_header_that_cannot_be_right_is_refused(tmp_path: Path, fields: dict, said: str) -> None:
    assert said in _refusal_of(metaimage(tmp_path / "a.mha", VOXELS, **fields))


def test_a_metaimage_is_known_by_its_fields() -> None:
    assert is_metaimage(b"NDims = 3\nDimSize = 1 2 3\n")
    assert is_metaimage(b"Comment = made by hand\nObjectType: Image\n")
    assert not is_metaimage(b"NRRD0004\ntype: short\n")
