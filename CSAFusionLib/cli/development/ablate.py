"""``csafusion ablate``: measure the contribution of each part of the network, or of each term of the loss."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CSAFusionLib.cli.development import data_options
from CSAFusionLib.cli.development.evaluate import check_packages
from CSAFusionLib.cli.options import NetworkDevice
from CSAFusionLib.cli.outputs import check_output_folder, print_written
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, content_writer
from CSAFusionLib.fusion.device import choose_device

if TYPE_CHECKING:
    from CSAFusionLib.training.training_configuration import TrainingConfiguration
    from CSAFusionLib.training.trainings import Variants


def ablate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of the training to compare with.")],
    data: data_options.Data,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder for the trainings and their table.")
    ],
    dataset: data_options.DataDescription = None,
    what: Annotated[
        str, typer.Option(metavar="networks|losses", help="Change the network, or one term of the loss at a time.")
    ] = "networks",
    factors: Annotated[
        str, typer.Option(metavar="F,F,...", help="Losses: the factors that multiply each term's weights, in turn.")
    ] = "0,0.5,2",
    only: Annotated[str | None, typer.Option(help="Only these variants, separated by commas.")] = None,
    device: NetworkDevice = "auto",
    registered: data_options.Registered = data_options.REGISTERED,
) -> None:
    """Train variants of a training with its own settings, and compare them on the val patients.

    The table also covers lesions; for losses there is also a plot. Finished trainings in the output folder are kept, so
    the command can be stopped and run again.
    """
    check_packages()
    from CSAFusionLib.evaluation.compared_methods import by_weights
    from CSAFusionLib.evaluation.comparison import add_lesions, compare_methods
    from CSAFusionLib.evaluation.report.report_files import to_markdown, to_svg, weight_curves
    from CSAFusionLib.evaluation.report.tables import tables_of
    from CSAFusionLib.evaluation.statistics import by_weight
    from CSAFusionLib.training.dataset import read_dataset
    from CSAFusionLib.training.pairs import read_pairs
    from CSAFusionLib.training.training_configuration import TrainingConfiguration
    from CSAFusionLib.training.trainings import CONFIGURATION_FILE, train_variants

    check_output_folder(output)
    reference = TrainingConfiguration.read(run / CONFIGURATION_FILE)
    variants = _chosen(_variants_of(reference, what, factors), only)
    described = read_dataset(data, dataset)
    torch_device = choose_device(device).torch_device
    compared = [by_weights("reference", run / "best.safetensors", torch_device)]
    with ProgressBar() as progress:
        weights = train_variants(
            variants, described, output, registered=registered, device=torch_device, progress=progress
        )
        compared += [by_weights(name, path, torch_device) for name, path in weights.items()]
        pairs = read_pairs(described, reference.kinds, "val", registered=registered, progress=progress)
        comparison = add_lesions(compare_methods(compared, "reference", pairs, progress), compared, progress)
    about = [f"Every network is trained as {run} was, for {reference.epochs} epochs, except for what its name says."]
    text = to_markdown(tables_of(comparison), about, "reference")
    written: dict[Path, Writer] = {output / f"{what}.md": content_writer(text)}
    if what == "losses":
        for kind, rows in by_weight(comparison.summary, "reference").groupby("kind"):
            written[output / f"losses-{kind}.svg"] = content_writer(to_svg(weight_curves(rows)))
    atomic_write(written)
    typer.echo(text, nl=False)
    print_written(written)


def _variants_of(reference: TrainingConfiguration, what: str, factors: str) -> Variants:
    from CSAFusionLib.training.trainings import loss_variants, network_variants

    if what == "networks":
        return network_variants(reference)
    if what == "losses":
        return loss_variants(reference, _parse_factors(factors))
    raise InputError(f"Ablate 'networks' or 'losses', not '{what}'.")


def _parse_factors(text: str) -> list[float]:
    try:
        factors = [float(word) for word in text.split(",")]
    except ValueError:
        factors = [math.nan]
    if not all(0 <= factor < math.inf for factor in factors):
        raise InputError(f"Factors are numbers of 0 or more, separated by commas, like 0,0.5,2, not '{text}'.")
    return factors


def _chosen(variants: Variants, only: str | None) -> Variants:
    names = list(variants) if only is None else only.split(",")
    for name in names:
        if name not in variants:
            raise InputError(f"There is no variant named '{name}'; choose from {', '.join(variants)}.")
    return {name: variants[name] for name in names}
