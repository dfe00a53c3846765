"""Where the cases of a batch come from: a table, two folders with equal names, or a BIDS data set.

pybids finds and parses BIDS files. It does not name the results: its ``build_path`` leaves out entities that its
patterns do not know, among them those of a transform.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from CSAFusionLib import __version__, checks
from CSAFusionLib.batch.case import COLUMNS, Case, Defaults, Place, check_cases, check_name, path_from
from CSAFusionLib.batch.layout import FAILED, NOTHING, SUMMARY
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FORMER_NAMES
from CSAFusionLib.volumes.input_path import check_input_path

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img.gz", ".img", ".dcm", ".gz")
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*]')


def stem_of(path: Path) -> str:
    """The name of a volume's file without its extension, or of a folder, changed where a case's name requires it."""
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
    """The pairs of two folders, and the volumes without a partner."""

    cases: list[Case]
    without: list[Path]

    def notes(self) -> list[str]:
        """A note on the volumes that are left out, if there are any."""
        if not self.without:
            return []
        few = ", ".join(f"'{path}'" for path in self.without[:_SHOWN])
        more = f" and {len(self.without) - _SHOWN} more" if len(self.without) > _SHOWN else ""
        return [f"Left out, because they have no partner of the same name: {few}{more}."]


def cases_of_folders(fixed: Path, moving: Path, defaults: Defaults) -> Matched:
    """Match the volumes of two folders by name without extension; a volume is a file or a folder of DICOM slices.

    Raises InputError when a folder cannot be read, holds two volumes of the same name, or when nothing matches.
    """
    sides = _volumes(fixed), _volumes(moving)
    both = [name for name in sides[0] if name in sides[1]]
    if not both:
        raise InputError(
            f"No volume in '{fixed}' has the same name as one in '{moving}'; give both volumes of a pair the same "
            f"name, or list the pairs in a table with the columns fixed and moving."
        )
    cases = [
        defaults.case(name, sides[0][name], sides[1][name], Place(PurePosixPath(check_name(name)))) for name in both
    ]
    without = [path for side in sides for name, path in side.items() if name not in both]
    return Matched(check_cases(cases), without)


def _volumes(folder: Path) -> dict[str, Path]:
    """The volumes in a folder by name, in sorted order."""
    if not check_input_path(folder):
        raise InputError(f"'{folder}' is a file; give two folders, or one table.")
    found: dict[str, Path] = {}
    for path in sorted(_candidates(folder.iterdir())):
        other = found.setdefault(stem_of(path), path)
        if other is not path:
            raise InputError(f"'{other}' and '{path}' have the same name; remove one, or list the pairs in a table.")
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

    ``fixed`` and ``moving`` are paths, relative to the table's folder or to the home folder ``~``; ``name``, and all of
    :data:`CSAFusionLib.batch.case.COLUMNS`, may be left out. ``n/a`` stands for an empty cell.

    Raises InputError, which names the line, for an unreadable table, an unknown column or an invalid value.
    """
    rows = _rows(file)
    names = _names([row for _, row in rows], file)
    cases = []
    for (line, row), name in zip(rows, names, strict=True):
        settings = {key: text for key, text in row.items() if key not in (*_NEEDED, "name")}
        fixed, moving = (path_from(file.parent, row[key]) for key in _NEEDED)
        try:
            place = Place(PurePosixPath(check_name(name)))
            cases.append(defaults.case(name, fixed, moving, place, settings, file.parent))
        except InputError as error:
            raise InputError(f"'{file}', line {line}: {error}") from error
    return check_cases(cases)


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows as line numbers and cells by column name."""
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
        raise InputError(f"'{file}' has column names but no pairs; add a line for each pair.")
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
                f"'{file}' has a column {checks.shown(name)}, which is unknown; remove it, or use one of "
                f"{', '.join(known)}."
            )
        if names.count(name) > 1:
            raise InputError(f"'{file}' has two columns '{name}'; remove one.")
    return names


def _text(file: Path) -> str:
    if check_input_path(file):
        raise InputError(f"'{file}' is a folder; give a table, or two folders.")
    if file.stat().st_size > _MOST_BYTES:
        raise InputError(f"'{file}' is not a table of pairs: it is larger than {_MOST_BYTES // 2**20} MiB.")
    data = file.read_bytes()
    try:
        # Spreadsheets start their files with a byte order mark, and some write UTF-16.
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"'{file}' is not UTF-8 text; save it as CSV or TSV in UTF-8.") from error


def _dialect(text: str) -> type[csv.Dialect]:
    """Tabs, semicolons (spreadsheets use them where the comma is decimal) or commas, whichever the first line has."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    class Found(csv.excel):
        delimiter = max("\t;,", key=lambda mark: (first.count(mark), mark == ","))

    return Found


