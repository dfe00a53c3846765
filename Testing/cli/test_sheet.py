"""Sheets of slices."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.cli.montage import bounding_box, sheet, spread, tile_size


def test_a_tile_keeps_the_patient_s_proportions() -> None:
    assert tile_size((50, 100), (4.0, 1.0)) == (256, 128)


def test_a_narrow_tile_is_wide_enough_to_read() -> None:
    assert tile_size((300, 100), (1.0, 1.0)) == (384, 128)
    assert tile_size((512, 12), (0.5, 5.0)) == (512, 120)


def test_titles_over_narrow_tiles_do_not_run_into_each_other() -> None:
    narrow = np.zeros((100, 10))
    picture = sheet([((narrow,) * 4, (1, 1))], ("Fixed", "Moving, registered", "Overlay", "Fused"))
    lit = (picture[:24] > 100).any(axis=(0, 2))
    cell = (picture.shape[1] + 4) // 4 - 4
    for column in range(1, 4):
        assert not lit[column * (cell + 4) - 8 : column * (cell + 4)].any()


def test_tiles_of_all_rows_stand_in_the_middle_of_their_columns() -> None:
    wide, tall = np.ones((10, 20)), np.ones((20, 10, 3))
    picture = sheet([((wide, wide), (1, 1)), ((tall, tall), (1, 1))], ("One", "Two"))
    assert picture.shape == (24 + 128 + 4 + 256, 256 + 4 + 256, 3)
    row = picture[-100, :, 0]
    assert (row[:60] < 30).all() and (row[64:192] == 255).all() and (row[196:320] < 30).all()


def test_chosen_slices_share_what_is_shown() -> None:
    stack = np.zeros((9, 4, 4))
    stack[3:8] = 1
    assert spread(stack, 1) == [5]
    assert spread(np.ones((8, 4, 4)), 4) == [0, 2, 4, 6]
    assert spread(np.ones((8, 4, 4)), 8, np.array([1, 16, 16, 16, 15, 14, 16, 8])) == [1, 2, 3, 4, 6]


def test_the_box_leaves_out_dark_borders_and_keeps_all_of_a_dark_slice() -> None:
    slice_ = np.zeros((40, 50))
    slice_[10:20, 30:35] = 0.5
    assert bounding_box(slice_) == (slice(6, 24), slice(26, 39))
    assert bounding_box(np.zeros((40, 50))) == (slice(None), slice(None))
