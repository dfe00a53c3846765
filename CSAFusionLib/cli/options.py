"""Options that several commands share, and how the text of an option becomes a setting."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from CSAFusionLib.fusion.settings import parse_choice
from CSAFusionLib.intensity.colour_tables import COLOUR_TABLES
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.windows import CT_WINDOWS, Window, parse_window

AnEnum = TypeVar("AnEnum", bound=Enum)

MODALITIES = "|".join(modality.name for modality in Modality)
WINDOWS = "LEVEL,WIDTH or " + "|".join(CT_WINDOWS)

Fixed = Annotated[
    Path, typer.Argument(metavar="FIXED", help="The reference: its grid is the result's grid.", show_default=False)
]
Moving = Annotated[Path, typer.Argument(metavar="MOVING", help="What is brought onto it.", show_default=False)]
Model = Annotated[str, typer.Option(help="Freedom of the registration: rigid, affine, or syn (ants only).")]
Seed = Annotated[int, typer.Option(help="Seed of the registration's sampling.")]
ModalityOption = Annotated[str | None, typer.Option(metavar=MODALITIES, help="Guessed from the data when left out.")]
WindowOption = Annotated[
    str | None, typer.Option(metavar="WINDOW", help=f"Shown from black to white: {WINDOWS}. Found when left out.")
]
ColourTable = Annotated[
    str | None,
    typer.Option(metavar="|".join(COLOUR_TABLES), help="Fuse a scalar PET or SPECT in colour, through this table."),
]


def optional_choice(choices: type[AnEnum], text: str | None, what: str) -> AnEnum | None:
    """The member of ``choices`` that ``text`` names, or None when the option was left out."""
    return None if text is None else parse_choice(choices, text, what)


def optional_window(text: str | None) -> Window | None:
    """The window that ``text`` names, or None when the option was left out."""
    return None if text is None else parse_window(text)
