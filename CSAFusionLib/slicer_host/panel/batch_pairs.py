"""Reads the section Batch: the pairs of its source, with the settings of the panel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import slicer
from slicer.i18n import tr as _

from CSAFusionLib.batch.case import Case, Defaults, Place
from CSAFusionLib.batch.case_lists import cases_of_folders, cases_of_table
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import is_same_file
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.slicer_host.batch import ScenePair, SeriesChoice, pairs_of_dicom, scene_pairs
from CSAFusionLib.slicer_host.engines import PACKAGES
from CSAFusionLib.slicer_host.panel.choices import BatchSource
from CSAFusionLib.slicer_host.panel.request import gives_grid, masks_of, settings_from

_ROLES = ("CSAFusion.batchA", "CSAFusion.batchB")
"""Role of the references from a parameter node to the volumes of its pairs, which saves the pairs with the scene."""


@dataclass(frozen=True)
class Found:
    """The cases of a source, and sentences about what is left out."""

    cases: list[Case | ScenePair]
    notes: list[str]


@dataclass(frozen=True)
class BatchRequest:
    """The arguments of a batch: its cases, their folder, and settings that determine the packages to install."""

    cases: list[Case | ScenePair]
    folder: Path
    settings: FusionSettings
    jobs: int | None
    retry_failed: bool


def batch_request(parameters: Any, device: str) -> BatchRequest:
    """Read a parameter node and look for the pairs of its source.

    Raises:
        InputError: the choices are incompatible, one is missing, or there is no pair; one sentence.
    """
    folder = output_folder(parameters)
    cases = find_cases(parameters, device).cases
    installed_apart = (case.settings for case in cases if case.settings.registration in PACKAGES)
    settings = next(installed_apart, cases[0].settings)
    return BatchRequest(cases, folder, settings, parameters.batchJobs or None, parameters.batchRetryFailed)


def find_cases(parameters: Any, device: str) -> Found:
    """The pairs of the chosen source.

    Raises:
        InputError: there are none, or the source cannot be read; one sentence.
    """
    source = parameters.batchSource
    if source is BatchSource.SCENE:
        return Found(_of_scene(parameters, device), [])
    settings = settings_from(parameters, ("A", "B"), device, (None, None))
    defaults = Defaults(settings, misalignment=parameters.batchMisalignment)
    notes = []
    in_scene = ("region", "mask", "registrationMaskA", "registrationMaskB")
    if any(getattr(parameters, name) is not None for name in in_scene):
        notes.append(_("Region and masks lie in the scene and are left out."))
    if source is BatchSource.FOLDERS:
        fixed = chosen_path(parameters.batchFixedFolder, _("Choose the folder of the fixed volumes."))
        moving = chosen_path(parameters.batchMovingFolder, _("Choose the folder of the moving volumes."))
        matched = cases_of_folders(fixed, moving, defaults)
        return Found(list(matched.cases), matched.notes() + notes)
    if source is BatchSource.TABLE:
        file = chosen_path(parameters.batchTable, _("Choose the table of the pairs."))
        return Found(list(cases_of_table(file, defaults)), notes)
    pairs, lacking = pairs_of_dicom(*_series(parameters))
    cases = [defaults.case(one.name, one.fixed, one.moving, Place(PurePosixPath(one.name))) for one in pairs]
    return Found(list(cases), lacking + notes)


def output_folder(parameters: Any) -> Path:
    """The folder of the results. Raises InputError where none is chosen, or where the pairs come from it."""
    folder = chosen_path(parameters.batchFolder, _("Choose a folder for the results."))
    sources = {BatchSource.FOLDERS: (parameters.batchFixedFolder, parameters.batchMovingFolder)}
    if any(is_same_file(folder, one) for one in sources.get(parameters.batchSource, ())):
        raise InputError(_("'{folder}' holds volumes to fuse; choose another for the results.").format(folder=folder))
    return folder


def chosen_path(path: Path, missing: str) -> Path:
    """A path that was chosen; InputError with the sentence given for one that was not."""
    # An empty path comes back as the current folder.
    if path == Path():
        raise InputError(missing)
    return path


def pairs_in_scene(parameters: Any) -> list[tuple[Any, Any]]:
    """Volumes A and B of each added pair whose volumes still exist."""
    node = parameters.parameterNode
    numbers = range(node.GetNumberOfNodeReferences(_ROLES[0]))
    pairs = [tuple(node.GetNthNodeReference(role, number) for role in _ROLES) for number in numbers]
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def keep_pairs(pairs: list[tuple[Any, Any]], parameters: Any) -> None:
    """Store pairs of volumes A and B in a parameter node."""
    with slicer.util.NodeModify(parameters):
        for place, role in enumerate(_ROLES):
            parameters.parameterNode.RemoveNodeReferenceIDs(role)
            for pair in pairs:
                parameters.parameterNode.AddNodeReferenceID(role, pair[place].GetID())
        parameters.parameterNode.Modified()


def _of_scene(parameters: Any, device: str) -> list[Case | ScenePair]:
    pairs = [_scene_pair(a, b, parameters, device) for a, b in pairs_in_scene(parameters)]
    if not pairs:
        raise InputError(_("Select volume A and volume B and add them as a pair."))
    return list(scene_pairs(pairs))


def _scene_pair(a: Any, b: Any, parameters: Any, device: str) -> ScenePair:
    a_is_fixed = gives_grid(parameters.reference, a, b)
    sides, nodes = (("A", "B"), (a, b)) if a_is_fixed else (("B", "A"), (b, a))
    settings = settings_from(parameters, sides, device, nodes)
    masks = masks_of(parameters, sides, in_batch=True)
    misalignment = parameters.batchMisalignment
    return ScenePair(*nodes, settings, parameters.region, parameters.mask, masks, misalignment)


def _series(parameters: Any) -> list[SeriesChoice]:
    sides = ("Fixed", "Moving")
    modalities = [getattr(parameters, f"batch{side}Series").name for side in sides]
    names = [getattr(parameters, f"batch{side}Named") for side in sides]
    return [SeriesChoice(modality, name.strip()) for modality, name in zip(modalities, names, strict=True)]
