"""A checkerboard shows both volumes in turn, on the fixed one's grid, and goes without a trace."""

from __future__ import annotations

import numpy as np
import pytest
import slicer.util

from CSAFusionLib.slicer_host.comparison_views import add_checkerboard, are_on_one_grid, remove_checkerboard
from Testing.host.scene import OBLIQUE, a_linear_transform_node, a_volume_node, ijk_to_ras_of, rotation, snapshot

SHAPE = (8, 40, 40)


@pytest.fixture
def pair():
    """A white volume, and one in colour that is black."""
    parent = a_linear_transform_node(rotation(20))
    white = a_volume_node("F", np.full(SHAPE, 80, np.int16), OBLIQUE, parent=parent)
    white.GetDisplayNode().AutoWindowLevelOff()
    white.GetDisplayNode().SetWindowLevel(20, 40)
    black = a_volume_node("M on F", np.zeros((*SHAPE, 3), np.uint8), OBLIQUE, parent=parent)
    black.GetDisplayNode().AutoWindowLevelOff()
    black.GetDisplayNode().SetWindowLevel(255, 127.5)
    return white, black


def test_the_volumes_alternate_in_squares_of_equal_millimetres(pair):
    board = slicer.util.arrayFromVolume(add_checkerboard(*pair))
    assert set(np.unique(board)) == {0, 255} and 0.4 < (board > 0).mean() < 0.6
    along_i, along_j = (np.flatnonzero(np.diff(line.astype(int))) for line in (board[0, 0], board[0, :, 0]))
    # 44 mm in eight squares of 5.5 mm: voxels have 0.9 mm along i and 1.1 mm along j.
    assert set(np.diff(along_i)) == {6} and set(np.diff(along_j)) == {5}


def test_there_is_none_of_volumes_that_are_not_on_one_grid_or_without_an_image(pair, scene):
    white, black = pair
    assert are_on_one_grid(white, black)
    slicer.util.updateVolumeFromArray(black, np.zeros((2, 3, 4), np.uint8))
    assert not are_on_one_grid(white, black) and not are_on_one_grid(None, white)
    assert not are_on_one_grid(white, scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))


def test_it_lies_on_the_fixed_volume_and_is_neither_listed_nor_saved(pair):
    node = add_checkerboard(*pair)
    assert ijk_to_ras_of(node).tobytes() == ijk_to_ras_of(pair[0]).tobytes()
    assert node.GetParentTransformNode() is pair[0].GetParentTransformNode()
    assert node.GetHideFromEditors() and not node.GetSaveWithScene()


def test_removed_it_leaves_nothing_also_when_the_scene_was_closed(pair, scene):
    before = snapshot()
    node = add_checkerboard(*pair)
    remove_checkerboard(node)
    assert snapshot() == before
    node = add_checkerboard(*pair)
    scene.Clear(False)
    remove_checkerboard(node)
    assert scene.GetNumberOfNodes() == 0
