"""CSAFusionLib/volumes/nifti_orientation.py, against ITK for its choice and nibabel for theirs."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.volumes.nifti import read_nifti
from CSAFusionLib.volumes.nifti_orientation import Orientation
from Testing.volumes.stored_files import nifti, nifti_pair, some_voxels

TURNED = (0.2, -0.3, 0.1, -10.0, 20.0, 30.0)
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
    assert "as asked" in asked.notes[0]


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
