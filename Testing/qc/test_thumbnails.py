"""Pictures of a case: three planes of each volume, all of one size."""

from __future__ import annotations

import base64
import io

import numpy as np
import SimpleITK as sitk
from PIL import Image

from CSAFusionLib.qc.thumbnails import Volumes, pictures_of


def a_block(place: int, shape: tuple[int, int, int] = (20, 24, 28)) -> sitk.Image:
    """A dim cuboid with a bright cube that begins at ``place`` along x."""
    voxels = np.zeros(shape, np.float32)
    voxels[2:-2, 2:-2, 2:-2] = 0.3
    voxels[8:12, 10:14, place : place + 4] = 1.0
    return sitk.GetImageFromArray(voxels)


def pixels(address: str) -> np.ndarray:
    """The picture of a data address, (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB")).astype(float)


def test_each_volume_has_three_planes_in_one_small_picture() -> None:
    block = a_block(12)
    found = pictures_of(Volumes(block, block, block, sitk.Euler3DTransform()))
    assert set(found) == {"fixed", "registered", "fused", "headers"}
    pictures = [pixels(address) for address in found.values()]
    assert {picture.shape for picture in pictures} == {(264, 720, 3)}
    columns = pictures[0].max(axis=(0, 2)) > 40
    assert np.count_nonzero(np.diff(columns.astype(int)) == 1) == 3
    assert all(len(address) < 30_000 for address in found.values())


def test_the_headers_picture_shows_the_moving_volume_where_it_was() -> None:
    fixed, registered = a_block(12), a_block(12)
    # From fixed to moving points: by its header the moving volume lies 6 mm further along x.
    found = pictures_of(Volumes(fixed, registered, fixed, sitk.TranslationTransform(3, (6.0, 0.0, 0.0))))
    brightest = {name: pixels(found[name])[:, :240].mean(axis=2) for name in ("registered", "headers")}
    middle = {name: np.argwhere(picture > 200)[:, 1].mean() for name, picture in brightest.items()}
    assert middle["headers"] > middle["registered"] + 20


def test_a_deformable_result_has_no_picture_of_the_headers() -> None:
    block = a_block(12)
    spline = sitk.BSplineTransformInitializer(block, [2, 2, 2])
    assert "headers" not in pictures_of(Volumes(block, block, block, spline))


def test_without_a_fixed_volume_the_others_are_shown() -> None:
    block = a_block(12)
    found = pictures_of(Volumes(None, block, block, sitk.Euler3DTransform(), missing="It is gone."))
    assert set(found) == {"registered", "fused", "headers"}


def test_colour_stays_and_grey_is_scaled() -> None:
    red = np.zeros((20, 24, 28, 3), np.uint8)
    red[2:-2, 2:-2, 2:-2, 0] = 200
    colour = sitk.GetImageFromArray(red, isVector=True)
    grey = sitk.GetImageFromArray(sitk.GetArrayFromImage(a_block(12)) * 500 - 100)
    scale = (-100.0, 400.0), (0.0, 1.0)
    found = pictures_of(Volumes(grey, grey, colour, sitk.Euler3DTransform(), scale, None))
    fused = pixels(found["fused"])
    assert fused[..., 0].max() > 150 and fused[..., 2].max() < 60
    assert pixels(found["fixed"]).max() > 240
    assert pixels(found["registered"]).max() > 240


def test_an_empty_volume_and_one_slice_make_a_picture_too() -> None:
    for size in ((20, 20, 20), (20, 20, 1)):
        nothing = sitk.Image(size, sitk.sitkFloat32)
        assert pixels(pictures_of(Volumes(nothing, nothing, nothing, sitk.Euler3DTransform()))["fixed"]).max() < 10


def test_how_far_off_it_is_has_a_picture_when_it_is_asked_for() -> None:
    noise = sitk.GetImageFromArray(np.random.default_rng(7).normal(size=(26, 26, 26)).astype(np.float32))
    texture = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, 1.5))
    inside = np.linalg.norm(np.indices(texture.shape) - 12.5, axis=0) < 11
    head = sitk.GetImageFromArray(np.where(inside, 0.5 + texture, 0).clip(0, 1).astype(np.float32))
    head.SetSpacing((3.0, 3.0, 3.0))
    off = sitk.Resample(head, head, sitk.TranslationTransform(3, (-3.0, 0.0, 0.0)))
    found = pictures_of(Volumes(head, off, head, sitk.Euler3DTransform()), misalignment=True)
    assert "95 % of the anatomy lies within 3" in found["misalignmentSaid"]
    shown = pixels(found["misalignment"])
    assert np.ptp(shown, axis=-1).max() > 60 and np.ptp(pixels(found["fixed"]), axis=-1).max() < 30
