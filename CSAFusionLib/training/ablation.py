"""Trainings that differ from a reference in one thing, to see what that thing is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from CSAFusionLib.network.configuration import CONFIGURATIONS
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.configuration import TrainingConfiguration
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.run import train_in_folder

Variants = dict[str, TrainingConfiguration]


def network_variants(reference: TrainingConfiguration) -> Variants:
    """Return the reference with each of the other networks: the article's Table 2, and its output layer."""
    channels, window = reference.network.channels, reference.network.window
    networks = {name: replace(network, channels=channels, window=window) for name, network in CONFIGURATIONS.items()}
    return {
        name: replace(reference, network=network) for name, network in networks.items() if network != reference.network
    }


def loss_variants(reference: TrainingConfiguration, factors: Sequence[float]) -> Variants:
    """Return the reference with one term of the loss after the other times each factor: the article's Figure 12.

    A term's weights for A and B are changed together; terms the reference does not use are left out.
    """
    weights = reference.loss_weights.to_dict()
    terms = dict.fromkeys(name.removesuffix("_a").removesuffix("_b") for name, weight in weights.items() if weight)
    variants: Variants = {}
    for term, factor in product(terms, factors):
        changed = {
            name: weight * factor for name, weight in weights.items() if name in (term, f"{term}_a", f"{term}_b")
        }
        name = f"{factor:g}x-{term}"
        variants[name] = replace(reference, loss_weights=replace(reference.loss_weights, **changed))
    return variants


def train_variants(
    variants: Variants,
    dataset: DataSet,
    folder: Path,
    *,
    registered: Path,
    device: str = "cpu",
    progress: Progress = silent,
) -> dict[str, Path]:
    """Train each variant in a folder of its own and return their weights; what is already trained is not trained again.

    Args and errors are those of :func:`CSAFusionLib.training.run.train_in_folder`.
    """
    return {
        name: train_in_folder(
            configuration,
            dataset,
            folder / name,
            registered=registered,
            device=device,
            resume=(folder / name / "checkpoint.pt").exists(),
            progress=lambda stage, done, total, name=name: progress(f"{name}: {stage}", done, total),
        )
        for name, configuration in variants.items()
    }
