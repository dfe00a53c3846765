from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from CSAFusionLib.losses.fusion_loss import LossWeights
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.training import trainings
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.training_configuration import TrainingConfiguration
from CSAFusionLib.training.trainings import loss_variants, network_variants, train_variants

REFERENCE = TrainingConfiguration(
    network=NetworkConfiguration(channels=8, window=4),
    loss_weights=LossWeights(1, 1, 2, 3, 0, 0, ssim_parity=4),
    epochs=3,
)


def test_each_network_variant_differs_from_the_reference_in_its_network_alone() -> None:
    variants = network_variants(REFERENCE)
    assert set(variants) == {"no-dual-fusion", "no-attention", "no-adaptive", "direct-output"}
    for variant in variants.values():
        assert replace(variant, network=REFERENCE.network) == REFERENCE
        assert (variant.network.channels, variant.network.window) == (8, 4)
    assert not variants["no-attention"].network.attention
    consistent = replace(REFERENCE, network=replace(REFERENCE.network, pointwise=True, token=2, reach=0.5))
    assert set(network_variants(consistent)) == {*variants, "no-pointwise", "any-reach", "every-pixel-a-token"}


def test_each_loss_variant_changes_one_term_that_the_reference_has() -> None:
    variants = loss_variants(REFERENCE, [2])
    assert {name: variant.loss_weights for name, variant in variants.items()} == {
        "2x-ssim": LossWeights(2, 2, 2, 3, 0, 0, ssim_parity=4),
        "2x-rmi": LossWeights(1, 1, 4, 6, 0, 0, ssim_parity=4),
        "2x-ssim_parity": LossWeights(1, 1, 2, 3, 0, 0, ssim_parity=8),
    }
    several = loss_variants(REFERENCE, [0, 0.5])
    assert list(several) == [f"{factor}x-{term}" for term in ("ssim", "rmi", "ssim_parity") for factor in ("0", "0.5")]
    assert several["0x-rmi"].loss_weights == LossWeights(1, 1, 0, 0, 0, 0, ssim_parity=4)


def test_variants_are_trained_apart_and_begun_ones_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def train(configuration: TrainingConfiguration, data: Path, folder: Path, **options: object) -> Path:
        calls.append((folder.name, configuration.network, options["resume"]))
        return folder / "best.safetensors"

    monkeypatch.setattr(trainings, "train_in_folder", train)
    (tmp_path / "no-attention").mkdir()
    (tmp_path / "no-attention" / "checkpoint.pt").touch()
    variants = {name: network_variants(REFERENCE)[name] for name in ("no-attention", "no-adaptive")}
    weights = train_variants(variants, DataSet(), tmp_path, registered=tmp_path)
    assert weights == {name: tmp_path / name / "best.safetensors" for name in variants}
    assert calls == [(name, variants[name].network, name == "no-attention") for name in variants]
