"""``csafusion evaluate``: metrics of the network and of plain methods, on the data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.cli import options
from CSAFusionLib.cli.progress_bar import ProgressBar
from CSAFusionLib.errors import InputError


def evaluate(
    data: options.Data,
    kinds: options.Kinds = options.ALL_KINDS,
    split: Annotated[str, typer.Option(metavar="train|val", help="Which patients.")] = "val",
    weights: Annotated[
        list[str] | None, typer.Option(help="Weights by name or file, once for each; the bundled ones when left out.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also save every pair's figures (.csv).")
    ] = None,
    registered: options.Registered = options.REGISTERED,
) -> None:
    """Compare fused images with their sources, and print the means as a Markdown table."""
    from CSAFusionLib.evaluation import table
    from CSAFusionLib.evaluation.methods.catalogue import PLAIN_METHODS
    from CSAFusionLib.evaluation.methods.network import by_network
    from CSAFusionLib.training.data import read_pairs
    from CSAFusionLib.training.pairs import Split
    from CSAFusionLib.weights.catalogue import bundled_checksums, load_network

    if split not in ("train", "val"):
        raise InputError(f"The split must be 'train' or 'val', not '{split}'.")
    compared = dict(PLAIN_METHODS)
    for name in weights or bundled_checksums():
        compared[name] = by_network(load_network(name)[0])
    with ProgressBar() as progress:
        part: Split = "train" if split == "train" else "val"
        pairs = read_pairs(data, options.parse_kinds(kinds), part, registered=registered, progress=progress)
        results = table.evaluate(compared, pairs, progress)
    if output is not None:
        results.to_csv(output, index=False)
    typer.echo(table.to_markdown(table.summarise(results)))
