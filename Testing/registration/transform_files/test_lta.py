"""CSAFusionLib/registration/foreign_transforms.py."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.geometry.transform_algebra import affine_of
from CSAFusionLib.registration.foreign_transforms import Frames, Unusable, is_lta, read_lta

# Written by FreeSurfer's own library for Python, surfa 0.6.3.
VOXELS_TO_VOXELS = """\
type      = 0 # LINEAR_VOX_TO_VOX
nxforms   = 1
mean      = 0.0000 0.0000 0.0000
sigma     = 1.0000
1 4 4
-7.419434909342456e-01 1.461802844420639e-01 2.090569209444979e-03 2.104407914257135e+01
1.461802761648174e-01 1.319010624520931e+00 2.652058280354466e-02 -5.008030121614877e+00
-1.144853949546814e-03 -7.853017807006837e-03 8.240000000000001e-01 2.635999999999999e+00
0.000000000000000e+00 0.000000000000000e+00 0.000000000000000e+00 1.000000000000000e+00
src volume info
valid = 1
filename = none
volume = 25 18 21
voxelsize = 3.000000000000000e+00 4.000000000000000e+00 4.000000000000000e+00
xras   = -9.816271857014123e-01 1.908089837820156e-01 0.000000000000000e+00
yras   = 1.908089837820156e-01 9.816271857014121e-01 0.000000000000000e+00
zras   = 0.000000000000000e+00 0.000000000000000e+00 1.000000000000000e+00
cras   = 5.058102905750275e+00 4.493917316198349e+00 2.000000000000000e+00
dst volume info
valid = 1
filename = none
volume = 20 22 19
voxelsize = 4.000000000000000e+00 3.000000000000000e+00 5.000000000000000e+00
xras   = 9.945218954774298e-01 1.045284622291005e-01 0.000000000000000e+00
yras   = -1.045284622291005e-01 9.945218954774296e-01 0.000000000000000e+00
zras   = 0.000000000000000e+00 0.000000000000000e+00 1.000000000000000e+00
cras   = -3.668562769889832e+00 7.000362455844879e+00 -2.500000000000000e+00
"""
MATRIX_IN_RAS = """\
9.887710779360422e-01 -1.494381324735992e-01 0.000000000000000e+00 5.000000000000000e+00
1.494381324735992e-01 9.887710779360422e-01 2.000000000000000e-02 -3.000000000000000e+00
0.000000000000000e+00 -1.000000000000000e-02 1.030000000000000e+00 4.000000000000000e+00
0.000000000000000e+00 0.000000000000000e+00 0.000000000000000e+00 1.000000000000000e+00
"""


def _in_ras(matrix: str) -> str:
    lines = VOXELS_TO_VOXELS.replace(
        "type      = 0 # LINEAR_VOX_TO_VOX", "type      = 1 # LINEAR_RAS_TO_RAS"
    ).splitlines()
    return "\n".join([*lines[:5], *matrix.splitlines(), *lines[9:]]) + "\n"


@pytest.mark.parametrize("text", [VOXELS_TO_VOXELS, _in_ras(MATRIX_IN_RAS)])
def test_an_lta_moves_points_as_surfa_does(frames: Frames, error_mm, text: str) -> None:
    assert is_lta(text)
    matrix, notes = read_lta(text, frames)
    assert error_mm(affine_of(matrix)) < 1e-5
    assert not notes


def test_an_lta_whose_grids_are_exchanged_is_turned_round_and_says_so(frames: Frames, error_mm) -> None:
    forth, _ = read_lta(VOXELS_TO_VOXELS, frames)
    back, notes = read_lta(VOXELS_TO_VOXELS, frames.exchanged())
    np.testing.assert_allclose(forth @ back, np.eye(4), atol=1e-9)
    assert "by the grids it names" in notes[0]


def test_an_lta_in_ras_needs_no_grids(frames: Frames, error_mm) -> None:
    text = _in_ras(MATRIX_IN_RAS).replace("valid = 1", "valid = 0")
    assert error_mm(affine_of(read_lta(text, frames)[0])) < 1e-5


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("valid = 1", "valid = 0", "does not say of which volumes"),
        ("type      = 0", "type      = 3", "type 3"),
        ("nxforms   = 1", "nxforms   = 2", "2 matrices"),
        ("1 4 4", "", "damaged"),
        ("yras ", "yros ", "volume info is damaged"),
        ("-7.419434909342456e-01", "nan", "matrix is damaged"),
    ],
)
def test_an_lta_that_cannot_be_used_says_why(frames: Frames, old: str, new: str, reason: str) -> None:
    assert old in VOXELS_TO_VOXELS
    with pytest.raises(Unusable, match=reason):
        read_lta(VOXELS_TO_VOXELS.replace(old, new), frames)
