"""``csafusion average``: weights between two trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.cli.common_options import Overwrite
from CSAFusionLib.cli.outputs import check_extension, check_outputs, print_written


def average(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="Weights.", show_default=False)],
    second: Annotated[
        Path, typer.Argument(metavar="SECOND", help="Weights trained on from FIRST.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The averaged weights (.safetensors).")],
    share: Annotated[float, typer.Option(help="The share of SECOND, from 0 to 1.")] = 0.5,
    overwrite: Overwrite = False,
) -> None:
    """Average the weights of two trainings of one network."""
    check_extension(output, [".safetensors"])
    check_outputs([output], [first, second], overwrite=overwrite)
    from CSAFusionLib.weights.weights_file import average_weights, read_weights, save_weights

    averaged = average_weights(read_weights(first)[0], read_weights(second)[0], share)
    save_weights(averaged, output, about={"averaged": f"{1 - share:g} of {first.name}, {share:g} of {second.name}"})
    print_written([output])
