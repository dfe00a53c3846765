"""Tests of what mutual information is measured on."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import centre, coarsen, is_sheared
from CSAFusionLib.registration.preparation import (
    foreground_centre,
    head_points,
    is_part_of,
    pad_slab,
    prepare,
    slab_normals,
)
from CSAFusionLib.volumes.volume import Volume


def test_an_rgb_volume_becomes_its_luminance() -> None:
    rgb = np.zeros((8, 8, 8, 3), np.uint8)
    rgb[:, :, :4] = (200, 0, 0)
    rgb[:, :, 4:] = (0, 100, 50)
    prepared = prepare(Volume(sitk.GetImageFromArray(rgb, isVector=True), "pet"))
    voxels = sitk.GetArrayFromImage(prepared)
    assert voxels.shape == (8, 8, 8)
    np.testing.assert_allclose(voxels[0, 0, [0, 7]], [0.299 * 200, 0.587 * 100 + 0.114 * 50], rtol=1e-5)


def test_sheared_axes_become_straight_for_the_engines(a_head) -> None:
    image = a_head()
    image.SetDirection((1, 0, 0, 0, 1, 0.28, 0, 0, 0.96))
    prepared = prepare(Volume(image, "tilted"))
    assert is_sheared(image) and not is_sheared(prepared)
    point = image.TransformIndexToPhysicalPoint((30, 31, 32))
    there = prepared.EvaluateAtPhysicalPoint(point, sitk.sitkLinear)
    assert there == pytest.approx(image[30, 31, 32], abs=0.1 * float(sitk.GetArrayFromImage(image).max()))


def test_a_few_extreme_voxels_are_clamped(a_head) -> None:
    image = a_head()
    image[30, 30, 30] = 1e6
    prepared = sitk.GetArrayFromImage(prepare(Volume(image, "t1")))
    assert prepared.max() < 300


def test_a_slab_is_coarsened_in_its_plane_only() -> None:
    slab = sitk.Image([256, 256, 5], sitk.sitkFloat32)
    slab.SetSpacing([1.25, 1.25, 4.0])
    assert coarsen(slab, 8.0).GetSize() == (42, 42, 5)


def test_anisotropic_voxels_are_coarsened_towards_cubes() -> None:
    image = sitk.Image([400, 400, 40], sitk.sitkFloat32)
    image.SetSpacing([0.5, 0.5, 4.0])
    assert coarsen(image, 4.0).GetSpacing() == pytest.approx((4.0, 4.0, 4.0))


def test_coarsening_keeps_everything_in_its_place(a_head) -> None:
    image = a_head(size=(64, 72, 64))
    np.testing.assert_allclose(centre(coarsen(image, 9.0)), centre(image), atol=4.5)
    np.testing.assert_allclose(foreground_centre(coarsen(image, 9.0)), foreground_centre(image), atol=0.5)


def test_the_foreground_centre_ignores_the_negative_air_of_ct() -> None:
    voxels = np.full((20, 20, 20), -1000.0, np.float32)
    voxels[4:8, 10:14, 2:6] = 40.0
    np.testing.assert_allclose(foreground_centre(sitk.GetImageFromArray(voxels)), [3.5, 11.5, 5.5])


def test_two_slabs_are_padded_along_their_thickness_only(a_head) -> None:
    slab = a_head(size=(60, 60, 5), spacing=(3.0, 3.0, 4.0))
    padded = pad_slab(slab, slab)
    assert padded.GetSize() == (60, 60, 15)
    np.testing.assert_allclose(centre(padded), centre(slab), atol=1e-6)
    assert sitk.GetArrayFromImage(padded)[0].max() == sitk.GetArrayFromImage(slab).min()


def test_a_slab_in_a_whole_head_is_not_padded(a_head) -> None:
    slab = a_head(size=(60, 60, 5), spacing=(3.0, 3.0, 4.0))
    assert pad_slab(a_head(), slab).GetSize() == slab.GetSize()


def test_a_slab_is_part_of_its_head_and_not_the_other_way_round(a_head) -> None:
    head = a_head("T1")
    slab = head[:, :, 20:27]
    assert is_part_of(slab, head)
    assert not is_part_of(head, slab)
    assert not is_part_of(head, head[:, :, 15:])


def test_the_normal_of_an_oblique_slab_is_the_axis_across_its_slices(a_head) -> None:
    turned = np.array([[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]])
    (normal,) = slab_normals(a_head("T1", direction=turned)[:, :, 20:27])
    np.testing.assert_allclose(normal, (0.6, 0.0, 0.8))
    assert slab_normals(a_head("T1")) == []


def test_head_points_lie_in_the_bright_part_of_an_oblique_volume() -> None:
    voxels = np.zeros((20, 30, 40), np.float32)
    voxels[5:15, 5:25, 10:30] = 1
    image = sitk.GetImageFromArray(voxels)
    image.SetOrigin((100.0, 50.0, -20.0))
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.3, 0.2, -0.4).GetMatrix())
    points = head_points(image, count=50)
    assert points.shape == (50, 3)
    assert all(image[image.TransformPhysicalPointToIndex(point)] == 1 for point in points.tolist())
    assert len(np.unique(points, axis=0)) == 50
