"""CSAFusionLib.fusion.settings"""

from __future__ import annotations

import json
import os

import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings, parse_choice
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.windows import Window
from CSAFusionLib.registration.methods import Method, TransformModel


def test_settings_come_back_from_json_as_they_were() -> None:
    settings = FusionSettings(
        registration=Method.ANTS,
        transform_model=TransformModel.SYN,
        fixed_modality=Modality.CT,
        fixed_window=Window(40, 80),
        colour_table="hot-iron",
        plane=Plane.CORONAL,
        weights="ct-mr",
        batch_size=3,
        balance=-0.25,
        steadiness=0.5,
    )
    assert FusionSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


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
        ({"steadiness": -1}, "steadiness is -1 mm"),
        ({"steadiness": float("inf")}, "steadiness is inf mm"),
        ({"steadiness": float("nan")}, "steadiness is nan mm"),
        ({"colour_table": "mauve"}, "'mauve'"),
        ({"registration": Method.SITK, "transform_model": TransformModel.SYN}, "'sitk' cannot be syn"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_once(wrong: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        FusionSettings(**wrong)


def test_without_registration_the_model_does_not_matter() -> None:
    FusionSettings(registration=Method.NONE, transform_model=TransformModel.SYN)


def test_a_choice_is_read_in_any_case() -> None:
    assert parse_choice(Modality, "pet", "modality") is Modality.PET


def test_a_choice_that_is_none_lists_those_there_are() -> None:
    with pytest.raises(InputError, match="no plane 'sideways'; choose one of axial, sagittal, coronal, acquired"):
        parse_choice(Plane, "sideways", "plane")


def test_a_repeatable_registration_has_one_thread_and_another_all() -> None:
    assert FusionSettings().threads is None
    assert FusionSettings(deterministic=False).threads == os.cpu_count()
