"""CSAFusionLib.cli.montage"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.cli.montage import montage, montage_of, overlay, rows_of
from CSAFusionLib.geometry.planes import Plane

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
    return SimpleNamespace(fixed_mapped=images[0], moving_mapped=images[1], fused=images[2], field_of_view=None)


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
