"""A stand-in for ``slicer.cli`` and for the command-line modules that register, as strict as they are.

They do not register. They answer with what the test set, and treat the nodes as Slicer does: the run has a node in the
scene, the error text of BRAINSFit is empty and its message in the output text, the transform is read from a file of
ITK's, and of BRAINSFit the moving volume is put under it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import SimpleITK as sitk
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
class CommandLineModule:
    """What the next runs answer, and what they were asked.

    fixed_to_moving: transform that is found, LPS mm, as ITK has it.
    polls: how often a run is busy when asked.
    """

    name: str
    fixed_to_moving: sitk.Transform = field(default_factory=lambda: sitk.Euler3DTransform())
    error: str = ""
    polls: int = 3
    asked: list[dict] = field(default_factory=list)

    def run(self, parameters: dict) -> CommandLineModuleNode:
        self.check(parameters)
        images = {
            name: slicer.util.arrayFromVolume(node).copy()
            for name, node in parameters.items()
            if isinstance(node, slicer.vtkMRMLScalarVolumeNode)
        }
        self.asked.append(parameters | {"images": images})
        node = CommandLineModuleNode()
        slicer.mrmlScene.AddNode(node)
        node._status = node.Running
        node._polls_left = self.polls
        node._on_end = lambda: self._end(node, parameters)
        return node

    def check(self, parameters: dict) -> None:
        """Refuse what the module does not know."""
        raise NotImplementedError

    def put_result(self, parameters: dict) -> None:
        """What the module and Slicer do to the scene when it has succeeded."""
        raise NotImplementedError

    def _end(self, node: CommandLineModuleNode, parameters: dict) -> None:
        node._status = node.Completed
        if self.error:
            node._status |= node.ErrorsMask
            node._output_text = f"{self.name} standard output:\n\n{self.error}\n"
        else:
            self.put_result(parameters)


class BrainsFit(CommandLineModule):
    def check(self, parameters: dict) -> None:
        unknown = set(parameters) - _NODES_IN - _NODES_OUT - set(_VALUES)
        assert not unknown, f"BRAINSFit has no parameter {unknown}"
        for name, value in parameters.items():
            if name in _VALUES:
                assert type(value) is _VALUES[name], f"{name} is a {_VALUES[name].__name__}"
            else:
                assert slicer.mrmlScene.IsNodePresent(value), f"{name} is no node of the scene"
        for name in ("fixedVolume", "movingVolume"):
            assert parameters[name].GetImageData().GetNumberOfScalarComponents() == 1, "BRAINSFit takes scalar volumes"
        assert len(_NODES_OUT & set(parameters)) == 1, "one output: two of them end it with an error"
        is_spline = parameters.get("useBSpline", False)
        assert ("bsplineTransform" in parameters) == is_spline, "the output has to fit the last phase"
        assert parameters.get("initializeTransformMode", "Off") in _MODES
        assert any(parameters.get(f"use{phase}") for phase in ("Rigid", "Affine", "BSpline", "SyN")), "no phase to run"

    def put_result(self, parameters: dict) -> None:
        (name,) = _NODES_OUT & set(parameters)
        transform, moving = parameters[name], parameters["movingVolume"]
        if slicer.mrmlScene.IsNodePresent(transform):
            load_transform(self.fixed_to_moving, transform)
            moving.SetAndObserveTransformNodeID(transform.GetID())


def install_brainsfit(monkeypatch: pytest.MonkeyPatch) -> BrainsFit:
    """Give ``slicer`` the command-line module BRAINSFit for one test."""
    return install_module(monkeypatch, BrainsFit("brainsfit"))


def install_module(monkeypatch: pytest.MonkeyPatch, module: CommandLineModule) -> CommandLineModule:
    """Give ``slicer`` a command-line module for one test, and what runs it."""

    def run(
        module, node=None, parameters=None, wait_for_completion=False, delete_temporary_files=True, update_display=True
    ):
        assert isinstance(module, CommandLineModule) and node is None
        assert not wait_for_completion, "waiting blocks Slicer"
        assert not update_display, "a helper run must not change what is displayed"
        return module.run(dict(parameters))

    present = vars(getattr(slicer, "modules", SimpleNamespace()))
    monkeypatch.setattr(slicer, "modules", SimpleNamespace(**present, **{module.name: module}), raising=False)
    monkeypatch.setattr(slicer, "cli", SimpleNamespace(run=run), raising=False)
    return module


def load_transform(transform: sitk.Transform, node: slicer.vtkMRMLTransformNode) -> None:
    """Put a transform of ITK's into a node as Slicer does with the file that a program has written."""
    with tempfile.TemporaryDirectory() as folder:
        storage = slicer.vtkMRMLTransformStorageNode()
        storage.SetFileName(str(Path(folder) / "transform.h5"))
        sitk.WriteTransform(transform, storage.GetFileName())
        assert storage.ReadData(node)
