"""The cases of a review page, their order, and their pictures: three planes of each volume, all of one size."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.qc.cases import UNCHECKED, Volumes, find_cases, pictures_of
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Method, Registration


def test_the_least_trusted_come_first(a_batch: Path) -> None:
    names = [case.name for case in find_cases(a_batch)]
    assert names == ["case-bad", "case-doubtful", "case-failed", "case-unsure", "case-good"]


def test_a_row_tells_verdict_figures_warnings_and_misalignment(a_batch: Path) -> None:
    cases = {case.name: case for case in find_cases(a_batch)}
    good, doubtful = cases["case-good"], cases["case-doubtful"]
    assert good.reason == "It is good."
    assert ("Moved", "8.0 mm") in good.figures and ("Modalities", "PET to MR") in good.figures
    assert doubtful.notes[0] == "95 % of the anatomy lies within 0.9 mm."
    assert any("is odd" in note for note in good.notes)
    assert "does not exist" in cases["case-failed"].reason and cases["case-failed"].load is None


def test_intensities_are_shown_as_they_were_fused(a_batch: Path) -> None:
    good = next(case for case in find_cases(a_batch) if case.name == "case-good")
    assert good.load is not None
    volumes = good.load()
    assert volumes.fixed is not None and not volumes.missing
    assert volumes.fixed_scale == ((0.0, 200.0), (0.0, 1.0))
    assert volumes.registered_scale == ((0.0, 1000.0), (0.0, 1.0))


def test_a_fixed_volume_that_is_gone_or_another_one_is_told(a_batch: Path) -> None:
    (a_batch / "case-good-fixed.nrrd").unlink()
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkFloat32), str(a_batch / "case-bad-fixed.nrrd"))
    cases = {case.name: case for case in find_cases(a_batch)}
    for name, said in (("case-good", "does not exist"), ("case-bad", "not the one that was fused")):
        load = cases[name].load
        assert load is not None
        volumes = load()
        assert volumes.fixed is None and said in volumes.missing


def test_a_case_without_a_verdict_stands_before_the_good_ones(a_batch: Path, make_case: Callable[..., Path]) -> None:
    make_case(a_batch, "case-open", None)
    cases = find_cases(a_batch)
    assert next(case for case in cases if case.name == "case-open").level == UNCHECKED
    assert [case.name for case in cases].index("case-open") < [case.name for case in cases].index("case-unsure")


def test_folders_of_saved_results_serve_too(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).random((8, 9, 10), dtype=np.float32)
    image = sitk.GetImageFromArray(voxels)
    quality = Quality(Grade.DOUBTFUL, "It may be off.")
    verdict = {"level": "doubtful", "reason": "It may be off."}
    provenance = {"registration": {"method": "SITK", "metric": {}, "verdict": verdict}}
    result = FusionResult(
        fused=image,
        fixed_mapped=image,
        moving_mapped=image,
        moving_on_grid=image,
        registration=Registration(sitk.Euler3DTransform(), Method.SITK, None, 0.0, quality=quality),
        provenance=provenance,
        warnings=[],
    )
    result.save(tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "result.json").write_text("{")
    one, two = find_cases(tmp_path)
    assert (one.name, one.level, two.level) == ("one", "doubtful", "failed")
    assert one.load is not None and one.load().fused.GetSize() == (10, 9, 8)


def test_a_folder_without_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no case"):
        find_cases(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        find_cases(tmp_path / "none")


def test_entries_of_another_kind_are_left_out(a_batch: Path) -> None:
    file = a_batch / "case-good" / "case.json"
    values = json.loads(file.read_text())
    values["registration"]["metric"] = {"moved_mm": "far"}
    values["warnings"] = "none"
    values["fixed"] = None
    file.write_text(json.dumps(values))
    case = next(case for case in find_cases(a_batch) if case.name == "case-good")
    assert [title for title, _ in case.figures] == ["Modalities", "Registration"]
    assert case.notes == ()


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
