"""One pair of a batch: what is fused, with which settings, and where its files go.

Defaults apply to every case unless its row overrides them.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from CSAFusionLib import checks
from CSAFusionLib.batch.layout import FAILED, SIDECAR, SUMMARY
from CSAFusionLib.checks import parse_choice
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings, current_names
from CSAFusionLib.registration.registration import check_guides
from CSAFusionLib.volumes.input_path import names_a_series
from CSAFusionLib.volumes.nifti import Orientation

_LONGEST = 100
_MOST_BYTES = 240  # in a file name on most disks, less the extension of a record
_FORBIDDEN = set('<>:"/\\|?*')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(1, 10))}


def path_from(folder: Path, text: str) -> Path:
    """The absolute path that a cell of a table in ``folder`` means; a leading ``~`` is the home folder."""
    return (folder / os.path.expanduser(text)).absolute()


@dataclass(frozen=True)
class Place:
    """Where the files of a case go, relative to the folder of the batch.

    folder: the folder of the case. whole: whether it holds nothing else, so that it can be put in place in one step.
    fused, registered, sidecar: file names in it. transform: a file name without its extension. misalignment: the file
        names of the map, its uncertainty and its picture, which only some cases have.
    sidecars: contents of further JSON files in it, by name; ``map_sidecars``: those of a map; ``described``: additional
        entries of the sidecar.
    """

    folder: PurePosixPath
    fused: str = "fused.nii.gz"
    registered: str = "registered.nii.gz"
    transform: str = "transform"
    sidecar: str = SIDECAR
    whole: bool = True
    misalignment: tuple[str, str, str] = ("misalignment.nii.gz", "misalignment-uncertainty.nii.gz", "misalignment.png")
    sidecars: dict[str, dict[str, Any]] = field(default_factory=dict)
    map_sidecars: dict[str, dict[str, Any]] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A pair to fuse; it can be sent to another process.

    fixed, moving, region, transform, mask, moving_mask: absolute paths. region: where to fuse, on the fixed grid.
    transform: used as it is instead of a registration, from fixed to moving points. mask, moving_mask: where the
    registration compares the two, each on the grid of its volume.
    misalignment: whether to measure how far off the registration is, and where.
    volume: which volume of inputs that hold several, as :func:`CSAFusionLib.cli.options.read_inputs` takes it.
    brainsfit: the BRAINSFit executable, if it is not the one on the PATH.
    refusal: why the case cannot be done, if that is known from the start; it then fails with this sentence.
    """

    name: str
    fixed: Path
    moving: Path
    settings: FusionSettings
    place: Place
    volume: str | None = None
    orientation: Orientation = Orientation.HEADER
    region: Path | None = None
    transform: Path | None = None
    mask: Path | None = None
    moving_mask: Path | None = None
    misalignment: bool = False
    brainsfit: Path | None = None
    refusal: str | None = None

    @property
    def inputs(self) -> dict[str, Path]:
        """The files that its result depends on, by role."""
        roles = ("fixed", "moving", "region", "transform", "mask", "moving_mask")
        known: dict[str, Path | None] = {role: getattr(self, role) for role in roles}
        weights = self.settings.weights
        if weights is not None and Path(weights).suffix:
            known["weights"] = Path(weights)
        return {role: path for role, path in known.items() if path is not None}

    @property
    def choices(self) -> dict[str, Any]:
        """The choices of the case, as its sidecar records them."""
        # Without a map there is no such key, so that records from before there were maps still match.
        requested = {"misalignment": True} if self.misalignment else {}
        return {
            "settings": self.settings.to_dict(),
            "volume": self.volume,
            "orientation": self.orientation.name,
        } | requested


def check_name(name: str) -> str:
    """Return the name of a case if it can name a folder on every system; raises InputError otherwise."""
    bad = sorted(_FORBIDDEN & set(name)) or [one for one in name if not one.isprintable()]
    if bad:
        raise InputError(f"The case's name {checks.shown(name)} holds {checks.shown(bad[0])}; leave that out.")
    if not name or name != name.strip() or name[0] in ".-" or name[-1] == ".":
        raise InputError(
            f"The case's name {checks.shown(name)} begins or ends with a character that a folder's cannot; change it."
        )
    if len(name) > _LONGEST:
        raise InputError(f"The case's name {checks.shown(name)} is longer than {_LONGEST} letters; shorten it.")
    if len(name.encode()) > _MOST_BYTES:
        raise InputError(f"The case's name {checks.shown(name)} is longer than a folder's can be; shorten it.")
    if name.lower().split(".")[0] in _RESERVED or name.lower() in (FAILED, SUMMARY, "logs"):
        raise InputError(f"A case cannot be named {checks.shown(name)}; choose another name.")
    return name


