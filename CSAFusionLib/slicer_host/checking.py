"""Which nodes and settings go together; light enough to be asked at every change of the panel."""

from __future__ import annotations

from collections.abc import Iterable

import slicer

from CSAFusionLib.errors import InputError
from CSAFusionLib.registration.methods import Method, TransformModel


def check_nodes(
    fixed: slicer.vtkMRMLVolumeNode | None,
    moving: slicer.vtkMRMLVolumeNode | None,
    outputs: Iterable[slicer.vtkMRMLNode] = (),
    mask: slicer.vtkMRMLNode | None = None,
) -> None:
    """Check that the inputs are there and that no output would change an input.

    Raises:
        InputError: one sentence that says what to select.
    """
    if fixed is None:
        raise InputError("Select the fixed volume: the result gets its grid.")
    if moving is None:
        raise InputError("Select the moving volume: it is aligned to the fixed one.")
    if fixed is moving:
        raise InputError(f"'{fixed.GetName()}' is selected twice; select two different volumes.")
    for output in outputs:
        if output in (fixed, moving, mask):
            raise InputError(f"'{output.GetName()}' is an input; select another node for the result, or a new one.")
        for node in (fixed, moving):
            if _is_moved_by(node, output):
                raise InputError(
                    f"The transform '{output.GetName()}' already moves '{node.GetName()}'; select another one, or a "
                    "new one."
                )


def check_registration(method: Method, model: TransformModel) -> None:
    """Check that a method can find transforms of a model.

    Raises:
        InputError: it cannot; the sentence says what it can find.
    """
    if method.models and model not in method.models:
        able = " or ".join(f"'{other.title}'" for other in method.models)
        raise InputError(f"{method.title} cannot find a '{model.title}' transform; choose {able}, or another method.")


def _is_moved_by(node: slicer.vtkMRMLTransformableNode, transform: slicer.vtkMRMLNode) -> bool:
    parent = node.GetParentTransformNode()
    return parent is not None and (parent is transform or _is_moved_by(parent, transform))
