"""Options that the commands of this folder share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.errors import InputError
from CSAFusionLib.training.pairs import PairKind, Split

ALL_KINDS = "CT-MRI,SPECT-MRI,PET-MRI,T1-T2"
REGISTERED = Path("runs/registered")
Data = Annotated[Path, typer.Argument(metavar="DATA", help="The folder of the data set.", show_default=False)]
DataDescription = Annotated[
    Path | None,
    typer.Option(
        "--dataset",
        metavar="JSON",
        help="What the data set holds and how it is split. Default: dataset.json in DATA, else that of the repository.",
        show_default=False,
    ),
]
Kinds = Annotated[str, typer.Option(help="Kinds of image pairs, separated by commas.")]
Registered = Annotated[Path, typer.Option(help="Folder that keeps registered T1-T2 volumes for later runs.")]


def parse_kinds(text: str) -> tuple[PairKind, ...]:
    """The kinds of pairs that ``text`` names, separated by commas; raises InputError for an unknown name."""
    known = {kind.value: kind for kind in PairKind}
    unknown = [name for name in text.split(",") if name not in known]
    if unknown:
        raise InputError(f"There is no kind of pair named '{unknown[0]}'; choose from {ALL_KINDS}.")
    return tuple(known[name] for name in text.split(","))


def parse_split(text: str) -> Split:
    """The part of the data set that ``text`` names; raises InputError for an unknown name."""
    if text == "train":
        return "train"
    if text == "val":
        return "val"
    raise InputError(f"The split must be 'train' or 'val', not '{text}'.")
