"""The cases of two folders: what has one name in both is a pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from CSAFusionLib.batch.case import Case, Place, check_cases, check_name
from CSAFusionLib.batch.defaults import Defaults
from CSAFusionLib.batch.names import stem_of
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.input_path import check_input_path

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
