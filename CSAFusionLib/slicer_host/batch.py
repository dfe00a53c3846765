"""Pairs for a batch out of Slicer: nodes of the scene, folders, and studies of Slicer's DICOM database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from CSAFusionLib.batch.child import BatchProcess, Pair
from CSAFusionLib.batch.defaults import Defaults
from CSAFusionLib.batch.folders import cases_of_folders
from CSAFusionLib.batch.names import stem_of
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from CSAFusionLib.volumes.writing import write_volume

INPUTS = "scene"
"""The folder, beside the cases, that holds the volumes of the scene as they were fused."""


def pairs_of_nodes(nodes: Sequence[tuple[Any, Any]], out: Path) -> list[Pair]:
    """Save volume nodes, where their parent transforms put them, and name each pair by its two nodes.

    Args:
        nodes: the fixed and the moving node of each pair.
        out: the folder of the batch, made if need be; the volumes go into its folder ``scene``.

    Raises InputError for a node that cannot be fused, two pairs of the same names, or a disk that refuses a file.
    """
    named = {f"{_name(fixed)}_{_name(moving)}": (fixed, moving) for fixed, moving in nodes}
    if len(named) < len(nodes):
        raise InputError(_("Two pairs have volumes of the same names; rename one of the volumes."))
    folder = out / INPUTS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = _("The folder '{folder}' cannot be made ({reason}); choose another.")
        raise InputError(text.format(folder=folder, reason=error.strerror)) from error
    return [
        Pair(name, _saved(fixed, folder / f"{name}_fixed.nrrd"), _saved(moving, folder / f"{name}_moving.nrrd"))
        for name, (fixed, moving) in named.items()
    ]


def pairs_of_folders(fixed: Path, moving: Path) -> tuple[list[Pair], list[str]]:
    """The volumes of one name in two folders, and sentences on those that have no partner.

    Raises InputError as :func:`CSAFusionLib.batch.folders.cases_of_folders` does.
    """
    matched = cases_of_folders(fixed, moving, Defaults(FusionSettings()))
    return [Pair(case.name, case.fixed, case.moving) for case in matched.cases], matched.notes()


def pairs_of_dicom(fixed: str, moving: str, database: Any = None) -> tuple[list[Pair], list[str]]:
    """For each patient the longest series of either modality, and sentences on those who lack one.

    A pair is named by the number that the database gives to its patient, which says nothing of who that is.

    Args:
        fixed, moving: modalities as DICOM has them: ``MR``, ``CT``, ``PT``, ``NM``.
        database: a ctkDICOMDatabase; Slicer's own when None.

    Raises InputError where no patient has both.
    """
    database = slicer.dicomDatabase if database is None else database
    pairs, lacking = [], []
    for patient in database.patients():
        series = [one for study in database.studiesForPatient(patient) for one in database.seriesForStudy(study)]
        longest = [_longest(series, modality, database) for modality in (fixed, moving)]
        if longest[0] is None or longest[1] is None:
            lacking.append(patient)
        else:
            pairs.append(Pair(f"patient-{patient}_{fixed}_{moving}", longest[0], longest[1]))
    if not pairs:
        text = _("No patient of the DICOM database has a series of {fixed} and one of {moving}; import them first.")
        raise InputError(text.format(fixed=fixed, moving=moving))
    text = _("Left out, for want of a series of {fixed} or {moving}: {count} patients.")
    notes = [text.format(fixed=fixed, moving=moving, count=len(lacking))] if lacking else []
    return pairs, notes


def as_pairs(pairs: Sequence[Any], out: Path) -> list[Pair]:
    """Pairs as they are, and pairs of volume nodes saved as :func:`pairs_of_nodes` does."""
    named = [pair for pair in pairs if isinstance(pair, Pair)]
    nodes = [pair for pair in pairs if not isinstance(pair, Pair)]
    return named + (pairs_of_nodes(nodes, out) if nodes else [])


def process_of(
    pairs: Sequence[Pair], out: Path, settings: FusionSettings, jobs: int | None, retry_failed: bool
) -> BatchProcess:
    """The batch of these pairs in a process of the Python that Slicer ships, not started yet."""
    return BatchProcess(pairs, out, settings, jobs=jobs, retry_failed=retry_failed)


def _longest(series: Iterable[str], modality: str, database: Any) -> Path | None:
    """The first file of the series of this modality that has most files; the reader finds the others by it."""
    found = [
        list(database.filesForSeries(one)) for one in series if database.fieldForSeries("Modality", one) == modality
    ]
    files = max((files for files in found if files), key=len, default=None)
    return None if files is None else Path(min(files))


def _name(node: Any) -> str:
    return stem_of(Path(node.GetName() or "volume"))


def _saved(node: Any, file: Path) -> Path:
    write_volume(volume_from_node(node).image, file)
    return file
