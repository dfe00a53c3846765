"""CSAFusionLib/volumes/dicom/straightening.py."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.volumes.dicom.stacking import shifted

PLANE = np.add.outer(10.0 * np.arange(6), np.arange(8.0))


def test_a_slice_is_seen_where_it_lies_between_voxels_too() -> None:
    moved = shifted(PLANE, np.array([0.25, 0.5]))
    np.testing.assert_allclose(moved[1:, 1:], PLANE[1:, 1:] - 0.25 - 5)


def test_whole_voxels_are_moved_and_the_border_is_repeated() -> None:
    moved = shifted(PLANE, np.array([2.0, 0.0]))
    np.testing.assert_array_equal(moved[:, 2:], PLANE[:, :-2])
    np.testing.assert_array_equal(moved[:, :2], PLANE[:, :1].repeat(2, axis=1))


def test_a_slice_in_its_place_stays_as_it_is_and_colours_move_together() -> None:
    assert shifted(PLANE, np.zeros(2)) is PLANE
    colours = np.stack([PLANE, 2 * PLANE, 3 * PLANE], axis=-1)
    moved = shifted(colours, np.array([0.5, 0.5]))
    np.testing.assert_allclose(moved[..., 2], 3 * shifted(PLANE, np.array([0.5, 0.5])))
