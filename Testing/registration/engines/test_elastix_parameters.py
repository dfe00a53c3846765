"""Tests of what elastix is asked for."""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.engines.elastix_parameters import elastix_parameters
from CSAFusionLib.registration.methods import Method, TransformModel


def _image(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    return image


THICK_SLICES = _image((256, 256, 50), (1.0, 1.0, 3.0))
SLAB = _image((90, 90, 5), (2.0, 2.0, 1.0))


@pytest.mark.parametrize(
    ("model", "stages"),
    [
        (TransformModel.RIGID, ["Euler"]),
        (TransformModel.AFFINE, ["Euler", "Affine"]),
        (TransformModel.BSPLINE, ["Euler", "Affine", "BSpline"]),
    ],
)
def test_each_model_is_found_after_the_stiffer_ones(model: TransformModel, stages: list[str]) -> None:
    asked = elastix_parameters(THICK_SLICES, SLAB, model, seed=0)
    assert [stage["Transform"] for stage in asked] == [[f"{name}Transform"] for name in stages]


def test_axes_are_shrunk_to_voxels_of_one_width_and_thin_slabs_keep_their_slices() -> None:
    (asked,) = elastix_parameters(THICK_SLICES, SLAB, TransformModel.RIGID, seed=0)
    assert asked["FixedImagePyramidSchedule"] == ["4", "4", "1", "2", "2", "1", "1", "1", "1"]
    assert asked["MovingImagePyramidSchedule"] == ["2", "2", "1", "1", "1", "1", "1", "1", "1"]


@pytest.mark.parametrize("model", Method.ELASTIX.models)
def test_there_is_a_factor_for_each_axis_of_each_level_and_the_last_level_is_the_image_itself(
    model: TransformModel,
) -> None:
    for stage in elastix_parameters(THICK_SLICES, SLAB, model, seed=0):
        levels = int(stage["NumberOfResolutions"][0])
        for name in ("FixedImagePyramidSchedule", "MovingImagePyramidSchedule"):
            assert len(stage[name]) == 3 * levels
            assert stage[name][-3:] == ["1", "1", "1"]
        assert len(stage.get("GridSpacingSchedule", [""] * levels)) == levels


def test_no_seed_is_taken_for_the_clock() -> None:
    seeds = [elastix_parameters(SLAB, SLAB, TransformModel.RIGID, seed=seed)[0]["RandomSeed"] for seed in (0, 1)]
    assert "0" not in seeds[0] + seeds[1]
    assert seeds[0] != seeds[1]
