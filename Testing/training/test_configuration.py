from __future__ import annotations

from pathlib import Path

import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.losses.fusion_loss import LossWeights
from CSAFusionLib.network.configuration import CONFIGURATIONS
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.training.training_configuration import TrainingConfiguration


def test_settings_come_back_from_their_file(tmp_path: Path) -> None:
    configuration = TrainingConfiguration(
        kinds=(PairKind.T1_T2, PairKind.CT_MRI),
        network=CONFIGURATIONS["no-attention"],
        loss_weights=LossWeights(2, 3, ssim_parity=1),
        learning_rate=3e-4,
    )
    configuration.write(tmp_path / "settings.json")
    assert TrainingConfiguration.read(tmp_path / "settings.json") == configuration


def test_settings_with_the_former_names_of_loss_terms_still_load(tmp_path: Path) -> None:
    configuration = TrainingConfiguration(loss_weights=LossWeights(ssim_parity=0.3, artefacts=12))
    configuration.write(tmp_path / "settings.json")
    old = (tmp_path / "settings.json").read_text().replace("ssim_parity", "balance").replace("artefacts", "invention")
    (tmp_path / "settings.json").write_text(old)
    assert TrainingConfiguration.read(tmp_path / "settings.json") == configuration


@pytest.mark.parametrize("text", ["", "{}", '{"kinds": ["X-ray"]}', "[1]"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(InputError, match=r"settings\.json"):
        TrainingConfiguration.read(tmp_path / "settings.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no .*settings\.json"):
        TrainingConfiguration.read(tmp_path / "settings.json")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("kinds", ()),
        ("epochs", 0),
        ("patch_size", 40),
        ("learning_rate", 0.0),
        ("averaging", 1.0),
        ("averaging", -0.1),
        ("retention_target", 0),
        ("retention_target", 1.1),
    ],
)
def test_a_setting_out_of_range_is_refused(setting: str, value: object) -> None:
    with pytest.raises(InputError):
        TrainingConfiguration(**{setting: value})
