"""One pair of a batch: what is to be fused, with which settings, and where its files go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from CSAFusionLib import checks
from CSAFusionLib.batch.layout import FAILED, SIDECAR, SUMMARY
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.volumes.nifti_orientation import Orientation

_LONGEST = 100
_FORBIDDEN = set('<>:"/\\|?*')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(1, 10))}


@dataclass(frozen=True)
class Place:
    """Where the files of a case go, seen from the folder of the batch.

    folder: of the case. whole: whether nothing else lies in it, so that it can be put in place in one step.
    fused, registered, sidecar: names of files in it. transform: the same, without its ending. misalignment: of the map,
    its uncertainty and its picture, which only some cases have.
    sidecars: contents of further JSON files in it, by name; ``map_sidecars`` those of a map, and ``described`` what the
    sidecar holds besides.
    """

    folder: PurePosixPath
    fused: str = "fused.nii.gz"
    registered: str = "registered.nii.gz"
    transform: str = "transform"
    sidecar: str = SIDECAR
    whole: bool = True
    misalignment: tuple[str, str, str] = ("misalignment.nii.gz", "misalignment-uncertainty.nii.gz", "misalignment.png")
    sidecars: dict[str, dict[str, Any]] = field(default_factory=dict)
    map_sidecars: dict[str, dict[str, Any]] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A pair to be fused; able to travel to another process.

    fixed, moving, region, transform, mask, moving_mask: absolute paths. region: where to fuse, on the fixed grid.
    transform: used as it is instead of a registration, from fixed to moving points. mask, moving_mask: where the
    registration compares the two, each on the grid of its volume.
    misalignment: whether to measure how far off the registration is, and where.
    volume: which volume of inputs that hold several, as :func:`CSAFusionLib.cli.options.read_inputs` takes it.
    brainsfit: the executable of that method, where it is not the one on the PATH.
    refusal: why it cannot be done, where that is known from the start: it then fails with this sentence.
    """

    name: str
    fixed: Path
    moving: Path
    settings: FusionSettings
    place: Place
    volume: str | None = None
    orientation: Orientation = Orientation.HEADER
    region: Path | None = None
    transform: Path | None = None
    mask: Path | None = None
    moving_mask: Path | None = None
    misalignment: bool = False
    brainsfit: Path | None = None
    refusal: str | None = None

    @property
    def inputs(self) -> dict[str, Path]:
        """The files that its result depends on, by role."""
        roles = ("fixed", "moving", "region", "transform", "mask", "moving_mask")
        known: dict[str, Path | None] = {role: getattr(self, role) for role in roles}
        weights = self.settings.weights
        if weights is not None and Path(weights).suffix:
            known["weights"] = Path(weights)
        return {role: path for role, path in known.items() if path is not None}

    @property
    def choices(self) -> dict[str, Any]:
        """What was chosen for it, as its sidecar says it."""
        # What has been done without a map, before there were any, says nothing of them.
        asked = {"misalignment": True} if self.misalignment else {}
        return {
            "settings": self.settings.to_dict(),
            "volume": self.volume,
            "orientation": self.orientation.name,
        } | asked


def check_name(name: str) -> str:
    """Return a case's name that can be a folder's on every system; InputError for any other."""
    bad = sorted(_FORBIDDEN & set(name)) or [one for one in name if not one.isprintable()]
    if bad:
        raise InputError(f"The case's name {checks.shown(name)} holds {checks.shown(bad[0])}; leave that out.")
    if not name or name != name.strip() or name[0] in ".-" or name[-1] == ".":
        raise InputError(f"The case's name {checks.shown(name)} begins or ends as no folder's can; change it.")
    if len(name) > _LONGEST:
        raise InputError(f"The case's name {checks.shown(name)} is longer than {_LONGEST} letters; shorten it.")
    if name.lower().split(".")[0] in _RESERVED or name.lower() in (FAILED, SUMMARY, "logs"):
        raise InputError(f"A case cannot be named {checks.shown(name)}; choose another name.")
    return name


def check_cases(cases: Iterable[Case]) -> list[Case]:
    """Return the cases, no two of one name or one place; capitals make no difference, as on some disks.

    Raises InputError, which names the first that is there twice, or says that there is none.
    """
    known: dict[str, Case] = {}
    for case in cases:
        other = known.setdefault(case.name.lower(), case)
        if other is not case:
            raise InputError(
                f"Two cases are named {checks.shown(case.name)}: '{other.fixed.name}' with '{other.moving.name}' and "
                f"'{case.fixed.name}' with '{case.moving.name}'; give each a name of its own in a column 'name'."
            )
    if not known:
        raise InputError("There is no pair to fuse; give at least one.")
    return list(known.values())
