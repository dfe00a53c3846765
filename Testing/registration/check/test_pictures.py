"""Pictures by which an eye judges an alignment."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.registration.check.pictures import checkerboard, edge_overlay


def a_square(left: int) -> np.ndarray:
    tile = np.zeros((64, 64), np.float32)
    tile[16:48, left : left + 32] = 0.8
    return tile


def test_the_checkerboard_takes_neighbouring_squares_from_either_slice() -> None:
    board = checkerboard(np.zeros((64, 48)), np.ones((64, 48)))
    assert board.shape == (64, 48)
    assert (board[0, 0], board[0, 8], board[8, 0], board[8, 8]) == (0, 1, 1, 0)
    assert board.mean() == 0.5


def test_edges_lie_on_the_moved_contour_and_the_fixed_slice_shows_elsewhere() -> None:
    fixed, moved = a_square(10), a_square(20)
    picture = edge_overlay(fixed, moved)
    drawn = picture[..., 0] != picture[..., 2]
    rows, columns = np.nonzero(drawn)
    assert drawn.any()
    assert min(columns) in (19, 20) and max(columns) in (51, 52) and min(rows) in (15, 16) and max(rows) in (47, 48)
    np.testing.assert_array_equal(picture[~drawn][:, 1], fixed[~drawn])


def test_a_slice_without_contours_draws_none() -> None:
    picture = edge_overlay(a_square(10), np.zeros((64, 64), np.float32))
    assert (picture[..., 0] == picture[..., 2]).all()