def check_cases(cases: Iterable[Case]) -> list[Case]:
    """Return the cases if no two have the same name or place, which capitals alone do not tell apart on some disks.

    The way an accented letter is stored makes no difference either.

    Raises InputError, which names the first duplicate, or says that there is no case.
    """
    known: dict[str, Case] = {}
    for case in cases:
        other = known.setdefault(unicodedata.normalize("NFC", case.name).lower(), case)
        if other is not case:
            raise InputError(
                f"Two cases are named {checks.shown(case.name)}: '{other.fixed.name}' with '{other.moving.name}' and "
                f"'{case.fixed.name}' with '{case.moving.name}'; give each a name of its own in a column 'name'."
            )
    if not known:
        raise InputError("There is no pair to fuse; give at least one.")
    return list(known.values())


SETTINGS = {field.name: field for field in fields(FusionSettings)}
_SHORT = {"modality": ("fixed_modality", "moving_modality"), "window": ("fixed_window", "moving_window")}
_FILES = ("region", "transform", "mask", "moving_mask")
COLUMNS = (*_SHORT, "volume", "orientation", "misalignment", *_FILES, *SETTINGS)
"""The columns that a row may have beside ``fixed``, ``moving`` and ``name``."""

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Defaults:
    """The settings of a batch, which its cases share."""

    settings: FusionSettings
    volume: str | None = None
    orientation: Orientation = Orientation.HEADER
    brainsfit: Path | None = None
    misalignment: bool = False

    def case(
        self,
        name: str,
        fixed: Path,
        moving: Path,
        place: Place,
        row: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Case:
        """A case with these settings, except those that its row overrides.

        Args:
            row: texts by the names of ``COLUMNS``; an empty one counts as left out. ``modality`` and ``window`` are the
                moving volume's, or both with a slash between them, the fixed volume's first.
            folder: the folder that relative paths in ``row`` start from.

        Raises InputError for an invalid value.
        """
        given = _spelt_out(current_names({key: text.strip() for key, text in (row or {}).items() if text.strip()}))
        settings = {key: _value(key, text) for key, text in given.items() if key in SETTINGS}
        files = {key: path_from(folder or Path(), given[key]) for key in _FILES if key in given}
        if "weights" in settings and Path(settings["weights"]).suffix:
            settings["weights"] = str(path_from(folder or Path(), settings["weights"]))
        orientation = parse_choice(Orientation, given["orientation"], "orientation") if "orientation" in given else None
        chosen = replace(self.settings, **settings)
        if "mask" in files or "moving_mask" in files:
            check_guides(chosen.registration, is_given="transform" in files)
        volume = given.get("volume", self.volume)
        if names_a_series(volume):
            raise InputError(f"A case takes one volume, not {volume}; give the number of one, or use csafusion fuse.")
        return Case(
            name=name,
            fixed=fixed.absolute(),
            moving=moving.absolute(),
            settings=chosen,
            place=place,
            volume=volume,
            orientation=orientation or self.orientation,
            region=files.get("region"),
            transform=files.get("transform"),
            mask=files.get("mask"),
            moving_mask=files.get("moving_mask"),
            misalignment=_flag("misalignment", given["misalignment"]) if "misalignment" in given else self.misalignment,
            brainsfit=self.brainsfit,
        )


def _spelt_out(row: dict[str, str]) -> dict[str, str]:
    """The row, with each short column replaced by the settings it stands for."""
    given = {key: text for key, text in row.items() if key not in _SHORT}
    for short, names in _SHORT.items():
        if short not in row:
            continue
        fixed, slash, moving = row[short].partition("/")
        parts = (fixed, moving) if slash else ("", fixed)
        for name, text in zip(names, parts, strict=True):
            if text.strip() and given.setdefault(name, text.strip()) != text.strip():
                raise InputError(f"The columns '{short}' and '{name}' contradict each other; leave one out.")
    return given


def _flag(key: str, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise InputError(f"The setting '{key}' is {checks.shown(text)}; give true or false.")
    return _FLAGS[text.lower()]


def _value(key: str, text: str) -> Any:
    """Convert the text of a setting in a table; a value that is checked later stays a text."""
    kind = SETTINGS[key].type
    if kind == "bool":
        return _flag(key, text)
    for name, convert in (("int", int), ("float", float)):
        if str(kind).startswith(name):
            try:
                return convert(text)
            except ValueError:
                raise InputError(f"The setting '{key}' is {checks.shown(text)}; give a number.") from None
    return text
