"""Translates the panel's choices into requests of the backend: one pair, a preset for a usual pair, or a batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from CSAFusionLib.batch.case import Case, Defaults, Place
from CSAFusionLib.batch.case_lists import cases_of_folders, cases_of_table
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import is_same_file
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.mapping import CT_WINDOWS, Window
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.slicer_host.batch import ScenePair, SeriesChoice, pairs_of_dicom, scene_pairs
from CSAFusionLib.slicer_host.engines import PACKAGES
from CSAFusionLib.slicer_host.fusion_job import Outputs
from CSAFusionLib.slicer_host.panel.choices import (
    BatchSource,
    ColourChoice,
    Intensities,
    ModalityChoice,
    PlaneChoice,
    Reference,
    WeightsChoice,
    backend_name,
)
from CSAFusionLib.slicer_host.validation import Masks, check_masks, check_nodes, check_registration

SMOOTHING_MM = FusionSettings().through_slice_smoothing
"""The default through-slice smoothing."""


@dataclass(frozen=True)
class Preset:
    """The modalities of volumes A and B, and the colour table of the functional one."""

    title: str
    tooltip: str
    modality_a: ModalityChoice
    modality_b: ModalityChoice
    colour: ColourChoice = ColourChoice.GREY


PRESETS = (
    Preset(
        _("A is CT, B is MR"),
        _("CT with MR, in grey, with a window that shows brain and skull."),
        ModalityChoice.CT,
        ModalityChoice.MR,
    ),
    Preset(
        _("A is MR, B is PET"),
        _("MR with PET in colour."),
        ModalityChoice.MR,
        ModalityChoice.PET,
        ColourChoice.HOT_IRON,
    ),
    Preset(
        _("A is MR, B is SPECT"),
        _("MR with SPECT in colour."),
        ModalityChoice.MR,
        ModalityChoice.SPECT,
        ColourChoice.HOT_IRON,
    ),
    Preset(_("A is T1, B is T2"), _("Two weightings of MR, in grey."), ModalityChoice.MR, ModalityChoice.MR),
)  # fmt: skip


def preset_of(parameters: Any) -> Preset | None:
    """The preset that matches a parameter node, or None."""
    automatic = (parameters.intensitiesA, parameters.intensitiesB) == (Intensities.AUTOMATIC,) * 2
    usual = parameters.weights is WeightsChoice.AUTOMATIC and parameters.plane is PlaneChoice.AUTO
    if not automatic or not usual or parameters.balance or parameters.throughSliceSmoothing != SMOOTHING_MM:
        return None
    chosen = (parameters.modalityA, parameters.modalityB, parameters.colourTable)
    return next((one for one in PRESETS if chosen == (one.modality_a, one.modality_b, one.colour)), None)


def apply_preset(preset: Preset, parameters: Any) -> None:
    """Set a parameter node to a preset; the chosen nodes, region, registration and device stay."""
    parameters.modalityA, parameters.modalityB = preset.modality_a, preset.modality_b
    parameters.intensitiesA = parameters.intensitiesB = Intensities.AUTOMATIC
    parameters.colourTable = preset.colour
    parameters.weights = WeightsChoice.AUTOMATIC
    parameters.balance = 0.0
    parameters.throughSliceSmoothing = SMOOTHING_MM
    parameters.plane = PlaneChoice.AUTO


_RESULTS = ("fusedVolume", "registeredVolume", "contributionVolume", "sliceTable")
_CHOSEN = {
    "volumeA": _("'{name}' was deleted; select volume A."),
    "volumeB": _("'{name}' was deleted; select volume B."),
    "region": _("'{name}' was deleted; no region limits the fusion now."),
    "mask": _("'{name}' was deleted; no mask limits the fusion now."),
    "registrationMaskA": _("'{name}' was deleted; no mask of A limits the registration now."),
    "registrationMaskB": _("'{name}' was deleted; no mask of B limits the registration now."),
    "transform": _("'{name}' was deleted; no node keeps the transform now."),
}
"""The message after a chosen node was deleted."""


@dataclass(frozen=True)
class Request:
    """The arguments of :class:`CSAFusionLib.slicer_host.fusion_job.FusionJob`."""

    fixed: slicer.vtkMRMLVolumeNode
    moving: slicer.vtkMRMLVolumeNode
    settings: FusionSettings
    outputs: Outputs
    roi: slicer.vtkMRMLMarkupsROINode | None
    mask: slicer.vtkMRMLNode | None
    masks: Masks


def request_from(parameters: Any, device: str) -> Request:
    """Read a parameter node.

    Args:
        device: as in the settings; it belongs to the computer, not to the scene.

    Raises:
        InputError: the choices are incompatible, or one is missing; one sentence.
    """
    _check_volumes(parameters.volumeA, parameters.volumeB)
    sides = ("A", "B") if a_is_reference(parameters) else ("B", "A")
    fixed, moving = (getattr(parameters, f"volume{side}") for side in sides)
    outputs = _outputs(parameters)
    check_nodes(fixed, moving, outputs.nodes().values(), parameters.mask)
    settings = settings_from(parameters, sides, device, (fixed, moving))
    masks = masks_of(parameters, sides)
    return Request(fixed, moving, settings, outputs, parameters.region, parameters.mask, masks)


def masks_of(parameters: Any, sides: tuple[str, str], *, in_batch: bool = False) -> Masks:
    """The registration masks of the fixed and the moving volume.

    Args:
        sides: which of "A" and "B" is the fixed volume, and which the moving one.
        in_batch: as :func:`CSAFusionLib.slicer_host.validation.check_masks` takes it.

    Raises:
        InputError: the method does not use masks.
    """
    fixed, moving = (getattr(parameters, f"registrationMask{side}") for side in sides)
    check_masks(parameters.method, (fixed, moving), in_batch=in_batch)
    return fixed, moving


def a_is_reference(parameters: Any) -> bool:
    """Whether volume A gives the grid; both volumes are chosen."""
    return gives_grid(parameters.reference, parameters.volumeA, parameters.volumeB)


def gives_grid(reference: Reference, a: slicer.vtkMRMLVolumeNode, b: slicer.vtkMRMLVolumeNode) -> bool:
    """Whether volume A, of these two, gives the grid."""
    return voxel_volume(a) <= voxel_volume(b) if reference is Reference.FINER else reference is Reference.A


def voxel_volume(node: slicer.vtkMRMLVolumeNode) -> float:
    """Cubic millimetres of one voxel, parent transforms left out."""
    return float(np.prod(node.GetSpacing()))


def modality_of(choice: ModalityChoice) -> Modality | None:
    """The modality of a choice; None means that it is guessed."""
    return None if choice is ModalityChoice.AUTOMATIC else Modality[choice.name]


def window_of(parameters: Any, side: str, volume: slicer.vtkMRMLVolumeNode | None) -> Window | None:
    """The window chosen for volume A or B; None means that it is estimated.

    Args:
        volume: the node; None for a file.

    Raises:
        InputError: the width is not above 0, or *As displayed* is chosen for a file.
    """
    choice = getattr(parameters, f"intensities{side}")
    if choice is Intensities.AUTOMATIC:
        return None
    if choice is Intensities.GIVEN:
        return Window(getattr(parameters, f"level{side}"), getattr(parameters, f"width{side}"))
    if choice is Intensities.DISPLAYED:
        if volume is None:
            text = _("'{range}' is a range of volumes in the scene; choose another range of {side} for files.")
            raise InputError(text.format(range=choice.title, side=side))
        shown = volume.GetDisplayNode()
        return Window(shown.GetLevel(), shown.GetWindow()) if shown is not None else None
    return CT_WINDOWS[backend_name(choice)]


def keep_outputs(outputs: Outputs, parameters: Any) -> None:
    """Store the nodes of a result in a parameter node, where the next run overwrites them; unused ones are cleared."""
    with slicer.util.NodeModify(parameters):
        parameters.fusedVolume = outputs.fused
        parameters.registeredVolume = outputs.registered
        parameters.contributionVolume = outputs.contribution
        parameters.sliceTable = outputs.slice_table


def forget_node(node: slicer.vtkMRMLNode, parameters: Any) -> str:
    """Deselect a node that is about to be removed: selectors would silently select another.

    Returns:
        The sentence that tells the user, or an empty text where the node was not chosen.
    """
    text = ""
    with slicer.util.NodeModify(parameters):
        for name in (*_RESULTS, *_CHOSEN):
            if getattr(parameters, name) is node:
                setattr(parameters, name, None)
                text = _CHOSEN.get(name, text)
    return text.format(name=node.GetName())


def _check_volumes(a: slicer.vtkMRMLVolumeNode | None, b: slicer.vtkMRMLVolumeNode | None) -> None:
    if a is None and b is None:
        raise InputError(_("Select volume A and volume B."))
    if a is None or b is None:
        raise InputError(_("Select volume {side} too.").format(side="A" if a is None else "B"))


def settings_from(
    parameters: Any,
    sides: tuple[str, str],
    device: str,
    volumes: tuple[slicer.vtkMRMLVolumeNode | None, slicer.vtkMRMLVolumeNode | None],
) -> FusionSettings:
    """The chosen settings.

    Args:
        sides: which of "A" and "B" is the fixed volume, and which the moving one.
        device: as in the settings.
        volumes: the fixed and the moving node; None for files.

    Raises:
        InputError: the choices are incompatible, or one is missing; one sentence.
    """
    check_registration(parameters.method, parameters.transformModel)
    fixed, moving = sides
    colour = parameters.colourTable
    return FusionSettings(
        registration=parameters.method,
        transform_model=parameters.transformModel,
        fixed_modality=modality_of(getattr(parameters, f"modality{fixed}")),
        moving_modality=modality_of(getattr(parameters, f"modality{moving}")),
        fixed_window=window_of(parameters, fixed, volumes[0]),
        moving_window=window_of(parameters, moving, volumes[1]),
        colour_table=None if colour is ColourChoice.GREY else backend_name(colour),
        bias_correction=parameters.biasCorrection,
        style=Style[parameters.style.name],
        opacity=parameters.opacity,
        # The slider runs from A to B, the backend's balance from fixed to moving.
        balance=parameters.balance if fixed == "A" else -parameters.balance,
        plane=Plane[parameters.plane.name],
        through_slice_smoothing=parameters.throughSliceSmoothing,
        weights=_weights(parameters),
        device=device,
    )


def _weights(parameters: Any) -> str | None:
    if parameters.weights is WeightsChoice.AUTOMATIC:
        return None
    if parameters.weights is not WeightsChoice.FILE:
        return backend_name(parameters.weights)
    if not parameters.weightsFile.is_file():
        raise InputError(_("Choose the file of your weights (.safetensors), or other weights."))
    return str(parameters.weightsFile)


def _outputs(parameters: Any) -> Outputs:
    make = {"registered"}
    make |= {"contribution"} if parameters.makeContribution else set()
    make |= {"slice_table"} if parameters.makeSliceTable else set()
    return Outputs(
        fused=_listed(parameters.fusedVolume),
        transform=parameters.transform,
        registered=_listed(parameters.registeredVolume),
        contribution=_listed(parameters.contributionVolume) if parameters.makeContribution else None,
        slice_table=_listed(parameters.sliceTable) if parameters.makeSliceTable else None,
        make=frozenset(make),
    )


def _listed(node: slicer.vtkMRMLNode | None) -> slicer.vtkMRMLNode | None:
    """A node to overwrite; a hidden node is never overwritten."""
    return node if node is not None and not node.GetHideFromEditors() else None


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
