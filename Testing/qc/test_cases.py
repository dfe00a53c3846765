"""The cases of a page, and their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.qc.cases import UNCHECKED, find_cases
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
