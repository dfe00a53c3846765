"""``csafusion train``: weights from a folder of image pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.cli.development import data_options
from CSAFusionLib.cli.options import NetworkDevice
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.network.configuration import CONFIGURATIONS, NetworkConfiguration

ARTICLE_WEIGHTS = "ssim=1,rmi=1:2.5,contrast=1"


@dataclass(frozen=True)
class TrainingOptions:
    """How the network is trained; each field sets the field of the same name in the training configuration."""

    retention_target: Annotated[
        float,
        typer.Option(
            help="How far a lesion must stand out, relative to its source, to be retained enough: over 0 to 1."
        ),
    ] = 0.7
    epochs: Annotated[int, typer.Option(help="Epochs in total, including those before a resume.")] = 200
    samples_per_epoch: Annotated[int, typer.Option(help="Patches drawn in an epoch.")] = 800
    batch_size: Annotated[int, typer.Option(help="Patches of one patient per step of one process.")] = 8
    opposite_lesions: Annotated[
        float, typer.Option(help="Share of training lesions that are dark in one source and bright in the other.")
    ] = 0.25
    brightest: Annotated[
        float, typer.Option(help="Largest factor by which the augmentation brightens a source: 1 to 4.")
    ] = 1.2
    pointwise_start: Annotated[
        str,
        typer.Option(
            metavar="average|b-less-a|dimmed-maximum|root-of-squares|power-sum=A:B:POWER",
            help="What a pointwise part starts from; a power sum with its factors of A and B and its power.",
        ),
    ] = "average"
    pointwise_steps: Annotated[int, typer.Option(help="Steps in which a pointwise part is trained alone.")] = 100
    pointwise_rate: Annotated[float, typer.Option(help="Its learning rate after that, relative to the rest's.")] = 0.25
    patch_size: Annotated[int, typer.Option(help="Side of a patch in pixels.")] = 120
    learning_rate: Annotated[float, typer.Option(help="The initial learning rate.")] = 1e-3
    schedule: Annotated[
        str,
        typer.Option(metavar="plateau|cosine", help="How the learning rate falls: halved at plateaus, or smoothly."),
    ] = "plateau"
    patience: Annotated[int, typer.Option(help="Epochs without a better validation loss before it is halved.")] = 4
    averaging: Annotated[float, typer.Option(help="Decay of the moving average of the weights, 0 for none.")] = 0.98
    seed: Annotated[int, typer.Option(help="Seed of the weights, the patches and their augmentation.")] = 0


def train(
    data: data_options.Data,
    output: Annotated[Path, typer.Option("-o", "--output", help="The run's folder: weights, checkpoint, log.")],
    dataset: data_options.DataDescription = None,
    kinds: data_options.Kinds = data_options.ALL_KINDS,
    network: Annotated[
        str, typer.Option(metavar="|".join(CONFIGURATIONS), help="The network or an ablation.")
    ] = "full",
    channels: Annotated[int, typer.Option(help="Feature channels at full resolution.")] = 16,
    loss_weights: Annotated[
        str,
        typer.Option(
            metavar="TERM=WEIGHT[:WEIGHT_B],...",
            help="Weights of ssim, rmi, contrast, edge, vif, ssim_parity, gradient, transfer, artefacts, "
            "highlights, retention, consistency, clipping; 0 if not named.",
        ),
    ] = ARTICLE_WEIGHTS,
    *,
    training: TrainingOptions,
    device: NetworkDevice = "auto",
    start_from: Annotated[Path | None, typer.Option(help="Start from the weights in this file.")] = None,
    registered: data_options.Registered = data_options.REGISTERED,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the run's checkpoint.")] = False,
) -> None:
    """Train the network without labels; run it under torchrun to use several processes or GPUs."""
    from CSAFusionLib.losses.fusion_loss import parse_loss_weights
    from CSAFusionLib.training.dataset import read_dataset
    from CSAFusionLib.training.training_configuration import TrainingConfiguration
    from CSAFusionLib.training.trainings import train_in_folder

    configuration = TrainingConfiguration(
        kinds=data_options.parse_kinds(kinds),
        network=replace(_configuration_named(network), channels=channels),
        loss_weights=parse_loss_weights(loss_weights),
        **vars(training),
    )
    chosen = choose_device(device)
    with ProgressBar() as progress:
        best = train_in_folder(
            configuration,
            read_dataset(data, dataset),
            output,
            registered=registered,
            device=chosen.torch_device,
            start_from=start_from,
            resume=resume,
            progress=progress,
        )
    typer.echo(f"Trained on {chosen.torch_device} ({chosen.reason}); the best weights are in {best}.")


def _configuration_named(name: str) -> NetworkConfiguration:
    if name not in CONFIGURATIONS:
        raise InputError(f"There is no network named '{name}'; choose one of {', '.join(CONFIGURATIONS)}.")
    return CONFIGURATIONS[name]
