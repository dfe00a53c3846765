"""CSAFusionLib/cli/reading.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.cli.options import read_inputs
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.nifti_orientation import Orientation
from Testing.volumes.dicom.objects import PLACES, stored, write_classic, write_enhanced
from Testing.volumes.stored_files import nifti, some_voxels

SHEARED = np.array([[0.9, 0.3, 0, 0], [0, 0.9, 0, 0], [0, 0, 3.0, 0]])


@pytest.mark.parametrize("choice", [None, "1", "1,1"])
def test_both_are_placed_by_one_orientation_and_only_the_moving_one_may_be_sheared(
    tmp_path: Path, choice: str | None
) -> None:
    straight = nifti(tmp_path / "a.nii", some_voxels(), codes=(0, 0))
    sheared = nifti(tmp_path / "b.nii", some_voxels(), rows=SHEARED)
    fixed, moving = read_inputs(straight, sheared, choice, orientation=Orientation.NIBABEL)
    assert "as asked" in fixed.notes[0] and "as asked" in moving.notes[0] and "sheared" in moving.notes[1]
    with pytest.raises(InputError, match="sheared axes"):
        read_inputs(sheared, straight, choice)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A series of one volume."""
    return write_classic(tmp_path / "one")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A file of two volumes."""
    return write_enhanced(tmp_path / "two.dcm", stored(8), positions=PLACES * 2)


def first_voxels(volumes) -> list[int]:
    return [int(np.min(sitk.GetArrayFromImage(volume.image))) for volume in volumes]


FIRST, SECOND = int(stored(8)[0].min()), int(stored(8)[4].min())


def test_one_number_is_for_the_input_that_holds_several_volumes(one: Path, two: Path) -> None:
    assert first_voxels(read_inputs(one, two, "2")) == [FIRST, SECOND]
    assert first_voxels(read_inputs(two, one, "2")) == [SECOND, FIRST]


def test_two_numbers_are_for_the_fixed_and_the_moving_input(one: Path, two: Path) -> None:
    assert first_voxels(read_inputs(two, two, "2, 1")) == [SECOND, FIRST]
    assert first_voxels(read_inputs(one, two, "1,2")) == [FIRST, SECOND]
    assert first_voxels(read_inputs(one, one, "1")) == [FIRST, FIRST]
    assert first_voxels(read_inputs(one, one, None)) == [FIRST, FIRST]


def test_a_choice_that_does_not_say_which_is_refused(one: Path, two: Path) -> None:
    for fixed, moving, choice, said in (
        (one, two, None, "holds 2 volumes"),
        (two, two, "2", "Both inputs hold several volumes"),
        (one, one, "2", "Neither input holds several volumes"),
        (one, two, "3", "there is no volume 3"),
        (one, two, "2,2", "holds 1 volume, so there is no volume 2"),
        (one, two, "x", "--volume must be a number"),
        (one, two, "-1", "--volume must be a number"),
        (one, two, "1,2,3", "--volume must be a number"),
    ):
        with pytest.raises(InputError, match=said):
            read_inputs(fixed, moving, choice)