def _content(cell: str) -> str:
    return "" if cell.lower() == NOTHING else cell


def _names(rows: list[dict[str, str]], file: Path) -> list[str]:
    """The given names, else those of the fixed volumes, or of both volumes where the fixed ones are not unique."""
    fixed = [stem_of(Path(row["fixed"])) for row in rows]
    both = [f"{one}_{stem_of(Path(row['moving']))}" for one, row in zip(fixed, rows, strict=True)]
    times = Counter(one.lower() for one in fixed)
    return [
        row.get("name") or (one if times[one.lower()] == 1 else pair)
        for row, one, pair in zip(rows, fixed, both, strict=True)
    ]


VERSION = "1.10.0"
"""The version of the specification that the names and sidecars follow."""

_EXTENSIONS = (".nii.gz", ".nii")
_ENTITY = re.compile(r"[A-Za-z0-9]+[-=][A-Za-z0-9+]+")
# These follow ``space`` in a name; entities that describe another derivative are dropped.
_BEHIND_SPACE = ("split", "recording", "chunk")
_OF_DERIVATIVES = ("space", "seg", "res", "den", "label", "desc", "from", "to", "mode")


@dataclass(frozen=True)
class Selection:
    """Which images of a data set: a suffix such as ``pet``, and entities by their short names, such as ``trc: FDG``."""

    suffix: str
    entities: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Parse ``pet`` or ``pet,trc-FDG,run-1``; raises InputError for any other form."""
        suffix, *entities = (part.strip() for part in text.split(","))
        if not suffix.isalnum() or not all(map(_ENTITY.fullmatch, entities)):
            raise InputError(
                f"'{text}' selects no images of a BIDS data set; give a suffix, as in pet, or a suffix with entities, "
                f"as in pet,trc-FDG."
            )
        pairs = (re.split("[-=]", entity, maxsplit=1) for entity in entities)
        return cls(suffix, tuple((key, value) for key, value in pairs))


@dataclass(frozen=True)
class Image:
    """An image of a data set: its file, the entities of its name in their order, and its data type (``anat``)."""

    path: Path
    entities: tuple[tuple[str, str], ...]
    suffix: str
    datatype: str

    def value(self, entity: str) -> str | None:
        """The value of an entity, or None."""
        return dict(self.entities).get(entity)


def cases_of_bids(root: Path, fixed: Selection, moving: Selection, defaults: Defaults) -> list[Case]:
    """A case for each moving image, paired with the fixed image of its session, else of its subject.

    A moving image with no fixed image, or with several, is also a case, which fails with a sentence.

    Raises InputError when the data set cannot be read or holds no such image.
    """
    images = _images(root)
    chosen = {role: [one for one in images if _fits(one, what)] for role, what in (("f", fixed), ("m", moving))}
    for role, what in (("f", fixed), ("m", moving)):
        if not chosen[role]:
            known = ", ".join(sorted({image.suffix for image in images})) or "no image"
            raise InputError(f"'{root}' holds no image '{_words(what)}'; it holds {known}.")
    of_subject: dict[str | None, list[Image]] = defaultdict(list)
    for image in chosen["f"]:
        of_subject[image.value("sub")].append(image)
    return check_cases(_case(one, of_subject[one.value("sub")], root, fixed, defaults) for one in chosen["m"])


def dataset_files(root: Path) -> dict[str, Any]:
    """The files at the top of the derivatives folder by name: contents as JSON values, or as text."""
    return {
        "dataset_description.json": {
            "Name": "CSAFusion: registered and fused images",
            "BIDSVersion": VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "CSAFusion", "Version": __version__}],
            "SourceDatasets": [{"URL": root.absolute().as_uri()}],
            "DatasetLinks": {"raw": root.absolute().as_uri()},
        },
        ".bidsignore": f"{SUMMARY}\n*.tsv\n{FAILED}/\n",
    }


def _images(root: Path) -> list[Image]:
    if not check_input_path(root):
        raise InputError(f"'{root}' is a file; give the folder of a BIDS data set.")
    try:
        from bids import BIDSLayout, BIDSLayoutIndexer
        from bids.exceptions import BIDSDerivativesValidationError, BIDSValidationError
    except ImportError as error:
        raise InputError(
            "Reading BIDS data sets needs pybids; install it with: pip install 'csafusion[bids]'."
        ) from error
    try:
        # The images' metadata are not needed, and reading them takes most of the time.
        layout = BIDSLayout(root, indexer=BIDSLayoutIndexer(index_metadata=False))
    except (BIDSValidationError, BIDSDerivativesValidationError, ValueError) as error:
        reason = " ".join(str(error).split("Example")[0].split())
        raise InputError(f"'{root}' is not a BIDS data set: {reason}") from error
    found = layout.get(extension=list(_EXTENSIONS))
    return sorted(filter(None, map(_image, found)), key=lambda image: image.path)


def _image(file: Any) -> Image | None:
    path, known = Path(file.path), file.get_entities()
    *entities, _ = path.name.split(".")[0].split("_")
    pairs = tuple((key, value) for key, _, value in (entity.partition("-") for entity in entities))
    if "suffix" not in known or "datatype" not in known or not pairs or pairs[0][0] != "sub":
        return None
    return Image(path, pairs, known["suffix"], known["datatype"])


def _fits(image: Image, what: Selection) -> bool:
    return image.suffix == what.suffix and all(image.value(key) == value for key, value in what.entities)


def _words(what: Selection) -> str:
    return ",".join([what.suffix, *(f"{key}-{value}" for key, value in what.entities)])


def _case(moving: Image, of_subject: list[Image], root: Path, what: Selection, defaults: Defaults) -> Case:
    session = moving.value("ses")
    near = [image for image in of_subject if image.value("ses") == session] or of_subject
    fixed = near[0] if near else Image(root / "missing", (), what.suffix, "anat")
    refusal = None
    if not near:
        refusal = f"'sub-{moving.value('sub')}' has no {_words(what)} to fuse '{moving.path.name}' with; add one."
    elif len(near) > 1:
        names = ", ".join(f"'{image.path.name}'" for image in near)
        refusal = f"'{moving.path.name}' could go with {names}; say which with --fixed, as in {what.suffix},run-1."
    name = "_".join(_joined(moving.entities)) + f"_{moving.suffix}"
    case = defaults.case(name, fixed.path, moving.path, _place(fixed, moving, root))
    return case if refusal is None else Case(**{**vars(case), "refusal": refusal})


def _place(fixed: Image, moving: Image, root: Path) -> Place:
    """Names and sidecars of a case, in the order of entities that the specification gives."""
    kept = [pair for pair in moving.entities if pair[0] not in _OF_DERIVATIVES]
    before = [pair for pair in kept if pair[0] not in _BEHIND_SPACE]
    behind = [pair for pair in kept if pair[0] in _BEHIND_SPACE]
    space = fixed.suffix

    def named(**entities: str) -> str:
        return "_".join([*_joined(before), f"space-{space}", *_joined(behind), *_joined(entities.items())])

    described = ("fused", "registered", "misalignment", "misalignmentDeviation")
    stems = {what: f"{named(desc=what)}_{moving.suffix}" for what in described}
    turn = {"from": moving.suffix, "to": space, "mode": "image"}
    transform = "_".join([*_joined(before), *_joined(behind), *_joined(turn.items())]) + "_xfm"
    sources = [_uri(image.path, root) for image in (fixed, moving)]
    geometry = {"SpatialReference": sources[0], "Resolution": f"That of the {space} image."}
    off = "The estimated error of the registration in mm; negative where it is unknown."
    registered = f"The {moving.suffix} image on the grid of the {space} image, with its own intensities."
    return Place(
        folder=_folder(moving),
        fused=f"{stems['fused']}.nii.gz",
        registered=f"{stems['registered']}.nii.gz",
        transform=transform,
        misalignment=(
            f"{stems['misalignment']}.nii.gz",
            f"{stems['misalignmentDeviation']}.nii.gz",
            f"{stems['misalignment']}.png",
        ),
        sidecar=f"{stems['fused']}.json",
        whole=False,
        sidecars={
            f"{stems['registered']}.json": {"Description": registered, "Sources": sources, **geometry},
            f"{transform}.json": {
                "Description": f"From points of the {space} to points of the {moving.suffix} image, LPS mm (ITK).",
                "Sources": sources,
            },
        },
        map_sidecars={
            f"{stems['misalignment']}.json": {"Description": off, "Units": "mm", "Sources": sources, **geometry},
            f"{stems['misalignmentDeviation']}.json": {
                "Description": "The standard deviation of the estimated error in mm; negative where it is unknown.",
                "Units": "mm",
                "Sources": sources,
                **geometry,
            },
        },
        described={"Description": "Fused by CSAFusion.", "Sources": sources, **geometry},
    )


def _folder(image: Image) -> PurePosixPath:
    session = image.value("ses")
    parts = [f"sub-{image.value('sub')}", *([] if session is None else [f"ses-{session}"]), image.datatype]
    return PurePosixPath(*parts)


def _joined(entities: Iterable[tuple[str, str]] | Mapping[str, str]) -> list[str]:
    pairs = entities.items() if isinstance(entities, Mapping) else entities
    return [f"{key}-{value}" for key, value in pairs]


def _uri(path: Path, root: Path) -> str:
    """A BIDS URI; that of a missing fixed image leads nowhere, but then the case fails."""
    return f"bids:raw:{path.absolute().relative_to(root.absolute()).as_posix()}"
