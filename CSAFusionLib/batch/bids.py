"""The cases of a BIDS data set, and the names and sidecars that BIDS derivatives have.

pybids finds and parses the files. It does not name the results: its ``build_path`` leaves out entities that its
patterns do not know, among them those of a transform.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from CSAFusionLib import __version__
from CSAFusionLib.batch.case import Case, Defaults, Place, check_cases
from CSAFusionLib.batch.layout import FAILED, SUMMARY
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.input_path import check_input_path

VERSION = "1.10.0"
"""Of the specification that the names and sidecars follow."""

_EXTENSIONS = (".nii.gz", ".nii")
_ENTITY = re.compile(r"[A-Za-z0-9]+[-=][A-Za-z0-9+]+")
# These stand behind ``space`` in a name; what describes another derivative is not taken over.
_BEHIND_SPACE = ("split", "recording", "chunk")
_OF_DERIVATIVES = ("space", "seg", "res", "den", "label", "desc", "from", "to", "mode")


@dataclass(frozen=True)
class Selection:
    """Which images of a data set: a suffix such as ``pet``, and entities by their short names, such as ``trc: FDG``."""

    suffix: str
    entities: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Selection:
        """The selection that ``pet`` or ``pet,trc-FDG,run-1`` means; InputError for any other form."""
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
    """A case for each moving image, with the fixed image of its subject, of its session where that has one.

    A moving image with no fixed image, or with several, is a case too, which fails with a sentence.

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
    """The files at the top of the derivatives by name: contents as JSON values, or as text."""
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
        # Metadata of the images are not needed, and reading them takes most of the time.
        layout = BIDSLayout(root, indexer=BIDSLayoutIndexer(index_metadata=False))
    except (BIDSValidationError, BIDSDerivativesValidationError, ValueError) as error:
        said = " ".join(str(error).split("Example")[0].split())
        raise InputError(f"'{root}' is no BIDS data set: {said}") from error
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
    lies = {"SpatialReference": sources[0], "Resolution": f"That of the {space} image."}
    off = "How far the registration of the two is off, mm; negative where nothing is known."
    registered = f"The {moving.suffix} image on the grid of the {space} image, its intensities its own."
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
            f"{stems['registered']}.json": {"Description": registered, "Sources": sources, **lies},
            f"{transform}.json": {
                "Description": f"From points of the {space} to points of the {moving.suffix} image, LPS mm (ITK).",
                "Sources": sources,
            },
        },
        map_sidecars={
            f"{stems['misalignment']}.json": {"Description": off, "Units": "mm", "Sources": sources, **lies},
            f"{stems['misalignmentDeviation']}.json": {
                "Description": "The standard deviation of that, mm; negative where nothing is known.",
                "Units": "mm",
                "Sources": sources,
                **lies,
            },
        },
        described={"Description": "Fused by CSAFusion.", "Sources": sources, **lies},
    )


def _folder(image: Image) -> PurePosixPath:
    session = image.value("ses")
    parts = [f"sub-{image.value('sub')}", *([] if session is None else [f"ses-{session}"]), image.datatype]
    return PurePosixPath(*parts)


def _joined(entities: Iterable[tuple[str, str]] | Mapping[str, str]) -> list[str]:
    pairs = entities.items() if isinstance(entities, Mapping) else entities
    return [f"{key}-{value}" for key, value in pairs]


def _uri(path: Path, root: Path) -> str:
    """A BIDS URI; the fixed image that is missing has none, but then the case fails."""
    return f"bids:raw:{path.absolute().relative_to(root.absolute()).as_posix()}"
