"""CSAFusionLib.cli.options"""

from __future__ import annotations

from inspect import signature

import pytest

from CSAFusionLib.cli.fuse import fuse
from CSAFusionLib.cli.options import METHODS, MODELS, parse_kinds, parse_named, parse_split
from CSAFusionLib.cli.train import train
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings, parse_choice
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.training.configuration import TrainingConfiguration
from CSAFusionLib.training.pairs import PairKind


def test_every_method_and_model_of_a_registration_is_offered_by_the_name_that_is_understood() -> None:
    assert [parse_choice(Method, name, "method") for name in METHODS.split("|")] == list(Method)
    assert [parse_choice(TransformModel, name, "model") for name in MODELS.split("|")] == list(TransformModel)


def test_what_is_left_out_on_the_command_line_is_what_python_takes() -> None:
    options, settings = signature(fuse).parameters, FusionSettings()
    for name in ("balance", "steadiness", "colour_table", "weights", "device", "batch_size", "seed", "deterministic"):
        assert options[name].default == getattr(settings, name), name
    options, configuration = signature(train).parameters, TrainingConfiguration()
    names = ("retention_target", "epochs", "samples_per_epoch", "batch_size", "patch_size", "learning_rate", "patience")
    for name in (*names, "averaging", "seed"):
        assert options[name].default == getattr(configuration, name), name


def test_kinds_are_named_with_commas_between_them() -> None:
    assert parse_kinds("T1-T2,CT-MRI") == (PairKind.T1_T2, PairKind.CT_MRI)


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no kind of pair named 'MR-US'; choose from CT-MRI,"):
        parse_kinds("CT-MRI,MR-US")


def test_the_split_is_train_or_val() -> None:
    assert (parse_split("train"), parse_split("val")) == ("train", "val")
    with pytest.raises(InputError, match="must be 'train' or 'val', not 'test'"):
        parse_split("test")


def test_a_name_ends_at_the_first_equals_sign() -> None:
    assert parse_named("no attention=runs/a=b.safetensors", "weights") == ("no attention", "runs/a=b.safetensors")


@pytest.mark.parametrize("text", ["runs", "=runs", "name="])
def test_what_is_no_name_with_a_value_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"'{text}' is no folder of results; give it as NAME=VALUE"):
        parse_named(text, "folder of results")
