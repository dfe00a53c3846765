"""What earlier versions wrote is still read, and modules that others import are where they were."""

from __future__ import annotations

import json
from importlib import import_module

import pytest
import SimpleITK as sitk

from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Registration

# What version 0.1.0 wrote into result.json and job.json.
SAVED = {
    "method": "LANDMARKS",
    "model": "RIGID",
    "seconds": 2.5,
    "metric": {"agreement": 0.5, "better_mm": None},
    "verdict": {"level": "DOUBTFUL", "reason": "They hardly overlap."},
    "warnings": ["Apart."],
}


def test_a_registration_that_an_earlier_version_saved_is_read() -> None:
    read = Registration.from_dict(json.loads(json.dumps(SAVED)), sitk.Euler3DTransform())
    assert (read.method, read.model) == (Method.LANDMARKS, TransformModel.RIGID)
    assert read.quality == Quality(Grade.DOUBTFUL, "They hardly overlap.")
    assert read.metric["agreement"] == 0.5 and read.warnings == ("Apart.",)


def test_a_registration_is_saved_and_described_by_the_keys_that_others_read() -> None:
    quality = Quality(Grade.BAD, "It folds.")
    registration = Registration(sitk.Euler3DTransform(), Method.SITK, TransformModel.RIGID, 1.0, quality=quality)
    assert registration.to_dict()["verdict"] == {"level": "BAD", "reason": "It folds."}
    assert registration.describe()["verdict"] == {"level": "bad", "reason": "It folds."}
    assert {*SAVED} <= {*registration.to_dict()}


def test_the_quality_answers_to_its_former_names() -> None:
    quality = Quality(Grade.GOOD, "Fine.")
    registration = Registration(sitk.Euler3DTransform(), Method.NONE, None, 0.0, quality=quality)
    assert registration.verdict is quality
    assert quality.level is Grade.GOOD


def test_settings_saved_by_their_former_names_are_read() -> None:
    assert FusionSettings.from_dict({"steadiness": 0.0, "plane": "AXIAL"}).through_slice_smoothing == 0


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("fusion.slices", "fuse_slices"),
        ("fusion.pipeline", "fuse_volumes"),
        ("registration.register", "register"),
        ("volumes.checking", "check_volume"),
        ("volumes.reading", "read_volume"),
        ("network.csafusion", "CSAFusion"),
        ("network.configuration", "NetworkConfiguration"),
        ("weights.weights_file", "save_weights"),
        ("errors", "InputError"),
    ],
)
def test_what_other_programs_import_is_where_it_was(module: str, name: str) -> None:
    assert callable(getattr(import_module(f"CSAFusionLib.{module}"), name))
