"""Reads the JSON file that describes a data set: its images, and which patients are for training or validation.

The file lies beside the data, as ``dataset.json``, or anywhere else::

    {
      "slices": {
        "folder": "slices",                 where the pictures lie, inside the data folder
        "split": "split.json",              {kind: {"train": [names], "val": [names]}}, inside that folder
        "digits_of_slice": 3,               a name is the patient's, then so many digits of the slice
        "kinds": {"CT-MRI": ["CT-MRI/CT", "CT-MRI/MRI"]}     folders of A and of B; files are NAME.png
      },
      "volumes": {
        "folder": "volumes",
        "pairs": [
          {"name": "patient-1", "kind": "T1-T2", "split": "train", "a": "1/T1.nii.gz", "b": "1/T2.nii.gz",
           "register": true, "grid": "a"}
        ]
      }
    }

Either part can be left out. A volume pair belongs to the split ``train``, ``val`` or ``test``; the last serves neither
training nor model selection. ``register`` (default false) says that B must be registered to A first, ``grid``
(default "a") which of the two gives the voxels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.training.pairs import PairKind, Split

DESCRIPTION = "dataset.json"
_OF_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "Resources" / "Data" / DESCRIPTION
_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class SlicesOfKind:
    """Where the pictures of one kind lie, and the names of each split's."""

    a: Path
    b: Path
    names: Mapping[Split, Sequence[str]]
    digits_of_slice: int


@dataclass(frozen=True)
class VolumePair:
    """Two volumes of one patient; B must be registered to A, or both are already in one space."""

    name: str
    kind: PairKind
    split: str
    a: Path
    b: Path
    register: bool = False
    grid_is_a: bool = True
    cached: str = ""
    """The file name that a registered B is kept under."""


@dataclass(frozen=True)
class DataSet:
    """All that a data set has, with full paths."""

    slices: Mapping[PairKind, SlicesOfKind] = field(default_factory=dict)
    volumes: Sequence[VolumePair] = ()

    def volume_pairs(self, kinds: Sequence[PairKind], *parts: str) -> list[VolumePair]:
        """Return the volume pairs of some kinds and splits, kind by kind."""
        return [pair for kind in kinds for pair in self.volumes if pair.kind is kind and pair.split in parts]


def read_dataset(folder: Path, description: Path | None = None) -> DataSet:
    """Read what a data folder holds.

    Args:
        folder: the data.
        description: the JSON file; by default ``dataset.json`` in the folder, else the one of the repository's own
            data, ``Resources/Data/dataset.json``.

    Raises:
        InputError: the description is missing or invalid; the message names the entry.
    """
    path = description or next((p for p in (folder / DESCRIPTION, _OF_THE_REPOSITORY) if p.is_file()), None)
    if path is None:
        raise InputError(f"{folder} holds no {DESCRIPTION}; put one there, or give its path with --dataset.")
    try:
        content = checks.mapping(json.loads(path.read_text(encoding="utf-8")), "description of a data set")
        slices, volumes = content.get("slices"), content.get("volumes")
        return DataSet(
            {} if slices is None else _slices(checks.mapping(slices, "slices of a data set"), folder),
            () if volumes is None else _volumes(checks.mapping(volumes, "volumes of a data set"), folder),
        )
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}); check the path.") from error
    except KeyError as error:
        raise InputError(f"'{path}' has an entry without {error}; see CSAFusionLib/training/dataset.py.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"'{path}' does not describe a data set: {str(error).rstrip('.')}.") from error


def _slices(entry: Mapping[str, object], folder: Path) -> dict[PairKind, SlicesOfKind]:
    root = folder / str(entry["folder"])
    split_file = root / str(entry["split"])
    if not split_file.is_file():
        # A caller that uses only volumes needs no slices; missing ones are reported when they are read.
        return {}
    splits = json.loads(split_file.read_text(encoding="utf-8"))
    digits = checks.whole_number(entry.get("digits_of_slice", 0), "digits_of_slice", "0 to 9", low=0, high=9)
    kinds = checks.mapping(entry["kinds"], "kinds of slices")
    return {
        PairKind(kind): SlicesOfKind(root / a, root / b, splits[kind], digits)
        for kind, (a, b) in kinds.items()
        if kind in splits
    }


def _volumes(entry: Mapping[str, object], folder: Path) -> list[VolumePair]:
    root = folder / str(entry["folder"])
    pairs = entry["pairs"]
    if not isinstance(pairs, list):
        raise ValueError("the pairs of volumes are no list")
    return [_volume_pair(checks.mapping(pair, "pair of volumes"), root) for pair in pairs]


def _volume_pair(entry: Mapping[str, object], root: Path) -> VolumePair:
    part, grid = entry["split"], entry.get("grid", "a")
    if part not in _PARTS:
        raise ValueError(f"the split of {entry['name']} is {part}, not one of {', '.join(_PARTS)}")
    if grid not in ("a", "b"):
        raise ValueError(f"the grid of {entry['name']} is {grid}, not a or b")
    kind, a, b = PairKind(entry["kind"]), str(entry["a"]), str(entry["b"])
    both = hashlib.sha256(f"{(root / a).resolve()}\n{(root / b).resolve()}".encode()).hexdigest()[:12]
    return VolumePair(
        name=str(entry["name"]),
        kind=kind,
        split=str(part),
        a=root / a,
        b=root / b,
        register=bool(entry.get("register", False)),
        grid_is_a=grid == "a",
        # B may be registered onto several volumes, and other data sets may share the folder.
        cached=f"{both}_{b.replace('/', '_')}",
    )
