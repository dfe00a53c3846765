"""The cases of a table, a CSV or TSV file, and those of two folders: what has one name in both is a pair."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from CSAFusionLib import checks
from CSAFusionLib.batch.case import COLUMNS, Case, Defaults, Place, check_cases, check_name
from CSAFusionLib.batch.layout import NOTHING
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FORMER_NAMES
from CSAFusionLib.volumes.input_path import check_input_path

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img.gz", ".img", ".dcm", ".gz")
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*]')


def stem_of(path: Path) -> str:
    """The name of a volume's file without its ending, or of a folder, made fit to be a case's name."""
    name = path.name
    for ending in _ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            name = name[: -len(ending)]
            break
    return _NOT_IN_NAMES.sub("_", name).strip(" .-") or "case"


_VOLUMES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".dcm")
_SHOWN = 3


@dataclass(frozen=True)
class Matched:
    """The pairs of two folders, and what of each has no partner in the other."""

    cases: list[Case]
    without: list[Path]

    def notes(self) -> list[str]:
        """What to tell of the volumes that were left out; nothing where there are none."""
        if not self.without:
            return []
        few = ", ".join(f"'{path}'" for path in self.without[:_SHOWN])
        more = f" and {len(self.without) - _SHOWN} more" if len(self.without) > _SHOWN else ""
        return [f"Without a partner of the same name, and left out: {few}{more}."]


def cases_of_folders(fixed: Path, moving: Path, defaults: Defaults) -> Matched:
    """Match the volumes of two folders by their names without endings; a volume is a file or a folder of DICOM slices.

    Raises InputError when a folder cannot be read, holds two volumes of one name, or when nothing matches.
    """
    sides = _volumes(fixed), _volumes(moving)
    both = [name for name in sides[0] if name in sides[1]]
    if not both:
        raise InputError(
            f"No volume of '{fixed}' has the name of one of '{moving}'; name each pair alike, or list the pairs in a "
            f"table with the columns fixed and moving."
        )
    cases = [
        defaults.case(name, sides[0][name], sides[1][name], Place(PurePosixPath(check_name(name)))) for name in both
    ]
    without = [path for side in sides for name, path in side.items() if name not in both]
    return Matched(check_cases(cases), without)


def _volumes(folder: Path) -> dict[str, Path]:
    """The volumes in a folder by their names, in the order of these."""
    if not check_input_path(folder):
        raise InputError(f"'{folder}' is a file; give two folders, or one table.")
    found: dict[str, Path] = {}
    for path in sorted(_candidates(folder.iterdir())):
        other = found.setdefault(stem_of(path), path)
        if other is not path:
            raise InputError(f"'{other}' and '{path}' have one name; remove one, or list the pairs in a table.")
    return found


def _candidates(paths: Iterable[Path]) -> list[Path]:
    return [
        path
        for path in paths
        if not path.name.startswith(".") and (path.is_dir() or path.name.lower().endswith(_VOLUMES))
    ]


_NEEDED = ("fixed", "moving")
_MOST_BYTES = 100 * 2**20


def cases_of_table(file: Path, defaults: Defaults) -> list[Case]:
    """Read the cases of a table whose first line names its columns.

    ``fixed`` and ``moving`` are paths, relative ones seen from the table's folder; ``name``, and all of
    :data:`CSAFusionLib.batch.case.COLUMNS`, may be left out. ``n/a`` stands for an empty cell.

    Raises InputError, which names the line, for what cannot be read, an unknown column or a value that cannot be one.
    """
    rows = _rows(file)
    names = _names([row for _, row in rows], file)
    cases = []
    for (line, row), name in zip(rows, names, strict=True):
        said = {key: text for key, text in row.items() if key not in (*_NEEDED, "name")}
        fixed, moving = (file.parent / row[key] for key in _NEEDED)
        try:
            place = Place(PurePosixPath(check_name(name)))
            cases.append(defaults.case(name, fixed, moving, place, said, file.parent))
        except InputError as error:
            raise InputError(f"'{file}', line {line}: {error}") from error
    return check_cases(cases)


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows with their line numbers, their cells by the names of the columns."""
    reader = csv.reader(io.StringIO(text := _text(file), newline=""), _dialect(text))
    try:
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise InputError(f"'{file}' cannot be read as a table ({error}); save it as CSV or TSV.") from error
    filled = [(number, row) for number, row in lines if any(row)]
    if not filled:
        raise InputError(f"'{file}' is empty; give a table with the columns fixed and moving.")
    header = _header(filled[0][1], file)
    for number, row in filled[1:]:
        if len(row) > len(header) and any(row[len(header) :]):
            raise InputError(f"'{file}', line {number} has more cells than there are columns; correct it.")
    if not filled[1:]:
        raise InputError(f"'{file}' names its columns and no pair; add a line for each.")
    rows = [(number, dict(zip(header, map(_content, row), strict=False))) for number, row in filled[1:]]
    for number, values in rows:
        for key in _NEEDED:
            if not values.get(key):
                raise InputError(f"'{file}', line {number} names no {key} volume; fill in the column '{key}'.")
    return rows


def _header(cells: list[str], file: Path) -> list[str]:
    names = [cell.lower().replace("-", "_").replace(" ", "_") for cell in cells]
    names = [FORMER_NAMES.get(name, name) for name in names]
    known = (*_NEEDED, "name", *COLUMNS)
    for key in _NEEDED:
        if key not in names:
            raise InputError(f"'{file}' has no column '{key}'; its first line must name the columns fixed and moving.")
    for name in names:
        if name not in known:
            raise InputError(
                f"'{file}' has a column {checks.shown(name)}, which means nothing here; remove it, or name one of "
                f"{', '.join(known)}."
            )
        if names.count(name) > 1:
            raise InputError(f"'{file}' has two columns '{name}'; remove one.")
    return names


def _text(file: Path) -> str:
    if check_input_path(file):
        raise InputError(f"'{file}' is a folder; give a table, or two folders.")
    if file.stat().st_size > _MOST_BYTES:
        raise InputError(f"'{file}' is no table of pairs: it is larger than {_MOST_BYTES // 2**20} MiB.")
    data = file.read_bytes()
    try:
        # Spreadsheets begin their files with a mark of the encoding, and some write two bytes a letter.
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"'{file}' is no text in UTF-8; save it as CSV or TSV in UTF-8.") from error


def _dialect(text: str) -> type[csv.Dialect]:
    """Tabs, semicolons (as spreadsheets write where the comma is decimal) or commas, as the first line has them."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    class Found(csv.excel):
        delimiter = max("\t;,", key=lambda mark: (first.count(mark), mark == ","))

    return Found


def _content(cell: str) -> str:
    return "" if cell.lower() == NOTHING else cell


def _names(rows: list[dict[str, str]], file: Path) -> list[str]:
    """The names given, else those of the fixed volumes, or of both where the fixed ones are not enough."""
    fixed = [stem_of(Path(row["fixed"])) for row in rows]
    both = [f"{one}_{stem_of(Path(row['moving']))}" for one, row in zip(fixed, rows, strict=True)]
    times = Counter(one.lower() for one in fixed)
    return [
        row.get("name") or (one if times[one.lower()] == 1 else pair)
        for row, one, pair in zip(rows, fixed, both, strict=True)
    ]
