"""Which nodes get the results of a fusion, and putting them there."""

from __future__ import annotations

from dataclasses import dataclass, fields

import slicer

from CSAFusionLib.fusion.pipeline import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.planes import slice_centres
from CSAFusionLib.slicer_host.nodes import SLICE_TABLE
from CSAFusionLib.slicer_host.rendering import update_rendering
from CSAFusionLib.slicer_host.slice_table import write_slice_table
from CSAFusionLib.slicer_host.transform_nodes import write_transform
from CSAFusionLib.slicer_host.volume_nodes import write_contribution, write_fused, write_registered

OPTIONAL = frozenset({"transform", "registered", "contribution", "slice_table"})


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Nodes to overwrite; a missing fused volume is created, other nodes only if ``make`` names them.

    fused: the fused volume.
    transform: the registration.
    registered: the moving volume on the fixed grid, with its own intensities.
    contribution: the share of the fixed volume in every voxel.
    slice_table: the table of the metrics of every slice, with its plot.
    make: names of the fields above to make a node for where none is given.
    """

    fused: slicer.vtkMRMLVolumeNode | None = None
    transform: slicer.vtkMRMLTransformNode | None = None
    registered: slicer.vtkMRMLVolumeNode | None = None
    contribution: slicer.vtkMRMLVolumeNode | None = None
    slice_table: slicer.vtkMRMLTableNode | None = None
    make: frozenset[str] = frozenset()

    def nodes(self) -> dict[str, slicer.vtkMRMLNode]:
        """The given nodes by field name."""
        names = [field.name for field in fields(self) if field.name != "make"]
        return {name: node for name in names if (node := getattr(self, name)) is not None}

    def wants(self, name: str) -> bool:
        """Whether an optional output is asked for."""
        return name in self.make or getattr(self, name) is not None

    def without_removed(self) -> Outputs:
        """These outputs without the nodes that have left the scene; wanted ones are created again."""
        present = {name: node for name, node in self.nodes().items() if slicer.mrmlScene.IsNodePresent(node)}
        return Outputs(**present, make=self.make | (OPTIONAL & set(self.nodes())))


def place_result(
    result: FusionResult,
    settings: FusionSettings,
    fixed: slicer.vtkMRMLVolumeNode,
    moving: slicer.vtkMRMLVolumeNode,
    outputs: Outputs,
) -> Outputs:
    """Put a result into the scene; returns the nodes that hold it."""
    placed: dict[str, slicer.vtkMRMLNode] = {}
    if outputs.wants("transform"):
        placed["transform"] = write_transform(result.registration.transform, fixed, moving, outputs.transform)
    if outputs.wants("registered"):
        placed["registered"] = write_registered(result.moving_on_grid, fixed, moving, outputs.registered)
    if outputs.wants("contribution") and result.contribution is not None:
        placed["contribution"] = write_contribution(result.contribution, fixed, outputs.contribution)
    if outputs.wants("slice_table") and result.figures:
        centres = slice_centres(result.fused, settings.plane)
        placed["slice_table"] = write_slice_table(result.figures, centres, fixed, moving, outputs.slice_table)
    placed["fused"] = write_fused(result.fused, result.provenance, fixed, moving.GetName(), outputs.fused)
    if "slice_table" in placed:
        placed["fused"].SetNodeReferenceID(SLICE_TABLE, placed["slice_table"].GetID())
    update_rendering(placed["fused"])
    return Outputs(**placed)
