"""Pictures of a fusion and of a registration."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.cli.montage import (
    KEYS_HEIGHT,
    alignment_picture,
    band,
    bounding_box,
    checkerboard,
    edge_overlay,
    key_of_fused,
    key_of_input,
    montage,
    montage_of,
    overlay,
    rows_of,
    sheet,
    spread,
    square,
    tile_size,
)
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.colouring import two_colours
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.volumes.volume import Volume

TILE, GAP, BAND = 256, 4, 24


def grey(value: float, height: int = 32, width: int = 32) -> np.ndarray:
    return np.full((height, width), value, np.float32)


def a_result(shape: tuple[int, int, int] = (10, 20, 40), spacing: tuple[float, ...] = (1, 1, 1)) -> SimpleNamespace:
    """A fusion whose slice k has the value k / 10, and whose moving volume shows something in slices 4 to 7 only."""
    values = np.broadcast_to((np.arange(shape[0]) / 10)[:, None, None], shape).astype(np.float32)
    covered = np.zeros(shape, np.float32)
    covered[4:8] = 0.5
    images = [sitk.GetImageFromArray(array.copy()) for array in (values, covered, values)]
    for image in images:
        image.SetSpacing(spacing)
    return SimpleNamespace(
        fixed_mapped=images[0], moving_mapped=images[1], fused=images[2], field_of_view=None, provenance={}
    )


def test_the_four_columns_are_fixed_moving_overlay_and_fused() -> None:
    picture = montage([(grey(0.2), grey(0.4), grey(1.0))])
    assert picture.shape == (BAND + TILE, 4 * TILE + 3 * GAP, 3)
    middles = picture[BAND + TILE // 2, TILE // 2 :: TILE + GAP]
    np.testing.assert_array_equal(middles, [[51] * 3, [102] * 3, [51, 102, 51], [255] * 3])


def test_the_titles_are_legible() -> None:
    band = montage([(grey(0), grey(0), grey(0))])[:BAND]
    for column in range(4):
        assert (band[:, column * (TILE + GAP) :][:, :TILE] > 200).any()


def test_tiles_keep_the_patient_s_proportions_when_voxels_do_not() -> None:
    picture = montage([(grey(1, 16, 64),) * 3], pixel=(4, 1))
    assert picture.shape == (BAND + TILE, 4 * TILE + 3 * GAP, 3)
    picture = montage_of(a_result((10, 20, 40), (1, 1, 3)), Plane.CORONAL)
    assert picture.shape[1] == 4 * TILE + 3 * GAP
    assert (picture.shape[0] - BAND + GAP) % (TILE * 10 * 3 // 40 + GAP) == 0


def test_the_overlay_of_two_equal_grey_slices_is_grey() -> None:
    np.testing.assert_array_equal(overlay(grey(0.3), grey(0.3)), np.full((32, 32, 3), np.float32(0.3)))


def test_the_overlay_with_colour_is_half_of_each() -> None:
    red = np.zeros((4, 4, 3), np.float32)
    red[..., 0] = 1
    np.testing.assert_allclose(overlay(grey(0.5, 4, 4), red)[0, 0], [0.75, 0.25, 0.25])


def test_the_slices_shown_are_those_the_moving_volume_covers() -> None:
    rows = rows_of(a_result(), Plane.AXIAL)
    np.testing.assert_allclose([row[0].mean() for row in rows], [0.4, 0.5, 0.6, 0.7], atol=1e-6)


def test_a_slice_that_the_moving_volume_reaches_in_part_is_not_shown() -> None:
    result = a_result()
    inside = np.zeros((10, 20, 40), np.uint8)
    inside[4:8] = 1
    inside[7, :10] = 0
    result.field_of_view = sitk.GetImageFromArray(inside)
    shown = [row[0].mean() for row in rows_of(result, Plane.AXIAL)]
    np.testing.assert_allclose(shown, [0.4, 0.5, 0.6], atol=1e-6)


def test_a_slice_that_shows_far_less_is_shown_larger() -> None:
    result = a_result((4, 60, 60))
    voxels = np.zeros((4, 60, 60), np.float32)
    voxels[:3, 10:50, 10:50] = 0.5
    voxels[3, 25:35, 25:35] = 0.5
    result.fixed_mapped = result.moving_mapped = result.fused = sitk.GetImageFromArray(voxels)
    assert {row[0].shape for row in rows_of(result, Plane.AXIAL, 40)} == {(48, 48), (18, 18)}


def test_a_volume_with_fewer_slices_than_rows_shows_each_once() -> None:
    result = a_result((1, 20, 40))
    result.moving_mapped += 1
    assert len(rows_of(result, Plane.AXIAL)) == 1


def test_colour_is_shown_as_it_is() -> None:
    rgb = np.zeros((16, 16, 3), np.float32)
    rgb[..., 2] = 1
    picture = montage([(grey(0, 16, 16), rgb, rgb)])
    np.testing.assert_array_equal(picture[BAND + 100, 3 * (TILE + GAP) + 100], [0, 0, 255])


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


PET = {"modality": "PET", "black": 0.0, "white": 12.5, "unit": "SUV", "colour_table": "hot-iron", "knee": None}
CT = {"modality": "CT", "black": 0.0, "white": 1000.0, "unit": "HU", "colour_table": None,
      "knee": {"value": 80.0, "brightness": 0.8}}  # fmt: skip


def test_a_bar_has_the_colours_of_its_table_and_says_values_and_unit() -> None:
    key = key_of_input(PET)
    assert key is not None
    np.testing.assert_allclose(key.colours[0, [0, -1]], [[0, 0, 0], [1, 1, 1]])
    assert key.values == ("0", "12.5")
    assert key.line == "PET, SUV"


def test_the_line_of_two_slopes_tells_the_knee() -> None:
    key = key_of_input(CT)
    assert key is not None and key.line == "CT, HU, 80 at 80%"


def test_an_input_without_a_mapping_has_no_key() -> None:
    assert key_of_input({"modality": "PET", "modality_is_guessed": True}) is None


def test_each_key_stands_under_its_column() -> None:
    drawn = band([key_of_fused(), None, key_of_input(PET)], 100, 4)
    assert drawn.shape == (KEYS_HEIGHT, 3 * 104 - 4, 3)
    columns = [drawn[:, place : place + 100] for place in (0, 104, 208)]
    assert [bool((column > 100).any()) for column in columns] == [True, False, True]
    assert np.ptp(columns[2][8].astype(int), axis=-1).max() > 100


def test_a_square_shows_the_fixed_value_upwards_and_the_moving_one_rightwards() -> None:
    key = square(two_colours, "fixed upwards")
    np.testing.assert_allclose(key.colours[0, 0], [1, 0.5, 0])
    np.testing.assert_allclose(key.colours[-1, -1], [0, 0.5, 1])
    np.testing.assert_allclose(key.colours[-1, 0], [0, 0, 0])
