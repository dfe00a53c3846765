"""What a user can choose about a fusion, today's names and those before."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from CSAFusionLib.checks import parse_choice
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FORMER_NAMES, FusionSettings
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.mapping import Window
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Method, Registration, TransformModel


def test_settings_come_back_from_json_as_they_were() -> None:
    chosen = FusionSettings(
        registration=Method.ANTS,
        transform_model=TransformModel.SYN,
        fixed_modality=Modality.CT,
        fixed_window=Window(40, 80),
        colour_table="hot-iron",
        plane=Plane.CORONAL,
        weights="ct-mr",
        batch_size=3,
        balance=-0.25,
        through_slice_smoothing=0.5,
    )
    assert FusionSettings.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen


def test_what_json_leaves_out_keeps_its_default() -> None:
    assert FusionSettings.from_dict({"device": "cpu"}) == FusionSettings(device="cpu")


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(InputError, match="'colour'"):
        FusionSettings.from_dict({"colour": "red"})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"batch_size": 0}, "batch size is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"balance": 1.5}, "balance is 1.5"),
        ({"balance": float("nan")}, "balance is nan"),
        ({"through_slice_smoothing": -1}, "through-slice smoothing is -1 mm"),
        ({"through_slice_smoothing": float("inf")}, "through-slice smoothing is inf mm"),
        ({"through_slice_smoothing": float("nan")}, "through-slice smoothing is nan mm"),
        ({"through_slice_smoothing": 1e9}, "through-slice smoothing is 1000000000.0 mm"),
        ({"seed": 2**32}, "seed is 4294967296; give a whole number from 0 to 2147483646"),
        ({"batch_size": 10**9}, "batch size is 1000000000"),
        ({"colour_table": "mauve"}, "'mauve'"),
        ({"registration": Method.SITK, "transform_model": TransformModel.SYN}, "'sitk' cannot be syn"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_once(wrong: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        FusionSettings(**wrong)


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in fields(FusionSettings)]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=9)
            | st.sampled_from(["AUTO", "CT"]),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["level", "width"]), inner),
            max_leaves=3,
        ),
        max_size=4,
    )
)
@settings(derandomize=True, max_examples=300, deadline=None)
def test_whatever_json_holds_gives_settings_or_one_sentence(values: dict) -> None:
    try:
        found = FusionSettings.from_dict(values)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert FusionSettings.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found


def test_what_numpy_made_travels_as_json() -> None:
    made = FusionSettings(
        balance=np.float32(0.5), seed=np.int64(3), batch_size=np.uint8(2), weights=Path("a.safetensors")
    )
    assert FusionSettings.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_without_registration_the_model_does_not_matter() -> None:
    FusionSettings(registration=Method.NONE, transform_model=TransformModel.SYN)


def test_a_choice_is_read_in_any_case() -> None:
    assert parse_choice(Modality, "pet", "modality") is Modality.PET


def test_a_choice_that_is_none_lists_those_there_are() -> None:
    with pytest.raises(InputError, match="no plane 'sideways'; choose one of auto, axial, sagittal, coronal, acquired"):
        parse_choice(Plane, "sideways", "plane")


def test_a_repeatable_registration_has_one_thread_and_another_all() -> None:
    assert FusionSettings().threads is None
    assert FusionSettings(deterministic=False).threads == os.cpu_count()


def test_settings_of_a_version_before_are_read() -> None:
    assert FusionSettings.from_dict({"steadiness": 3.0}) == FusionSettings(through_slice_smoothing=3.0)
    known = {field.name for field in fields(FusionSettings)}
    assert set(FORMER_NAMES.values()) <= known and known.isdisjoint(FORMER_NAMES)


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
