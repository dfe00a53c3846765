"""Writes the interactive 3-D view of one case: one HTML file with its volumes and with niivue, which shows them.

The volumes are small enough to stand in a page: 8 bits a channel, as compressed NIfTI that niivue shows as it is.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, content_writer
from CSAFusionLib.fusion.result import NOTICE
from CSAFusionLib.qc.cases import QcCase
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


MOST_VOXELS = 256**3
"""Of one volume in a page; a browser holds several times as many bytes."""
LONGEST_SIDE = 1024
"""In voxels; graphics cards take at least 2048, software that stands in for one takes less."""

_UINT8, _RGB24 = 2, 128
_HEADER_BYTES = 352
_IN_MM = 2
_SFORM_ALIGNED = 2
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def factors_to_fit(image: sitk.Image, most_voxels: int = MOST_VOXELS) -> tuple[int, int, int]:
    """Return how many voxels along i, j and k become one, so that the volume fits; (1, 1, 1) where it does already.

    The shortest voxel side grows first, so that voxels become no longer than they have to.
    """
    factors = np.ones(3, dtype=int)
    size = np.array(image.GetSize())
    while np.prod(size // factors) > most_voxels or (size // factors).max() > LONGEST_SIDE:
        sides = factors * np.array(image.GetSpacing())
        open_to_growth = size // (factors + 1) >= 1
        too_long = size // factors > LONGEST_SIDE
        candidates = (too_long if too_long.any() else open_to_growth).nonzero()[0]
        factors[candidates[sides[candidates].argmin()]] += 1
    i, j, k = factors.tolist()
    return i, j, k


def nifti_of(image: sitk.Image, factors: tuple[int, int, int] = (1, 1, 1)) -> bytes:
    """Return a volume as gzipped NIfTI-1 of uint8, or of RGB24 where it is in colour.

    image: float in [0, 1], shown as 0 to 255, or RGB of uint8.
    factors: how many voxels along i, j and k become one, their mean.
    """
    if image.GetNumberOfComponentsPerPixel() == 1:
        voxels = np.nan_to_num(sitk.GetArrayViewFromImage(image))
        scaled = sitk.GetImageFromArray(np.clip(voxels * 255.0, 0, 255).round().astype(np.uint8))
        scaled.CopyInformation(image)
        image = scaled
    if max(factors) > 1:
        image = sitk.BinShrink(image, factors)
    voxels = sitk.GetArrayViewFromImage(image)
    # Not SimpleITK's own NIfTI: it stores colour as a vector, which niivue shows grey.
    content = _header(image) + np.ascontiguousarray(voxels, dtype=np.uint8).tobytes()
    return gzip.compress(content, compresslevel=6, mtime=0)


def _header(image: sitk.Image) -> bytes:
    """The header of NIfTI-1. The place stands in the sform alone, which also has sheared grids."""
    channels = image.GetNumberOfComponentsPerPixel()
    spacing = image.GetSpacing()
    axes = _LPS_TO_RAS @ np.reshape(image.GetDirection(), (3, 3)) * np.array(spacing)
    affine = np.column_stack([axes, _LPS_TO_RAS @ np.array(image.GetOrigin())])
    header = bytearray(_HEADER_BYTES)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *image.GetSize(), 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, _UINT8 if channels == 1 else _RGB24, 8 * channels)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 0.0, 0.0, 0.0, 0.0)
    struct.pack_into("<3f", header, 108, _HEADER_BYTES, 1.0, 0.0)
    struct.pack_into("<B", header, 123, _IN_MM)
    struct.pack_into("<2f", header, 124, 255.0, 0.0)
    struct.pack_into("<2h", header, 252, 0, _SFORM_ALIGNED)
    struct.pack_into("<12f", header, 280, *affine.ravel())
    struct.pack_into("<4s", header, 344, b"n+1\0")
    return bytes(header)


def in_script(value: Any) -> str:
    """JSON that ends no script element, whatever texts it holds."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
