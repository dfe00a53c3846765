"""Fuses two nodes while Slicer stays responsive: registers, runs the child process, shows the result.

It has no timer of its own: the caller polls :meth:`FusionJob.poll` regularly from Slicer's main thread.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import slicer
from slicer.i18n import tr as _

from CSAFusionLib.errors import CSAFusionError
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.planes import slice_centres
from CSAFusionLib.slicer_host.engines import SlicerEngine, engine_of
from CSAFusionLib.slicer_host.nodes import SLICE_TABLE, ijk_to_ras_of, write_transform
from CSAFusionLib.slicer_host.slice_table import write_slice_table
from CSAFusionLib.slicer_host.validation import (
    Masks,
    check_masks,
    check_nodes,
    check_style,
    region_on_grid,
    registration_masks,
)
from CSAFusionLib.slicer_host.volume_nodes import (
    update_rendering,
    volume_from_node,
    write_contribution,
    write_fused,
    write_registered,
)
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.worker.job import CancelledEvent, ErrorEvent, Job, ProgressEvent, ResultEvent
from CSAFusionLib.worker.launch import WorkerProcess

OPTIONAL = frozenset({"transform", "registered", "contribution", "slice_table"})


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Nodes to overwrite; a missing fused volume is created, other nodes only if ``make`` names them.

    fused: the fused volume.
    transform: the registration.
    registered: the moving volume on the fixed grid, with its own intensities.
    contribution: the share of the fixed volume in every voxel.
    slice_table: the table of the metrics of every slice, with its plot.
    make: names of the fields above for which a node is created if none is given.
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
        """These outputs without nodes that were removed from the scene; requested ones are created again."""
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
    table = placed.get("slice_table")
    # The table of an earlier result in this node would be removed together with this one.
    placed["fused"].SetNodeReferenceID(SLICE_TABLE, table.GetID() if table is not None else None)
    update_rendering(placed["fused"])
    return Outputs(**placed)


@dataclass(frozen=True)
class FusedEvent:
    """The result is in the scene; nothing follows. ``outputs`` are the nodes that hold it."""

    outputs: Outputs
    provenance: dict[str, Any]
    warnings: list[str]

    @property
    def node(self) -> slicer.vtkMRMLVolumeNode:
        """The fused volume."""
        return self.outputs.fused


Event = ProgressEvent | FusedEvent | ErrorEvent | CancelledEvent


def start_worker(job: Job) -> WorkerProcess:
    """A started child process on Slicer's own Python."""
    worker = WorkerProcess(job)
    worker.start()
    return worker


def read_pair(fixed: slicer.vtkMRMLVolumeNode, moving: slicer.vtkMRMLVolumeNode) -> tuple[Volume, Volume]:
    """Both volumes in the reference frame: the fixed node's, before its parent transform."""
    frame = fixed.GetParentTransformNode()
    return volume_from_node(fixed, frame), volume_from_node(moving, frame)


