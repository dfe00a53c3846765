"""Which nodes and settings go together; light enough to be asked at every change of the panel."""

from __future__ import annotations

from collections.abc import Iterable

import slicer
from slicer.i18n import tr as _

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import Style
from CSAFusionLib.registration.registration import Method, TransformModel
from CSAFusionLib.slicer_host.engines import engine_of
from CSAFusionLib.slicer_host.volume_nodes import check_image
from CSAFusionLib.slicer_host.wording import title_of

Masks = tuple[slicer.vtkMRMLNode | None, slicer.vtkMRMLNode | None]
"""Of the fixed and of the moving volume: label volumes or segmentations."""


def check_nodes(
    fixed: slicer.vtkMRMLVolumeNode | None,
    moving: slicer.vtkMRMLVolumeNode | None,
    outputs: Iterable[slicer.vtkMRMLNode] = (),
    mask: slicer.vtkMRMLNode | None = None,
) -> None:
    """Check that the inputs are there and hold images, and that no output would change an input.

    Raises:
        InputError: one sentence that says what to select.
    """
    if fixed is None:
        raise InputError(_("Select the fixed volume: the result gets its grid."))
    if moving is None:
        raise InputError(_("Select the moving volume: it is aligned to the fixed one."))
    if fixed is moving:
        raise InputError(_("'{name}' is selected twice; select two different volumes.").format(name=fixed.GetName()))
    for node in (fixed, moving):
        check_image(node)
    for output in outputs:
        if output in (fixed, moving, mask):
            text = _("'{name}' is an input; select another node for the result, or a new one.")
            raise InputError(text.format(name=output.GetName()))
        for node in (fixed, moving):
            if _is_moved_by(node, output):
                text = _("The transform '{name}' already moves '{volume}'; select another one, or a new one.")
                raise InputError(text.format(name=output.GetName(), volume=node.GetName()))


def check_registration(method: Method, model: TransformModel) -> None:
    """Check that a method can find transforms of a model.

    Raises:
        InputError: it cannot; the sentence says what it can find.
    """
    if method.models and model not in method.models:
        able = _(" or ").join(f"'{title_of(other)}'" for other in method.models)
        text = _("{method} cannot find a '{model}' transform; choose {able}, or another method.")
        raise InputError(text.format(method=title_of(method), model=title_of(model), able=able))


def _is_moved_by(node: slicer.vtkMRMLTransformableNode, transform: slicer.vtkMRMLNode) -> bool:
    parent = node.GetParentTransformNode()
    return parent is not None and (parent is transform or _is_moved_by(parent, transform))


def check_style(style: Style) -> None:
    """Check that a result of this style has a place in the scene.

    Raises:
        InputError: it has none.
    """
    if style is Style.SIDE_BY_SIDE:
        raise InputError(
            _("Side by side, a result has no place in the scene; press 'Compare side by side' for a fused one instead.")
        )


def check_masks(method: Method, masks: Masks, *, in_batch: bool = False) -> None:
    """Check that the registration would look at its masks.

    Args:
        in_batch: whether a process of a batch runs it, and no module of Slicer.

    Raises:
        InputError: it would not.
    """
    is_blind = not method.takes_masks or (engine_of(method) is not None and not in_batch)
    if is_blind and any(mask is not None for mask in masks):
        text = _("{method} does not look at registration masks in this Slicer; choose another method, or no mask.")
        raise InputError(text.format(method=title_of(method)))
