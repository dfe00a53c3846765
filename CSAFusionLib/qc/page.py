"""Write the review page of a batch, and the interactive 3-D view of one case.

Each is one HTML file that needs no network. The view holds its volumes, 8 bits a channel as compressed NIfTI, and
niivue, which shows them.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import CSAFusionError, InputError
from CSAFusionLib.files.atomic_write import Writer, content_writer
from CSAFusionLib.fusion.result import NOTICE
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.qc.cases import Load, QcCase, brightness, pictures_of
from CSAFusionLib.text import printable

_HERE = Path(__file__).parent
_MARK = '<meta name="generator" content="CSAFusion qc">'
_STAGE = "Making pictures"


def check_page_path(path: Path) -> None:
    """Raise InputError for a path without a page's extension, or one with a file that this command did not write."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"'{path}' does not name a page; end it in .html.")
    try:
        with path.open("rb") as file:
            is_ours = _MARK.encode() in file.read(1024)
    except OSError:
        return
    if not is_ours:
        raise InputError(f"'{path}' already exists and is not a page of csafusion qc; give another name with -o.")


def page_writer(
    cases: Sequence[QcCase],
    folder: Path,
    progress: Progress = silent,
    *,
    misalignment: bool = False,
    views: Path | None = None,
) -> Writer:
    """Return the function that writes the page of these cases, in their order.

    folder: where they are; it names the page, and the reader's decisions are stored under it. A case whose volumes
    cannot be read says so in its row. Only one case's pictures are in memory at a time.
    misalignment: whether to measure, and show, how far off each registration is and where.
    views: the folder the page goes to; a case whose view lies in it has a link to it in its row.
    """

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(_parts(cases, folder.resolve(), progress, misalignment, views))

    return write


def _parts(
    cases: Sequence[QcCase], folder: Path, progress: Progress, misalignment: bool, views: Path | None
) -> Iterator[str]:
    """The page, piece by piece: all text first, so that a browser shows it before it has read the pictures."""
    rows = [_row(case, views) for case in cases]
    data = {"title": printable(folder.name), "notice": NOTICE, "id": _digest(str(folder)), "cases": rows}
    pieces = {
        "mark": _MARK,
        "style": (_HERE / "page.css").read_text(encoding="utf-8"),
        "script": (_HERE / "page.js").read_text(encoding="utf-8"),
        "data": in_script(data),
    }
    template = (_HERE / "page.html").read_text(encoding="utf-8")
    yield re.sub(r"\{\{(\w+)\}\}", lambda found: pieces[found[1]], template)
    for number, case in enumerate(cases):
        progress(_STAGE, number, len(cases))
        pictures = in_script(_pictures(case, misalignment))
        yield f'<script type="application/json" id="pictures-{number}">{pictures}</script>\n'
    progress(_STAGE, len(cases), len(cases))
    yield "</body>\n</html>\n"


def _row(case: QcCase, views: Path | None) -> dict[str, Any]:
    row = {
        "name": printable(case.name),
        "level": case.level,
        "reason": printable(case.reason),
        "figures": [[title, printable(text)] for title, text in case.figures],
        "notes": [printable(note) for note in case.notes],
        "hasPictures": case.load is not None,
    }
    # A decision does not apply to a result that has changed since.
    view = view_name(case.name)
    is_there = views is not None and (views / view).is_file()
    return row | {"digest": _digest(json.dumps(row)), "view": view if is_there else ""}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _pictures(case: QcCase, misalignment: bool) -> dict[str, str]:
    """The pictures, or under ``error`` the reason why there are none."""
    if case.load is None:
        return {}
    try:
        volumes = case.load()
        missing = {"error": printable(volumes.missing)} if volumes.missing else {}
        return pictures_of(volumes, misalignment=misalignment) | missing
    except CSAFusionError as error:
        return {"error": printable(f"There are no pictures: {error}")}


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

    Raises InputError where there is none, naming some of the existing cases, or where it has no volumes.
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
    """Return the function that writes the view of a case.

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
"""Most voxels of one volume in a page; a browser needs several times as many bytes."""
LONGEST_SIDE = 1024
"""Longest side in voxels; graphics cards support at least 2048, software renderers fewer."""

_UINT8, _RGB24 = 2, 128
_HEADER_BYTES = 352
_IN_MM = 2
_SFORM_ALIGNED = 2
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def factors_to_fit(image: sitk.Image, most_voxels: int = MOST_VOXELS) -> tuple[int, int, int]:
    """Return how many voxels along i, j and k are merged, so that the volume fits; (1, 1, 1) where it already does.

    The shortest voxel side grows first, so that voxels become no longer than necessary.
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
    factors: how many voxels along i, j and k are averaged into one.
    """
    if image.GetNumberOfComponentsPerPixel() == 1:
        voxels = np.nan_to_num(sitk.GetArrayViewFromImage(image))
        scaled = sitk.GetImageFromArray(np.clip(voxels * 255.0, 0, 255).round().astype(np.uint8))
        scaled.CopyInformation(image)
        image = scaled
    if max(factors) > 1:
        image = sitk.BinShrink(image, factors)
    voxels = sitk.GetArrayViewFromImage(image)
    # Not SimpleITK's NIfTI writer: it stores colour as a vector, which niivue shows in grey.
    content = _header(image) + np.ascontiguousarray(voxels, dtype=np.uint8).tobytes()
    return gzip.compress(content, compresslevel=6, mtime=0)


def _header(image: sitk.Image) -> bytes:
    """The NIfTI-1 header. The geometry is in the sform alone, which can hold sheared grids."""
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
    """JSON that cannot close the script element that holds it."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
