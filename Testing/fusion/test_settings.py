"""CSAFusionLib.fusion.settings"""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CSAFusionLib.checks import parse_choice
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FORMER_NAMES, FusionSettings
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.windows import Window
from CSAFusionLib.registration.methods import Method, TransformModel


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
