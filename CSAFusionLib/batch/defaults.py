"""What holds for every case of a batch unless its row says otherwise, and how a row says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from CSAFusionLib import checks
from CSAFusionLib.batch.case import Case, Place
from CSAFusionLib.checks import parse_choice
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings, current_names
from CSAFusionLib.registration.masks import check_guides
from CSAFusionLib.volumes.input_path import names_a_series
from CSAFusionLib.volumes.nifti_orientation import Orientation

SETTINGS = {field.name: field for field in fields(FusionSettings)}
_SHORT = {"modality": ("fixed_modality", "moving_modality"), "window": ("fixed_window", "moving_window")}
_FILES = ("region", "transform", "mask", "moving_mask")
COLUMNS = (*_SHORT, "volume", "orientation", "misalignment", *_FILES, *SETTINGS)
"""What a row may say of a case, beside ``fixed``, ``moving`` and ``name``."""

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
        said: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Case:
        """A case with these settings, but for what its row says.

        Args:
            said: texts by the names of ``COLUMNS``; an empty one says nothing. ``modality`` and ``window`` are the
                moving volume's, or both with a slash between them, the fixed volume's first.
            folder: what relative paths in ``said`` start from.

        Raises InputError for a value that cannot be one.
        """
        given = _spelt_out(current_names({key: text.strip() for key, text in (said or {}).items() if text.strip()}))
        settings = {key: _value(key, text) for key, text in given.items() if key in SETTINGS}
        files = {key: ((folder or Path()) / given[key]).absolute() for key in _FILES if key in given}
        if "weights" in settings and Path(settings["weights"]).suffix:
            settings["weights"] = str(((folder or Path()) / settings["weights"]).absolute())
        orientation = parse_choice(Orientation, given["orientation"], "orientation") if "orientation" in given else None
        chosen = replace(self.settings, **settings)
        if "mask" in files or "moving_mask" in files:
            check_guides(chosen.registration, is_given="transform" in files)
        volume = given.get("volume", self.volume)
        if names_a_series(volume):
            raise InputError(
                f"A case is of one volume, not of {volume}; name one by its number, or use csafusion fuse."
            )
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


def _spelt_out(said: dict[str, str]) -> dict[str, str]:
    """What is said, with the settings that a short column stands for by their own names."""
    given = {key: text for key, text in said.items() if key not in _SHORT}
    for short, names in _SHORT.items():
        if short not in said:
            continue
        fixed, slash, moving = said[short].partition("/")
        parts = (fixed, moving) if slash else ("", fixed)
        for name, text in zip(names, parts, strict=True):
            if text.strip() and given.setdefault(name, text.strip()) != text.strip():
                raise InputError(f"The columns '{short}' and '{name}' say two things; leave one out.")
    return given


def _flag(key: str, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise InputError(f"The setting '{key}' is {checks.shown(text)}; give true or false.")
    return _FLAGS[text.lower()]


def _value(key: str, text: str) -> Any:
    """A setting as its text in a table says it; what is checked later stays as it is."""
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
