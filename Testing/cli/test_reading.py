"""CSAFusionLib/cli/reading.py: how both inputs are read; what --volume means is tested with the DICOM files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.cli.reading import read_inputs
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.nifti_orientation import Orientation
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
