"""A stand-in for ``slicer.cli`` and ``slicer.modules.brainsfit``, as strict as they are.

It does not register. It answers with what the test set, and treats the nodes as Slicer does: the run has a node in the
scene, the error text of BRAINSFit is empty and its message in the output text, and on completion the moving volume is
put under the new transform.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import slicer
import slicer.util

_NODES_IN = {"fixedVolume", "movingVolume", "initialTransform", "fixedBinaryVolume", "movingBinaryVolume"}
_NODES_OUT = {"outputVolume", "linearTransform", "bsplineTransform", "outputTransform"}
_VALUES = {
    "initializeTransformMode": str,
    "useRigid": bool,
    "useScaleVersor3D": bool,
    "useScaleSkewVersor3D": bool,
    "useAffine": bool,
    "useBSpline": bool,
    "useSyN": bool,
    "splineGridSize": str,
    "samplingPercentage": float,
    "costMetric": str,
    "numberOfHistogramBins": int,
    "numberOfIterations": int,
    "maskProcessingMode": str,
    "backgroundFillValue": float,
    "interpolationMode": str,
    "outputVolumePixelType": str,
    "numberOfThreads": int,
}
_MODES = {"Off", "useMomentsAlign", "useCenterOfHeadAlign", "useGeometryAlign", "useCenterOfROIAlign"}


class CommandLineModuleNode(slicer.vtkMRMLScriptedModuleNode):
    """A run: the part of ``vtkMRMLCommandLineModuleNode`` that can be asked; the texts and states are its own."""

    Idle, Scheduled, Running, Cancelling, Cancelled, Completing, Completed, ErrorsMask = 0, 1, 2, 4, 8, 16, 32, 64

    def __init__(self) -> None:
        self._status = self.Scheduled
        self._output_text = ""
        self._on_end = None
        self._polls_left = 0

    def GetStatus(self) -> int:
        return self._status

    def GetErrorText(self) -> str:
        return ""

    def GetOutputText(self) -> str:
        return self._output_text

    def IsBusy(self) -> bool:
        """Busy for some calls more, as a process takes its time; also a cancelled one ends at its next call only."""
        if self._status in (self.Scheduled, self.Running, self.Cancelling):
            self._polls_left -= 1
            if self._status == self.Cancelling:
                self._status = self.Cancelled
                return True
            if self._polls_left < 0:
                self._on_end()
        return self._status in (self.Scheduled, self.Running, self.Cancelling)

    def Cancel(self) -> None:
        if self._status in (self.Scheduled, self.Running):
            self._status = self.Cancelling


@dataclass
class BrainsFit:
    """What the next runs answer, and what they were asked."""

    fixed_to_moving_ras: np.ndarray = field(default_factory=lambda: np.eye(4))
    error: str = ""
    polls: int = 3
    asked: list[dict] = field(default_factory=list)
    name: str = "brainsfit"

    def run(self, parameters: dict, wait: bool) -> CommandLineModuleNode:
        _check(parameters)
        images = {
            name: slicer.util.arrayFromVolume(parameters[name]).copy() for name in ("fixedVolume", "movingVolume")
        }
        self.asked.append(parameters | {"images": images})
        node = CommandLineModuleNode()
        slicer.mrmlScene.AddNode(node)
        node._status = node.Running
        node._polls_left = self.polls
        node._on_end = lambda: self._complete(node, parameters)
        if wait:
            node._on_end()
        return node

    def _complete(self, node: CommandLineModuleNode, parameters: dict) -> None:
        node._status = node.Completed
        if self.error:
            node._status |= node.ErrorsMask
            node._output_text = f"BRAINSFit standard output:\n\n{self.error}\n"
            return
        transform, moving = parameters["linearTransform"], parameters["movingVolume"]
        if slicer.mrmlScene.IsNodePresent(transform):
            transform.SetMatrixTransformFromParent(slicer.util.vtkMatrixFromArray(self.fixed_to_moving_ras))
            moving.SetAndObserveTransformNodeID(transform.GetID())


def install_brainsfit(monkeypatch: pytest.MonkeyPatch) -> BrainsFit:
    """Give ``slicer`` a command-line module BRAINSFit for one test."""
    brainsfit = BrainsFit()

    def run(
        module, node=None, parameters=None, wait_for_completion=False, delete_temporary_files=True, update_display=True
    ):
        assert module is brainsfit and node is None
        assert not update_display, "a helper run must not change what is displayed"
        return module.run(dict(parameters), wait_for_completion)

    monkeypatch.setattr(slicer, "modules", SimpleNamespace(brainsfit=brainsfit), raising=False)
    monkeypatch.setattr(slicer, "cli", SimpleNamespace(run=run), raising=False)
    return brainsfit


def _check(parameters: dict) -> None:
    unknown = set(parameters) - _NODES_IN - _NODES_OUT - set(_VALUES)
    assert not unknown, f"BRAINSFit has no parameter {unknown}"
    for name, value in parameters.items():
        if name in _VALUES:
            assert type(value) is _VALUES[name], f"{name} is a {_VALUES[name].__name__}"
        else:
            assert slicer.mrmlScene.IsNodePresent(value), f"{name} is no node of the scene"
    for name in ("fixedVolume", "movingVolume"):
        assert parameters[name].GetImageData().GetNumberOfScalarComponents() == 1, "BRAINSFit takes scalar volumes"
    assert len(_NODES_OUT & set(parameters)) >= 1, "at least one output"
    assert parameters.get("initializeTransformMode", "Off") in _MODES
    assert any(parameters.get(f"use{phase}") for phase in ("Rigid", "Affine", "BSpline", "SyN")), "no phase to run"
