"""Two volume nodes in, one fused volume node out, while Slicer waits."""

from __future__ import annotations

import slicer

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.fusion.pipeline import FusionResult, fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.methods import Method
from CSAFusionLib.registration.result import RegistrationResult
from CSAFusionLib.slicer_host.brains import STAGE, BrainsRegistration
from CSAFusionLib.slicer_host.checking import check_nodes
from CSAFusionLib.slicer_host.reading import volume_from_node
from CSAFusionLib.slicer_host.transforms import write_transform
from CSAFusionLib.slicer_host.writing import write_fused
from CSAFusionLib.volumes.volume import Volume


def fuse_nodes(
    fixed: slicer.vtkMRMLVolumeNode,
    moving: slicer.vtkMRMLVolumeNode,
    settings: FusionSettings,
    output: slicer.vtkMRMLVolumeNode | None = None,
    output_transform: slicer.vtkMRMLTransformNode | None = None,
    *,
    progress: Progress = silent,
) -> slicer.vtkMRMLVolumeNode:
    """Fuse two volume nodes in this process; returns when the result is in the scene.

    Args:
        output: node to overwrite; see :func:`CSAFusionLib.slicer_host.writing.write_fused`.
        output_transform: node that gets the registration; None keeps it out of the scene.

    Raises:
        InputError, RegistrationError, Cancelled: as ``fuse_volumes`` does; the scene is then as it was.
    """
    check_nodes(fixed, moving, output, output_transform)
    volumes = read_pair(fixed, moving)
    registration = None
    if settings.registration is Method.BRAINS:
        progress(STAGE, 0, 0)
        registration = _register_with_brains(*volumes, settings)
    result = fuse_volumes(*volumes, settings, registration=registration, progress=progress)
    return place_result(result, fixed, moving, output, output_transform)


def read_pair(fixed: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode) -> tuple[Volume, Volume]:
    """Both volumes in the reference frame: the fixed node's, before its parent transform."""
    frame = fixed.GetParentTransformNode()
    return volume_from_node(fixed, frame), volume_from_node(moving, frame)


def place_result(
    result: FusionResult,
    fixed: slicer.vtkMRMLVolumeNode,
    moving: slicer.vtkMRMLVolumeNode,
    output: slicer.vtkMRMLVolumeNode | None,
    output_transform: slicer.vtkMRMLTransformNode | None,
) -> slicer.vtkMRMLVolumeNode:
    """Put a result into the scene; returns the fused node."""
    if output_transform is not None:
        write_transform(result.registration.transform, fixed, moving, output_transform)
    return write_fused(result.fused, result.provenance, fixed, moving.GetName(), output)


def _register_with_brains(fixed: Volume, moving: Volume, settings: FusionSettings) -> RegistrationResult:
    run = BrainsRegistration(fixed, moving, settings.transform_model)
    run.start(wait=True)
    result = run.poll()
    if result is None:
        raise RegistrationError("BRAINSFit still runs although it was waited for; cancel it and try again.")
    return result
