"""Tests of the engine that runs the program BRAINSFit, for which a strict stand-in is put on the PATH."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, RegistrationError
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.engines import brainsfit as brainsfit_engine
from CSAFusionLib.registration.engines.brainsfit import brainsfit_parameters, transform_parameter
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Method, RegistrationMasks, TransformModel
from CSAFusionLib.volumes.volume import Volume

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a POSIX executable")

STAND_IN = Path(__file__).with_name("stand_in_brainsfit.py")


@pytest.fixture
def a_brainsfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The executable, in a folder that is on the PATH."""
    executable = tmp_path / "bin" / "BRAINSFit"
    executable.parent.mkdir()
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    executable.chmod(0o755)
    monkeypatch.setenv("PATH", str(executable.parent), prepend=os.pathsep)
    monkeypatch.delenv(brainsfit_engine.EXECUTABLE_VARIABLE, raising=False)
    return executable


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (TransformModel.RIGID, sitk.Euler3DTransform),
        (TransformModel.AFFINE, sitk.AffineTransform),
        (TransformModel.BSPLINE, sitk.CompositeTransform),
    ],
)
def test_each_model_goes_there_and_comes_back_through_files(
    a_brainsfit, a_pair, a_rigid_motion, temporary_folder: Path, model: TransformModel, kind: type
) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    found = brainsfit_engine.run(fixed, moving, model)
    assert isinstance(found, kind)
    assert target_registration_error(found, a_rigid_motion, head_points(fixed)).max() < 1e-3
    assert not list(temporary_folder.iterdir())


