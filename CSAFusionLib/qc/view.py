"""Writes the interactive 3-D view of one case: one HTML file with its volumes and with niivue, which shows them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, content_writer
from CSAFusionLib.fusion.result import NOTICE
from CSAFusionLib.qc.cases import QcCase
from CSAFusionLib.qc.embedded_volumes import factors_to_fit, nifti_of
from CSAFusionLib.qc.script_data import in_script
from CSAFusionLib.qc.thumbnails import Load, brightness
from CSAFusionLib.text import printable

_HERE = Path(__file__).parent
_TITLES = {"fixed": "Fixed", "registered": "Registered moving", "fused": "Fused"}
_NAMED = 5


def view_name(case: str) -> str:
    """Return the name of the file of a case's view, the same on every system; no two cases share one."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", case)[:100]
    if plain != case:
        plain += "-" + hashlib.sha256(case.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"view-{plain}.html"


def case_to_view(cases: Sequence[QcCase], name: str, folder: Path) -> QcCase:
    """Return the case of this name.

    Raises InputError where there is none, naming some that there are, or where it has no volumes.
    """
    for case in cases:
        if case.name == name:
            if case.load is None:
                raise InputError(f"The case '{name}' has no volumes to view: {case.reason}")
            return case
    known = sorted(case.name for case in cases)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    raise InputError(f"'{folder}' has no case '{name}'; it has {', '.join(known[:_NAMED])}{more}.")


def view_writer(case: QcCase) -> Writer:
    """Return what writes the view of a case.

    Raises InputError, as reading its volumes does, before anything is written.
    """
    assert case.load is not None
    pieces = {
        "style": _text("view.css"),
        "niivue": _text("niivue/niivue.umd.js"),
        "data": in_script(_data(case, case.load)),
        "script": _text("view.js"),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: pieces[found[1]], _text("view.html"))
    return content_writer(page)


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _data(case: QcCase, load: Load) -> dict[str, Any]:
    """What the page shows; every text goes into it as text, never as markup."""
    volumes = load()
    images = {
        "registered": brightness(volumes.registered, volumes.registered_scale),
        "fused": brightness(volumes.fused, None),
    }
    if volumes.fixed is not None:
        images = {"fixed": brightness(volumes.fixed, volumes.fixed_scale)} | images
    factors = factors_to_fit(volumes.fused)
    shown = [
        {
            "role": role,
            "title": _TITLES[role],
            "inColour": image.GetNumberOfComponentsPerPixel() > 1,
            "nifti": base64.b64encode(nifti_of(image, factors)).decode("ascii"),
        }
        for role, image in images.items()
    ]
    notes = [volumes.missing] if volumes.missing else []
    size = " x ".join(map(str, volumes.fused.GetSize()))
    if max(factors) > 1:
        coarse = " x ".join(map(str, factors))
        notes.append(
            f"The volumes are too large for a page: {coarse} of their {size} voxels are shown as one, their mean."
        )
    return {
        "name": printable(case.name),
        "verdict": printable(f"{case.level.capitalize()}: {case.reason}"),
        "notice": NOTICE,
        "notes": [printable(note) for note in notes],
        "size": f"{size} voxels",
        "licence": _text("niivue/LICENSE.txt"),
        "volumes": shown,
    }
