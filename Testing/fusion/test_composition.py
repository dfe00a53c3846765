"""CSAFusionLib/fusion/colouring.py, by way of the pipeline."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.colouring import two_colours, wide_volume
from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.planes import Plane, to_slices
from CSAFusionLib.volumes.volume import Volume

AS_IS = {"registration": "none", "fixed_modality": "MR", "fixed_window": "50,100"}


def a_volume(values: np.ndarray, name: str) -> Volume:
    return Volume(sitk.GetImageFromArray(values.astype(np.float32)), name)


@pytest.fixture
def a_pair() -> tuple[Volume, Volume]:
    rng = np.random.default_rng(0)
    smooth = [sitk.GetArrayFromImage(sitk.DiscreteGaussian(sitk.GetImageFromArray(rng.random((6, 24, 24))), 4.0))]
    base = (smooth[0] - smooth[0].min()) / np.ptp(smooth[0])
    return a_volume(100 * base, "fixed"), a_volume(100 * base[::-1], "moving")


def pixels(result: object) -> np.ndarray:
    return sitk.GetArrayFromImage(result.fused).astype(float)


def test_an_overlay_shows_as_much_of_the_moving_volume_as_its_opacity(a_pair: tuple) -> None:
    settings = {**AS_IS, "moving_modality": "MR", "moving_window": "50,100", "style": "overlay"}
    a, b = (sitk.GetArrayFromImage(volume.image) / 100 * 255 for volume in a_pair)
    for opacity in (0.0, 0.3, 1.0):
        result = fuse_volumes(*a_pair, FusionSettings(**settings, opacity=opacity))
        np.testing.assert_allclose(pixels(result)[..., 1], (1 - opacity) * a + opacity * b, atol=1.5)
        assert result.provenance["weights"]["name"] == "none"
        assert result.fused.GetSize() == a_pair[0].image.GetSize()


def test_an_overlay_colours_the_functional_volume_whichever_it_is(a_pair: tuple) -> None:
    fixed, moving = a_pair
    asked = FusionSettings(**AS_IS, moving_modality="PET", style="overlay", opacity=1.0)
    over = fuse_volumes(fixed, moving, asked)
    assert over.provenance["moving"]["colour_table"] == "hot-iron"
    turned = FusionSettings(
        registration="none", fixed_modality="PET", moving_modality="MR", moving_window="50,100", style="overlay",
        opacity=1.0,
    )  # fmt: skip
    under = fuse_volumes(moving, fixed, turned)
    np.testing.assert_allclose(pixels(over), pixels(under), atol=2)
    assert (pixels(over)[..., 0] - pixels(over)[..., 2]).max() > 200


def test_two_colours_tell_the_source_and_are_grey_where_both_agree(a_pair: tuple) -> None:
    np.testing.assert_allclose(two_colours(np.array([1.0, 0, 0.4]), np.array([0, 1.0, 0.4])),
                               [[1, 0.5, 0], [0, 0.5, 1], [0.4, 0.4, 0.4]])  # fmt: skip
    settings = FusionSettings(**AS_IS, moving_modality="MR", moving_window="50,100", style="two-colour")
    same = fuse_volumes(a_pair[0], a_pair[0], settings)
    assert np.ptp(pixels(same), axis=-1).max() == 0


def test_side_by_side_has_the_fixed_volume_on_its_own_place_and_the_moving_one_beside_it(a_pair: tuple) -> None:
    settings = FusionSettings(**AS_IS, moving_modality="PET", style="side-by-side")
    result = fuse_volumes(*a_pair, settings)
    assert result.fused.GetSize() == (48, 24, 6)
    assert result.fused.GetOrigin() == a_pair[0].image.GetOrigin()
    assert result.figures == {}
    with pytest.raises(InputError, match="grid of its own"):
        result.save("nowhere")


@pytest.mark.parametrize("plane", [Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL])
def test_the_first_half_of_a_wide_volume_lies_on_the_grid_however_it_is_stored(plane: Plane) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 99, (4, 5, 6)).astype(np.uint8))
    image.SetSpacing((1, 2, 3))
    for order, flips in itertools.product(itertools.permutations(range(3)), itertools.product((False, True), repeat=3)):
        stored = sitk.Flip(sitk.PermuteAxes(image, order), flips)
        slices = np.repeat(to_slices(stored, plane)[..., None], 3, axis=-1)
        wide = wide_volume(np.concatenate([slices, 0 * slices], axis=2), stored, plane)
        back = sitk.Resample(sitk.VectorIndexSelectionCast(wide, 0), stored, sitk.Transform(), sitk.sitkNearestNeighbor)
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(stored))
        np.testing.assert_array_equal(to_slices(wide, plane)[:, :, : slices.shape[2]], slices)