@pytest.mark.parametrize("option", ["--numberOfSamples", "--use"])
def test_the_stand_in_takes_no_option_that_brainsfit_does_not_know(
    a_brainsfit, a_pair, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(brainsfit_engine, "brainsfit_parameters", lambda model: {option.strip("-"): 3})
    with pytest.raises(RegistrationError, match=f"unrecognized arguments: {option} 3"):
        brainsfit_engine.run(*(volume.image for volume in a_pair), TransformModel.RIGID)


def test_what_brainsfit_says_when_it_fails_is_passed_on(a_brainsfit, a_pair, temporary_folder, monkeypatch) -> None:
    monkeypatch.setenv("STAND_IN", "fail")
    with pytest.raises(RegistrationError, match=r"BRAINSFit could not .*\(All samples map outside moving image buffer"):
        brainsfit_engine.run(*(volume.image for volume in a_pair), TransformModel.RIGID)
    assert not list(temporary_folder.iterdir())


def test_an_end_without_a_transform_is_told(a_brainsfit, a_pair, monkeypatch) -> None:
    monkeypatch.setenv("STAND_IN", "without a transform")
    with pytest.raises(RegistrationError, match="BRAINSFit ended without a transform"):
        brainsfit_engine.run(*(volume.image for volume in a_pair), TransformModel.RIGID)


def test_cancelling_one_that_hangs_leaves_no_process_and_no_file(
    a_brainsfit, a_pair, temporary_folder: Path, monkeypatch, started
) -> None:
    monkeypatch.setenv("STAND_IN", "hang")

    def cancel_once_it_runs(stage: str, done: int, total: int) -> None:
        if started:
            raise Cancelled

    with pytest.raises(Cancelled):
        brainsfit_engine.run(*(volume.image for volume in a_pair), TransformModel.RIGID, progress=cancel_once_it_runs)
    assert started[0].poll() is not None
    assert not list(temporary_folder.iterdir())


def test_an_executable_that_is_named_is_preferred_to_the_path(a_brainsfit, tmp_path: Path, monkeypatch) -> None:
    assert brainsfit_engine.find_executable() == str(a_brainsfit)
    other = tmp_path / "another name"
    other.symlink_to(a_brainsfit)
    monkeypatch.setenv(brainsfit_engine.EXECUTABLE_VARIABLE, str(other))
    assert brainsfit_engine.find_executable() == str(other)


def test_an_executable_that_is_named_and_not_there_is_told(a_brainsfit, a_pair, monkeypatch) -> None:
    monkeypatch.setenv(brainsfit_engine.EXECUTABLE_VARIABLE, "/nowhere/BRAINSFit")
    with pytest.raises(RegistrationError, match="'/nowhere/BRAINSFit' cannot be run"):
        register(*a_pair, Method.BRAINS)


def test_without_one_it_says_how_to_name_one(a_pair, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(brainsfit_engine.EXECUTABLE_VARIABLE, raising=False)
    with pytest.raises(RegistrationError, match="no BRAINSFit on the PATH; name the executable with --brainsfit"):
        register(*a_pair, Method.BRAINS)


PHASES = ("useRigid", "useAffine", "useBSpline")


@pytest.mark.parametrize(
    ("model", "phases"),
    [
        (TransformModel.RIGID, (True, False, False)),
        (TransformModel.AFFINE, (True, True, False)),
        (TransformModel.BSPLINE, (True, True, True)),
    ],
)
def test_each_model_is_found_after_the_stiffer_ones(model: TransformModel, phases: tuple[bool, ...]) -> None:
    parameters = brainsfit_parameters(model)
    assert tuple(parameters[name] for name in PHASES) == phases


@pytest.mark.parametrize("model", Method.BRAINS.models)
def test_the_output_fits_the_last_phase(model: TransformModel) -> None:
    is_spline = brainsfit_parameters(model)["useBSpline"]
    assert transform_parameter(model) == ("bsplineTransform" if is_spline else "linearTransform")


def test_the_grid_of_control_points_has_at_least_three_on_each_axis() -> None:
    sizes = brainsfit_parameters(TransformModel.BSPLINE)["splineGridSize"].split(",")
    assert len(sizes) == 3
    assert all(int(size) >= 3 for size in sizes)


def _half(image: sitk.Image) -> sitk.Image:
    """A mask of the lower half of an image."""
    inside = sitk.GetArrayFromImage(image) * 0
    inside[: len(inside) // 2] = 1
    mask = sitk.GetImageFromArray(inside.astype("uint8"))
    mask.CopyInformation(image)
    return mask


@pytest.mark.parametrize("given", [("fixed",), ("moving",), ("fixed", "moving")])
def test_it_is_given_two_masks_or_none_and_more_samples_in_a_small_one(
    a_brainsfit, a_pair, monkeypatch: pytest.MonkeyPatch, temporary_folder: Path, given: tuple[str, ...]
) -> None:
    monkeypatch.setenv("STAND_IN", "tell the masks")
    images = dict(zip(("fixed", "moving"), (volume.image for volume in a_pair), strict=True))
    masks = RegistrationMasks(**{role: _half(images[role]) for role in given})
    with pytest.raises(RegistrationError) as refused:
        brainsfit_engine.run(images["fixed"], images["moving"], TransformModel.RIGID, masks=masks)
    for role, image in images.items():
        slices = image.GetSize()[2] // (2 if role in given else 1)
        voxels = image.GetSize()[0] * image.GetSize()[1] * slices
        middle = [(image.GetSize()[0] - 1) / 2, (image.GetSize()[1] - 1) / 2, (slices - 1) / 2]
        there = " ".join(f"{place:.1f}" for place in image.TransformContinuousIndexToPhysicalPoint(middle))
        assert f"{voxels} voxels round {there}" in str(refused.value)
    assert ("of 0.04" if "fixed" in given else "of 0.02") in str(refused.value)
    assert not list(temporary_folder.iterdir())


def test_a_registration_inside_of_masks_tells_them(a_brainsfit, a_pair, a_rigid_motion) -> None:
    fixed, moving = a_pair
    masks = RegistrationMasks.of(a_pair, (Volume(_half(fixed.image), "mask"), None))
    found = register(fixed, moving, Method.BRAINS, TransformModel.RIGID, masks=masks)
    assert [source["of"] for source in found.masks] == ["fixed"]
    assert target_registration_error(found.transform, a_rigid_motion, head_points(fixed.image)).max() < 1e-3
