"""What a fusion gives, its provenance, and all of it as a folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from skimage.metrics import structural_similarity

import CSAFusionLib
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.result import FusionResult, describe_run, load_result, save_result, slice_figures
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Method, Registration, TransformModel


def test_a_run_names_versions_weights_and_device_and_no_path(a_cpu: Device) -> None:
    weights = SimpleNamespace(name="mine.safetensors", sha256="ab" * 32)
    described = describe_run(FusionSettings(weights="/home/someone/mine.safetensors"), weights, a_cpu)
    text = json.dumps(described)
    assert described["versions"]["csafusion"] == CSAFusionLib.__version__
    assert described["weights"] == {"name": "mine.safetensors", "sha256": "ab" * 32}
    assert described["device"] == {"name": "cpu", "reason": "asked for"}
    assert "someone" not in text
    assert "not for diagnosis" in text


def test_a_linear_transform_is_given_as_its_matrix() -> None:
    turn = sitk.Euler3DTransform((10.0, 20.0, 30.0), 0.1, -0.2, 0.3, (4.0, 5.0, 6.0))
    described = Registration(turn, Method.SITK, TransformModel.RIGID, 1.23456, {"ncc": np.float32(0.5)}).describe()
    moved = np.array(described["matrix_lps_mm"]) @ [7, 8, 9, 1]
    np.testing.assert_allclose(moved[:3], turn.TransformPoint((7.0, 8.0, 9.0)), atol=1e-9)
    assert json.loads(json.dumps(described))["metric"] == {"ncc": 0.5}
    assert (described["method"], described["model"], described["seconds"]) == ("SITK", "RIGID", 1.235)


def test_the_verdict_is_given_by_word_and_reason_and_its_lack_too() -> None:
    unchecked = Registration(sitk.Euler3DTransform(), Method.BRAINS, TransformModel.RIGID, 1.0)
    assert unchecked.describe()["verdict"] is None
    checked = replace(unchecked, quality=Quality(Grade.BAD, "The transform folds space."))
    described = json.loads(json.dumps(checked.describe()))
    assert described["verdict"] == {"level": "bad", "reason": "The transform folds space."}


def test_a_deformation_has_no_matrix() -> None:
    field = sitk.DisplacementFieldTransform(sitk.Image([4, 4, 4], sitk.sitkVectorFloat64, 3))
    described = Registration(field, Method.ANTS, TransformModel.SYN, 1.0).describe()
    assert "matrix_lps_mm" not in described
    assert described["transform"] == "DisplacementFieldTransform"


@pytest.fixture
def slices() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 1, (2, 3, 40, 36)).astype(np.float32)
    return a, b


def test_a_copy_of_a_source_is_as_similar_to_it_as_can_be(slices: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = slices
    figures = slice_figures(a, a, b)
    np.testing.assert_allclose(figures["ssim_fixed"], 1, atol=1e-4)
    np.testing.assert_allclose(figures["correlation_fixed"], 1, atol=1e-6)
    assert max(figures["ssim_moving"]) < 0.3 and max(map(abs, figures["correlation_moving"])) < 0.2


def test_the_similarity_is_that_of_the_field(slices: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = slices
    fused = (a + b) / 2
    expected = [
        structural_similarity(one, other, data_range=1, win_size=7, use_sample_covariance=False, full=True)[1]
        for one, other in zip(fused, a, strict=True)
    ]
    np.testing.assert_allclose(slice_figures(fused, a, b)["ssim_fixed"], np.mean(expected, axis=(1, 2)), atol=0.01)


def test_an_empty_slice_has_no_figure(slices: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = slices
    a[1] = b[1] = 0
    for values in slice_figures(a, a, b).values():
        assert np.isnan(values[1]) and not np.isnan(values[0])


GIVEN: dict[str, Any] = {"fused": "fused", "registration": None, "provenance": {}, "warnings": []}
IMAGES = ("fixed_mapped", "moving_mapped", "moving_on_grid")


def test_what_is_given_as_a_function_is_made_when_it_is_read_and_once() -> None:
    made: list[str] = []
    makers = {name: lambda name=name: made.append(name) or name for name in (*IMAGES, "figures")}
    result = FusionResult(**GIVEN, **makers)
    assert made == []
    for name in ("moving_on_grid", "moving_on_grid", "figures"):
        assert getattr(result, name) == name
    assert made == ["moving_on_grid", "figures"]
    repr(result)
    assert made == ["moving_on_grid", "figures"]


def test_what_is_there_can_be_given_as_it_is() -> None:
    result = FusionResult(**GIVEN, **dict.fromkeys(IMAGES, "image"))
    assert (result.fixed_mapped, result.figures, result.contribution) == ("image", {}, None)
    assert replace(result, warnings=["w"]).moving_mapped == "image"


def test_an_image_that_is_not_given_is_missed_at_once() -> None:
    with pytest.raises(TypeError, match="moving_on_grid"):
        FusionResult(**GIVEN, fixed_mapped=1, moving_mapped=2)


@pytest.fixture
def a_result() -> FusionResult:
    """A grey and a coloured image on an oblique grid whose spacing no binary fraction is."""
    rng = np.random.default_rng(0)
    grey = sitk.GetImageFromArray(rng.random((3, 4, 5)).astype(np.float32))
    rotation = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, 0.2, 0.3, (4.0, 5.0, 6.0))
    grey.SetDirection(rotation.GetMatrix())
    grey.SetSpacing((1 / 3, 0.7, 2.1))
    grey.SetOrigin((-100.123456789012345, 7.5, 1e-3))
    rgb = sitk.GetImageFromArray(rng.integers(0, 255, (3, 4, 5, 3)).astype(np.uint8), isVector=True)
    rgb.CopyInformation(grey)
    quality = Quality(Grade.DOUBTFUL, "They hardly overlap.")
    return FusionResult(
        fused=rgb,
        fixed_mapped=grey,
        moving_mapped=rgb,
        moving_on_grid=sitk.Cast(grey * 1000, sitk.sitkInt16),
        registration=Registration(rotation, Method.LANDMARKS, TransformModel.RIGID, 1.5, {"a": 0.1}, quality, ("w",)),
        provenance={"notice": "Research use only", "seed": 1},
        warnings=["w"],
        figures={"ssim_fixed": [0.5, float("nan")]},
    )


def same(a: sitk.Image, b: sitk.Image) -> bool:
    fields = ("GetSize", "GetSpacing", "GetOrigin", "GetDirection", "GetPixelID", "GetNumberOfComponentsPerPixel")
    return all(getattr(a, name)() == getattr(b, name)() for name in fields) and np.array_equal(
        sitk.GetArrayFromImage(a), sitk.GetArrayFromImage(b)
    )


def test_images_and_their_grid_come_back_to_the_last_bit(a_result, tmp_path: Path) -> None:
    save_result(a_result, tmp_path / "new")
    back = load_result(tmp_path / "new")
    for name in ("fused", "fixed_mapped", "moving_mapped", "moving_on_grid"):
        assert same(getattr(back, name), getattr(a_result, name)), name
    assert back.contribution is None


def test_all_that_is_known_beside_the_images_comes_back(a_result, tmp_path: Path) -> None:
    save_result(a_result, tmp_path)
    back, known = load_result(tmp_path), a_result.registration
    assert (back.provenance, back.warnings) == (a_result.provenance, a_result.warnings)
    assert replace(back.registration, transform=None) == replace(known, transform=None)
    assert back.registration.transform.GetParameters() == known.transform.GetParameters()
    assert back.figures["ssim_fixed"][0] == 0.5 and np.isnan(back.figures["ssim_fixed"][1])


def test_a_deformation_comes_back(a_result, tmp_path: Path) -> None:
    field = sitk.GetImageFromArray(np.random.default_rng(1).normal(size=(4, 4, 4, 3)), isVector=True)
    bent = sitk.DisplacementFieldTransform(field)
    points = [(0.5, 1.2, 2.9), (1.0, 1.0, 1.0)]
    moved = [bent.TransformPoint(point) for point in points]
    save_result(replace(a_result, registration=replace(a_result.registration, transform=bent)), tmp_path)
    back = load_result(tmp_path).registration.transform
    np.testing.assert_allclose([back.TransformPoint(point) for point in points], moved, atol=1e-12)


def test_a_map_that_an_older_result_left_there_is_not_taken_for_this_one_s(a_result, tmp_path: Path) -> None:
    save_result(replace(a_result, contribution=a_result.fixed_mapped), tmp_path)
    assert load_result(tmp_path).contribution is not None
    save_result(a_result, tmp_path)
    assert load_result(tmp_path).contribution is None


def test_a_folder_that_cannot_be_one_is_refused_and_nothing_is_made(a_result, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "missing" / "folder"):
        with pytest.raises(InputError, match="not a folder|does not exist"):
            save_result(a_result, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_a_result_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no saved result \(result.json is missing\)"):
        load_result(tmp_path)


@pytest.mark.parametrize("name", ["fused.nrrd", "moving_on_grid.nrrd", "transform.h5"])
def test_a_missing_and_a_damaged_file_are_refused_by_name(a_result, tmp_path: Path, name: str) -> None:
    save_result(a_result, tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=name):
        load_result(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name):
        load_result(tmp_path)


@pytest.mark.parametrize("odd", [None, 1, "x", [], [1], {}, {"spacing": [1]}, [[]]], ids=ascii)
def test_a_description_of_wrong_types_is_refused_in_a_sentence(a_result, tmp_path: Path, odd) -> None:
    save_result(a_result, tmp_path)
    whole = json.loads((tmp_path / "result.json").read_text())
    for key in ("images", "grid", "registration"):
        (tmp_path / "result.json").write_text(json.dumps(whole | {key: odd}))
        with pytest.raises(InputError) as caught:
            load_result(tmp_path)
        assert "\n" not in str(caught.value)
