"""CSAFusionLib.fusion.result"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.result import FusionResult, load_result, save_result
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Registration


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
