"""CSAFusionLib.cli.options"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from CSAFusionLib.cli.development.options import parse_kinds, parse_split
from CSAFusionLib.cli.development.train import TrainingOptions
from CSAFusionLib.cli.main import app
from CSAFusionLib.cli.options import parse_named
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.training.configuration import TrainingConfiguration
from CSAFusionLib.training.pairs import PairKind


def options_of(command: str) -> dict[str, Any]:
    """The options of a command by their names, as the parser knows them."""
    return {option.name: option for option in get_command(app).commands[command].params}


@pytest.mark.parametrize(("command", "group"), [(c, g) for c in ("fuse", "register") for g in ("model", "seed")])
def test_an_option_of_a_group_is_an_option_of_each_command(command: str, group: str) -> None:
    found = {word for option in options_of(command).values() for word in option.opts}
    assert f"--{group}" in found


def test_what_is_left_out_on_the_command_line_is_what_python_takes() -> None:
    known = {field.name: field for field in fields(FusionSettings)}
    options = {name: option for name, option in options_of("fuse").items() if name in known}
    assert len(options) == len(known)
    for name, option in options.items():
        default = None if name == "registration" else getattr(FusionSettings(), name)
        assert option.default in (default, getattr(default, "value", default)), name


def test_a_choice_is_taken_in_any_case_and_another_is_refused(tmp_path: Path) -> None:
    words = ["register", "no.nii", "such.nii", "--transform", str(tmp_path / "t.tfm"), "--method"]
    assert "'no.nii' does not exist" in CliRunner().invoke(app, [*words, "SITK"]).output
    refused = CliRunner().invoke(app, [*words, "best"])
    assert refused.exit_code == 2 and "'best' is not one of 'auto', 'none'" in refused.output


def test_a_training_has_the_defaults_of_its_configuration() -> None:
    configuration = TrainingConfiguration()
    for field in fields(TrainingOptions):
        assert field.default == getattr(configuration, field.name), field.name


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
