"""NIfTI and Analyze files, and where their headers put a volume."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.volumes.nifti import Orientation, read_nifti
from CSAFusionLib.volumes.stored_volume import to_image
from Testing.volumes.stored_files import CODES, nifti, nifti_header, nifti_pair, some_voxels

TURNED = (0.2, -0.3, 0.1, -10.0, 20.0, 30.0)


def _voxels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(to_image(read_nifti(path))[0])


def _refusal_of(path: Path) -> str:
    with pytest.raises(InputError) as refusal:
        to_image(read_nifti(path))
    assert f"'{path}'" in str(refusal.value) and str(refusal.value).endswith(".")
    return str(refusal.value)


@pytest.mark.parametrize("dtype", sorted(CODES))
@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_number_type_of_both_versions_and_byte_orders_is_read_as_nibabel_does(
    tmp_path: Path, dtype: str, second: bool, order: str
) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels(dtype), second=second, order=order, codes=(1, 0), quaternion=TURNED)
    stored = read_nifti(path)
    there = nibabel.load(path)
    np.testing.assert_array_equal(_voxels(path), np.asarray(there.dataobj).T)
    np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ stored.affine, there.affine, atol=1e-5)
    assert stored.notes == ()


@pytest.mark.parametrize("qfac", [1, -1])
def test_the_qform_is_nibabels_for_either_handedness(tmp_path: Path, qfac: int) -> None:
    pixdim = (qfac, 0.5, 0.7, 2.0)
    path = nifti(tmp_path / "a.nii", some_voxels(), codes=(1, 0), quaternion=TURNED, pixdim=pixdim)
    there = nibabel.load(path).affine
    np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ read_nifti(path).affine, there, atol=1e-5)


@pytest.mark.parametrize("scaling", [(2.5, -1024.0), (0.0, 7.0), (float("nan"), 7.0), (1.0, 0.0)])
def test_values_are_scaled_as_nibabel_does_and_a_slope_of_zero_is_none(
    tmp_path: Path, scaling: tuple[float, float]
) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels(), scaling=scaling)
    np.testing.assert_allclose(_voxels(path), nibabel.load(path).get_fdata().T)


def test_lengths_in_metres_and_micrometres_become_mm(tmp_path: Path) -> None:
    for units, factor in ((1, 1000), (3, 0.001)):
        path = nifti(tmp_path / "a.nii", some_voxels(), units=units)
        assert read_nifti(path).affine[2, 2] == pytest.approx(3 * factor)


def test_not_a_number_stays_one_until_the_common_rule_fills_it(tmp_path: Path) -> None:
    voxels = some_voxels("f4")
    voxels[0, 0, :3] = np.nan, np.inf, -np.inf
    read = _voxels(nifti(tmp_path / "a.nii", voxels))
    assert np.isfinite(read).sum() == voxels.size - 3 and np.isnan(read[0, 0, 0])


@pytest.mark.parametrize("extension", [".hdr", ".img"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_pair_is_read_by_either_of_its_files(tmp_path: Path, extension: str, zipped: bool) -> None:
    voxels = some_voxels()
    nifti_pair(tmp_path, voxels)
    if zipped:
        image = tmp_path / "a.img"
        (tmp_path / "a.img.gz").write_bytes(gzip.compress(image.read_bytes()))
        image.unlink()
        extension = extension.replace(".img", ".img.gz")
    np.testing.assert_array_equal(_voxels(tmp_path / f"a{extension}"), voxels)


@pytest.mark.parametrize("missing", [".hdr", ".img"])
def test_half_a_pair_is_told_what_it_lacks(tmp_path: Path, missing: str) -> None:
    nifti_pair(tmp_path, some_voxels())
    (tmp_path / f"a{missing}").unlink()
    assert f"lacks the {missing} file" in _refusal_of(tmp_path / f"a{'.img' if missing == '.hdr' else '.hdr'}")


def test_voxels_lie_where_the_header_says_but_never_in_the_header(tmp_path: Path) -> None:
    voxels = some_voxels()
    moved = nifti_header((10, 8, 6), offset=400) + bytes(48) + voxels.tobytes()
    (tmp_path / "far.nii").write_bytes(moved)
    np.testing.assert_array_equal(_voxels(tmp_path / "far.nii"), voxels)
    np.testing.assert_array_equal(_voxels(nifti(tmp_path / "zero.nii", voxels, offset=0)), voxels)


@pytest.mark.parametrize(("code", "bits", "count"), [(128, 24, 3), (2304, 32, 4)])
def test_the_colour_types_keep_a_voxels_numbers_together(tmp_path: Path, code: int, bits: int, count: int) -> None:
    colours = some_voxels("u1", (6, 8, 10, count))
    (tmp_path / "a.nii").write_bytes(nifti_header((10, 8, 6), code=code, bits=bits) + colours.tobytes())
    np.testing.assert_array_equal(_voxels(tmp_path / "a.nii"), colours)


def test_numbers_along_the_fifth_dimension_belong_to_one_voxel(tmp_path: Path) -> None:
    colours = some_voxels("u1", (6, 8, 10, 3))
    planes = np.moveaxis(colours, -1, 0)
    head = nifti_header((10, 8, 6, 1, 3), code=2, bits=8)
    (tmp_path / "a.nii").write_bytes(head + planes.tobytes())
    np.testing.assert_array_equal(_voxels(tmp_path / "a.nii"), colours)


def test_what_simpleitk_writes_is_read_as_it_was(tmp_path: Path) -> None:
    colours = sitk.GetImageFromArray(some_voxels("u1", (6, 8, 10, 3)), isVector=True)
    sitk.WriteImage(colours, str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(_voxels(tmp_path / "a.nii.gz"), sitk.GetArrayFromImage(colours))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"code": 32, "bits": 64}, "complex numbers"),
        ({"code": 1, "bits": 1}, "single bits"),
        ({"code": 1536, "bits": 128}, "128-bit floats"),
        ({"code": 7777}, "unknown number type (7777)"),
        ({"bits": 32}, "contradicts itself (32 bits"),
        ({"intent": 1006}, "displacements"),
        ({"offset": float("nan")}, "impossible offset"),
        ({"offset": -8}, "impossible offset"),
        ({"pixdim": (1, 0, 0.9, 3), "codes": (1, 0)}, "make no geometry"),
        ({"pixdim": (1, float("nan"), 0.9, 3), "codes": (0, 0)}, "make no geometry"),
        ({"quaternion": (0, 0, float("nan"), 0, 0, 0), "codes": (1, 0)}, "make no geometry"),
        ({"rows": np.zeros((3, 4))}, "make no geometry"),
    ],
)
def test_a_header_that_cannot_be_right_is_refused(tmp_path: Path, fields: dict, said: str) -> None:
    assert said in _refusal_of(nifti(tmp_path / "a.nii", some_voxels(), **fields))


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        ([3, 10, 8, -6], "impossible dimensions"),
        ([3, 10, 0, 6], "impossible dimensions"),
        ([9, 10, 8, 6], "impossible dimensions"),
        ([0, 10, 8, 6], "impossible dimensions"),
        ([2, 10, 8, 1], "2-D image"),
        ([4, 10, 8, 3, 2], "series of 2 volumes (4-D)"),
        ([3, 32000, 32000, 32000], "far too small"),
    ],
)
def test_lengths_that_cannot_be_right_are_refused(tmp_path: Path, lengths: list[int], said: str) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels())
    content = bytearray(path.read_bytes())
    struct.pack_into(f"<{len(lengths)}h", content, 40, *lengths)
    path.write_bytes(content)
    assert said in _refusal_of(path)


def test_a_length_of_zero_beyond_the_third_is_none(tmp_path: Path) -> None:
    path = nifti_pair(tmp_path, some_voxels(), magic=bytes(4))
    content = bytearray(path.read_bytes())
    struct.pack_into("<5h", content, 40, 4, 10, 8, 6, 0)
    path.write_bytes(content)
    np.testing.assert_array_equal(_voxels(path), some_voxels())


def test_a_single_slice_needs_no_thickness(tmp_path: Path) -> None:
    stored = read_nifti(nifti(tmp_path / "a.nii", some_voxels(shape=(1, 8, 10)), codes=(1, 0), pixdim=(1, 2, 2, 0)))
    assert np.linalg.norm(stored.affine[:3, 2]) == 1


def test_analyze_is_scaled_by_spms_factor_as_nibabel_does(tmp_path: Path) -> None:
    path = nifti_pair(tmp_path, some_voxels(), magic=bytes(4), scaling=(0.5, 0))
    np.testing.assert_allclose(_voxels(path), nibabel.load(path).get_fdata().T)


def test_each_orientation_can_be_asked_for(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels(), codes=(1, 2), quaternion=TURNED)
    there = nibabel.load(path)
    flip = np.diag([-1, -1, 1, 1])
    for asked, affine in (
        (Orientation.HEADER, there.get_qform()),
        (Orientation.QFORM, there.get_qform()),
        (Orientation.SFORM, there.get_sform()),
        (Orientation.NIBABEL, there.affine),
    ):
        np.testing.assert_allclose(flip @ read_nifti(path, asked).affine, affine, atol=1e-5)


STRAIGHT = np.array([[-0.9, 0, 0, 10], [0, 0.9, 0, 20], [0, 0, 3.0, 30]])
FLIP = np.diag([-1, -1, 1, 1])


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (0, 4), (1, 1), (1, 2), (2, 1), (1, 4), (4, 4), (2, 3)])
@pytest.mark.parametrize("pixdim", [(1, 0.9, 0.9, 3.0), (-1, 0.9, 0.9, 3.0)])
def test_the_choice_between_the_forms_is_itks(tmp_path: Path, codes: tuple[int, int], pixdim: tuple) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels(), codes=codes, quaternion=TURNED, rows=STRAIGHT, pixdim=pixdim)
    there = ijk_to_ras(sitk.ReadImage(str(path)))
    np.testing.assert_allclose(FLIP @ read_nifti(path).affine, there, atol=1e-4)


@pytest.mark.parametrize(("codes", "used", "other"), [((1, 2), "qform", "sform"), ((1, 1), "sform", "qform")])
def test_forms_that_differ_are_told_with_the_distance_and_the_one_that_is_used(
    tmp_path: Path, codes: tuple[int, int], used: str, other: str
) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels(), codes=codes, quaternion=TURNED, rows=STRAIGHT)
    there = nibabel.load(path)
    corners = np.array(np.meshgrid((0, 9), (0, 7), (0, 5), (1,))).reshape(4, -1)
    apart = np.linalg.norm((there.get_qform() - there.get_sform()) @ corners, axis=0).max()
    (note,) = read_nifti(path).notes
    assert f"differ by up to {apart:.1f} mm; the {used} is used" in note
    assert f"--orientation-from {other}" in note


def test_forms_that_agree_are_not_mentioned(tmp_path: Path) -> None:
    rows = FLIP[:3, :3] @ np.diag([0.9, 0.9, 3.0])
    half_turn = (0.0, 0.0, 1.0, 0.0, 0.0, 0.04)
    path = nifti(tmp_path / "a.nii", some_voxels(), codes=(1, 2), quaternion=half_turn, rows=np.c_[rows, np.zeros(3)])
    assert read_nifti(path).notes == ()


def test_an_sform_of_another_scale_than_pixdim_is_told(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels(), codes=(0, 1), rows=2 * STRAIGHT)
    stored = read_nifti(path)
    np.testing.assert_allclose(FLIP @ stored.affine, nibabel.load(path).affine, atol=1e-5)
    assert "1.8 x 1.8 x 6 mm by its sform, which is used, and 0.9 x 0.9 x 3 by pixdim" in stored.notes[0]


def test_an_sform_that_is_no_matrix_does_not_spoil_a_good_qform(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels(), codes=(1, 1), quaternion=TURNED, rows=STRAIGHT * np.nan)
    np.testing.assert_allclose(FLIP @ read_nifti(path).affine, nibabel.load(path).get_qform(), atol=1e-5)


def test_a_header_without_orientation_is_placed_as_itk_does_with_a_warning_and_as_nibabel_does_when_asked(
    tmp_path: Path,
) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels(), codes=(0, 0))
    stored = read_nifti(path)
    np.testing.assert_allclose(FLIP @ stored.affine, ijk_to_ras(sitk.ReadImage(str(path))), atol=1e-5)
    assert "holds no orientation (both codes are 0)" in stored.notes[0] and "nibabel" in stored.notes[0]
    asked = read_nifti(path, Orientation.NIBABEL)
    np.testing.assert_allclose(FLIP @ asked.affine, nibabel.load(path).affine, atol=1e-5)
    assert "as requested" in asked.notes[0]


@pytest.mark.parametrize("origin", [(0, 0, 0), (4, 3, 2)])
def test_analyze_is_placed_as_itk_does_with_a_warning_and_as_nibabel_does_when_asked(
    tmp_path: Path, origin: tuple[int, int, int]
) -> None:
    path = nifti_pair(tmp_path, some_voxels(), magic=bytes(4))
    content = bytearray(path.read_bytes())
    content[253:259] = np.array(origin, "<i2").tobytes()
    path.write_bytes(content)
    stored = read_nifti(path)
    np.testing.assert_allclose(stored.affine, np.diag([0.9, 0.9, 3, 1]), atol=1e-6)
    assert "is an Analyze file, which holds no orientation" in stored.notes[0]
    asked = FLIP @ read_nifti(path, Orientation.NIBABEL).affine
    np.testing.assert_allclose(asked, nibabel.load(path).affine, atol=1e-5)


@pytest.mark.parametrize(
    ("codes", "asked"), [((0, 1), Orientation.QFORM), ((1, 0), Orientation.SFORM), ((0, 0), Orientation.SFORM)]
)
def test_a_form_that_is_asked_for_and_not_there_is_refused(tmp_path: Path, codes: tuple, asked: Orientation) -> None:
    path = nifti(tmp_path / "a.nii", some_voxels(), codes=codes)
    with pytest.raises(InputError, match=f"has no {asked.name.lower()}"):
        read_nifti(path, asked)
