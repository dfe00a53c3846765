"""Options that several commands share, and how the text of an option becomes a setting."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from CSAFusionLib.cli.panels import FUSION, INPUTS, NETWORK, REGISTRATION, offering
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import parse_choice
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.colour_tables import COLOUR_TABLES
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.windows import CT_WINDOWS, Window, parse_window
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.training.pairs import PairKind, Split
from CSAFusionLib.volumes.nifti_orientation import Orientation

AnEnum = TypeVar("AnEnum", bound=Enum)

ORIENTATIONS = "|".join(orientation.name.lower() for orientation in Orientation)
MODALITIES = "|".join(modality.name for modality in Modality)
WINDOWS = "LEVEL,WIDTH or " + "|".join(CT_WINDOWS)
METHODS = "|".join(method.name.lower() for method in Method)
PLANES = "|".join(plane.value for plane in Plane)
MODELS = "|".join(model.name.lower() for model in TransformModel)

Fixed = Annotated[
    Path, typer.Argument(metavar="FIXED", help="The reference: its grid is the result's grid.", show_default=False)
]
Moving = Annotated[Path, typer.Argument(metavar="MOVING", help="What is brought onto it.", show_default=False)]
VolumeNumber = Annotated[
    str | None,
    typer.Option(
        "--volume",
        metavar="N|N,M",
        help="Which volume, from 1, of an input that holds several; N,M where both do.",
        rich_help_panel=INPUTS,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        metavar=MODELS,
        help="Freedom of the registration. Deformable are bspline (elastix, landmarks, brains) and the others (ants).",
        rich_help_panel=REGISTRATION,
        autocompletion=offering(MODELS.split("|")),
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the registration's sampling.", rich_help_panel=REGISTRATION)]
Deterministic = Annotated[
    bool,
    typer.Option(
        "--deterministic/--all-threads",
        help="Register with one thread, so that the same input gives the same transform, or faster with all.",
        rich_help_panel=REGISTRATION,
    ),
]
Brainsfit = Annotated[
    Path | None,
    typer.Option(
        help="BRAINSFit's executable, for the method brains. Default: the one on the PATH.",
        rich_help_panel=REGISTRATION,
    ),
]
ModalityOption = Annotated[
    str | None,
    typer.Option(
        metavar=MODALITIES,
        help="Guessed from the data when left out.",
        rich_help_panel=INPUTS,
        autocompletion=offering(MODALITIES.split("|")),
    ),
]
WindowOption = Annotated[
    str | None,
    typer.Option(
        metavar="WINDOW",
        help=f"Shown from black to white: {WINDOWS}. Found when left out.",
        rich_help_panel=INPUTS,
        autocompletion=offering(CT_WINDOWS),
    ),
]
OrientationFrom = Annotated[
    str,
    typer.Option(
        metavar=ORIENTATIONS,
        help="What places NIfTI volumes: header chooses between qform and sform as 3D Slicer does; nibabel takes the "
        "sform first, and a header without orientation as nibabel, FSL and SPM do.",
        rich_help_panel=INPUTS,
        autocompletion=offering(ORIENTATIONS.split("|")),
    ),
]
ColourTable = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(COLOUR_TABLES),
        help="Fuse a scalar PET or SPECT in colour, through this table.",
        rich_help_panel=FUSION,
        autocompletion=offering(COLOUR_TABLES),
    ),
]

SlicePlane = Annotated[
    str,
    typer.Option(
        metavar=PLANES,
        help="Plane of the slices. auto: as acquired where FIXED has thick slices, else axial.",
        rich_help_panel=FUSION,
        autocompletion=offering(PLANES.split("|")),
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(help="Bundled weights by name, or a file. Default: by modality.", rich_help_panel=NETWORK),
]
Balance = Annotated[
    float,
    typer.Option(help="Strength of the sources, from -1 (FIXED alone) to 1 (MOVING alone).", rich_help_panel=FUSION),
]
Steadiness = Annotated[
    float,
    typer.Option(
        metavar="MM",
        help="Neighbouring slices share gains over so many mm; 0: each on its own.",
        rich_help_panel=FUSION,
    ),
]
NetworkDevice = Annotated[
    str, typer.Option(help="Where the network runs: auto, cpu, cuda, cuda:N or mps.", rich_help_panel=NETWORK)
]
BatchSize = Annotated[
    int | None,
    typer.Option(help="Slices at a time. Default: by device and slice size.", rich_help_panel=NETWORK),
]

ALL_KINDS = "CT-MRI,SPECT-MRI,PET-MRI,T1-T2"
REGISTERED = Path("runs/registered")
Data = Annotated[
    Path, typer.Argument(metavar="DATA", help="The folder that holds slices/ and volumes/.", show_default=False)
]
Kinds = Annotated[str, typer.Option(help="Kinds of image pairs, with commas between them.")]
Registered = Annotated[Path, typer.Option(help="Folder that keeps registered T1-T2 volumes for the next time.")]


def optional_choice(choices: type[AnEnum], text: str | None, what: str) -> AnEnum | None:
    """The member of ``choices`` that ``text`` names, or None when the option was left out."""
    return None if text is None else parse_choice(choices, text, what)


def optional_window(text: str | None) -> Window | None:
    """The window that ``text`` names, or None when the option was left out."""
    return None if text is None else parse_window(text)


def parse_kinds(text: str) -> tuple[PairKind, ...]:
    """The kinds of pairs that ``text`` names, with commas between them; InputError for a name that is none."""
    known = {kind.value: kind for kind in PairKind}
    unknown = [name for name in text.split(",") if name not in known]
    if unknown:
        raise InputError(f"There is no kind of pair named '{unknown[0]}'; choose from {ALL_KINDS}.")
    return tuple(known[name] for name in text.split(","))


def parse_split(text: str) -> Split:
    """The part of the data set that ``text`` names; InputError for a name that is none."""
    if text == "train":
        return "train"
    if text == "val":
        return "val"
    raise InputError(f"The split must be 'train' or 'val', not '{text}'.")


def parse_named(text: str, what: str) -> tuple[str, str]:
    """The name and the value in ``NAME=VALUE``; InputError, which tells ``what`` was expected, where one is missing."""
    name, _, value = text.partition("=")
    if not name or not value:
        raise InputError(f"'{text}' is no {what}; give it as NAME=VALUE.")
    return name, value