class FusionJob:
    """One fusion of two nodes: start it, poll it until an event ends it, or cancel it.

    The scene changes only if the job succeeds.

    Args:
        fixed, moving: volume nodes; neither is changed.
        settings: the fusion's settings.
        outputs: nodes that get the results.
        roi, mask: where to fuse, as in :func:`CSAFusionLib.slicer_host.validation.region_on_grid`.
        masks: where the registration compares the fixed and the moving volume, as in
            :func:`CSAFusionLib.slicer_host.validation.registration_masks`.
    """

    def __init__(
        self,
        fixed: slicer.vtkMRMLVolumeNode,
        moving: slicer.vtkMRMLVolumeNode,
        settings: FusionSettings,
        outputs: Outputs | None = None,
        *,
        roi: slicer.vtkMRMLMarkupsROINode | None = None,
        mask: slicer.vtkMRMLNode | None = None,
        masks: Masks = (None, None),
    ) -> None:
        self._inputs = (fixed, moving)
        self._masks = masks
        self._outputs = outputs or Outputs()
        self._region = (roi, mask)
        self._settings = settings
        self._states: list[Any] = []
        self._job: Job | None = None
        self._engine: SlicerEngine | None = None
        self._worker: WorkerProcess | None = None
        self._result: FusionResult | None = None
        self._cancelled = False
        self._why_stopped = ""

    def start(self) -> None:
        """Read the nodes and start the first stage.

        Raises:
            InputError, RegistrationError: an input cannot be used, or the stage cannot be started.
        """
        check_nodes(*self._inputs, self._outputs.nodes().values(), self._region[1])
        check_style(self._settings.style)
        check_masks(self._settings.registration, self._masks)
        fixed, moving = read_pair(*self._inputs)
        self._states = [_state(node) for node in self._inputs]
        region = region_on_grid(self._inputs[0], *self._region)
        masks = registration_masks(
            self._inputs, (fixed.image, moving.image), self._masks, self._inputs[0].GetParentTransformNode()
        )
        wanted = self._outputs.wants("contribution")
        self._job = Job(fixed, moving, self._settings, region=region, contribution=wanted, masks=masks)
        engine = engine_of(self._settings.registration)
        if engine is None:
            self._worker = start_worker(self._job)
        else:
            self._engine = engine(fixed, moving, self._settings.transform_model)
            self._engine.start()

    def poll(self) -> list[Event]:
        """What has happened since the last call, without waiting; nothing after the event that ends the job.

        A job ends at once, with an error that says so, if one of its inputs is removed or changed.
        """
        self._stop_if_changed()
        try:
            events = self._poll_engine() if self._engine else self._poll_worker()
        except CSAFusionError as error:
            self._engine = self._worker = None
            events = [CancelledEvent() if self._cancelled else ErrorEvent(str(error))]
        return [self._reason() if isinstance(event, CancelledEvent) else event for event in events]

    def cancel(self) -> None:
        """Ask the job to end; a :class:`CancelledEvent` follows once it has ended."""
        self._cancelled = True
        if self._engine:
            self._engine.cancel()

    def _poll_engine(self) -> list[Event]:
        assert self._engine is not None and self._job is not None
        registration = self._engine.poll()
        if registration is None:
            return [ProgressEvent(self._engine.stage, 0, 0)]
        self._engine = None
        if self._cancelled:
            return [CancelledEvent()]
        self._worker = start_worker(replace(self._job, registration=registration))
        return []

    def _poll_worker(self) -> list[Event]:
        if self._result is not None:
            result, self._result = self._result, None
            return [CancelledEvent() if self._cancelled else self._place(result)]
        if self._worker is None:
            return []
        events = self._worker.cancel() if self._cancelled else self._worker.poll()
        if events and not isinstance(events[-1], ProgressEvent):
            self._worker = None
        # The result has just been read; the next call puts it into the scene, so that Slicer can respond in between.
        self._result = next((event.result for event in events if isinstance(event, ResultEvent)), None)
        return [event for event in events if not isinstance(event, ResultEvent)]

    def _place(self, result: FusionResult) -> FusedEvent:
        placed = place_result(result, self._settings, *self._inputs, self._outputs.without_removed())
        return FusedEvent(placed, result.provenance, result.warnings)

    def _stop_if_changed(self) -> None:
        if self._cancelled or not (self._engine or self._worker or self._result):
            return
        for node, state in zip(self._inputs, self._states, strict=True):
            if not slicer.mrmlScene.IsNodePresent(node):
                text = _("'{name}' was removed while the fusion ran; the run was stopped.")
            elif _state(node) != state:
                text = _("'{name}' was changed while the fusion ran; the run was stopped, start it again.")
            else:
                continue
            self._why_stopped = text.format(name=node.GetName())
            self.cancel()
            return

    def _reason(self) -> Event:
        """Why a job ended early: an error, or a request."""
        return ErrorEvent(self._why_stopped) if self._why_stopped else CancelledEvent()


def _state(node: slicer.vtkMRMLVolumeNode) -> tuple[Any, ...]:
    """Everything in a volume node that a fusion depends on; equal while none of it has changed."""
    parent = node.GetParentTransformNode()
    moved = parent and (parent.GetID(), parent.GetTransformToWorldMTime())
    image = node.GetImageData()
    return ijk_to_ras_of(node).tolist(), image, image and image.GetMTime(), moved
