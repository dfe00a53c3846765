"""Writes the page: one HTML file that asks nothing of a network and has its pictures in it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from CSAFusionLib.errors import CSAFusionError, InputError
from CSAFusionLib.files.atomic_write import Writer
from CSAFusionLib.fusion.result import NOTICE
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.qc.cases import QcCase
from CSAFusionLib.qc.thumbnails import pictures_of
from CSAFusionLib.qc.view import in_script, view_name
from CSAFusionLib.text import printable

_HERE = Path(__file__).parent
_MARK = '<meta name="generator" content="CSAFusion qc">'
_STAGE = "Making pictures"


def check_page_path(path: Path) -> None:
    """Raise InputError for a path that is no name of a page, or where a file lies that is not one of ours."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"'{path}' does not name a page; end it in .html.")
    try:
        with path.open("rb") as file:
            is_ours = _MARK.encode() in file.read(1024)
    except OSError:
        return
    if not is_ours:
        raise InputError(f"'{path}' is there already and is no page of csafusion qc; give another name with -o.")


def page_writer(
    cases: Sequence[QcCase],
    folder: Path,
    progress: Progress = silent,
    *,
    misalignment: bool = False,
    views: Path | None = None,
) -> Writer:
    """Return what writes the page of these cases, in their order.

    folder: where they are; it names the page, and what a reader decides is kept for it. A case whose volumes cannot be
    read says so in its row. The pictures of no more than one case are held at a time.
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
    """The page, piece by piece: all that is text first, so that a browser shows it before it has read the pictures."""
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
    # A decision on a result that has changed since is none on the new one.
    view = view_name(case.name)
    is_there = views is not None and (views / view).is_file()
    return row | {"digest": _digest(json.dumps(row)), "view": view if is_there else ""}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _pictures(case: QcCase, misalignment: bool) -> dict[str, str]:
    """The pictures, or under ``error`` the sentence that says why there are none."""
    if case.load is None:
        return {}
    try:
        volumes = case.load()
        missing = {"error": printable(volumes.missing)} if volumes.missing else {}
        return pictures_of(volumes, misalignment=misalignment) | missing
    except CSAFusionError as error:
        return {"error": printable(f"There are no pictures: {error}")}
