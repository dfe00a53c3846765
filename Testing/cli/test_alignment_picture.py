"""One picture of a registration."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.cli.montage import alignment_picture, checkerboard, edge_overlay
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.volume import Volume


def a_ball(centre: float = 0.0, components: int = 1) -> Volume:
    """A bright ball with a dark core, 4 mm slices, its middle ``centre`` mm to the left."""
    z, y, x = np.meshgrid(np.arange(-38, 39, 4.0), np.arange(-40, 41, 2.0), np.arange(-40, 41, 2.0), indexing="ij")
    radius = np.sqrt(z**2 + y**2 + (x - centre) ** 2)
    values = np.where(radius < 30, 200, 0) - np.where(radius < 12, 120, 0)
    voxels = values if components == 1 else np.repeat(values[..., None], 3, axis=-1).astype(np.uint8)
    image = sitk.GetImageFromArray(voxels, isVector=components == 3)
    image.SetSpacing((2.0, 2.0, 4.0))
    image.SetOrigin((-40.0, -40.0, -38.0))
    return Volume(image, "ball")


def edge_pixels(picture: np.ndarray) -> np.ndarray:
    """The edges drawn in the fourth column, as a mask."""
    return (picture[24:, -256:, 0] > 200) & (picture[24:, -256:, 2] < 50)


def test_three_planes_show_slices_checkerboard_and_edges() -> None:
    picture = alignment_picture(a_ball(), a_ball(), sitk.Euler3DTransform())
    assert picture.dtype == np.uint8 and picture.shape[1:] == (4 * 260 - 4, 3)
    assert picture.shape[0] > 3 * 200
    assert all(part.any() for part in np.array_split(edge_pixels(picture), 3))


def test_the_transform_decides_where_the_edges_lie() -> None:
    aligned = alignment_picture(a_ball(), a_ball(8.0), sitk.TranslationTransform(3, (8.0, 0.0, 0.0)))
    astray = alignment_picture(a_ball(), a_ball(8.0), sitk.Euler3DTransform())
    alike = alignment_picture(a_ball(), a_ball(), sitk.Euler3DTransform())
    assert aligned.shape == alike.shape
    assert (edge_pixels(aligned) == edge_pixels(alike)).mean() > 0.98
    assert astray.shape != alike.shape or (edge_pixels(astray) != edge_pixels(alike)).mean() > 0.01


def test_a_volume_in_colour_is_shown_by_its_luminance() -> None:
    picture = alignment_picture(a_ball(), a_ball(components=3), sitk.Euler3DTransform())
    assert edge_pixels(picture).any()


def test_volumes_apart_have_no_picture() -> None:
    with pytest.raises(InputError, match="does not overlap"):
        alignment_picture(a_ball(), a_ball(), sitk.TranslationTransform(3, (500.0, 0.0, 0.0)))


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
