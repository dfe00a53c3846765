"""Registration by modules that Slicer runs as command lines: BRAINSFit, and the SlicerANTs extension."""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from typing import Any, ClassVar

import slicer
from slicer.i18n import tr as _

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.engines.brainsfit import brainsfit_parameters, transform_parameter
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.engines.base import SlicerEngine


class CommandLineEngine(SlicerEngine):
    """An engine whose program is a command-line module; a subclass says how it is run."""

    module: ClassVar[str]
    """Its name among Slicer's modules: it may be missing, or command-line modules may be disabled."""

    _run: Any = None

    @classmethod
    def is_available(cls) -> bool:
        """Whether this Slicer has the program."""
        return getattr(slicer.modules, cls.module, None) is not None

    def _cancel(self) -> None:
        self._run.Cancel()

    @abstractmethod
    def _run_module(
        self, fixed: slicer.vtkMRMLScalarVolumeNode, moving: slicer.vtkMRMLScalarVolumeNode
    ) -> slicer.vtkMRMLCommandLineModuleNode:
        """Start the module without waiting for it; returns the node of the run."""

    def _launch(self, fixed: slicer.vtkMRMLScalarVolumeNode, moving: slicer.vtkMRMLScalarVolumeNode) -> None:
        self._run = self._run_module(fixed, moving)
        self._helpers.append(self._run)

    def _go_on(self) -> bool:
        return not self._run.IsBusy()

    def _check_end(self) -> None:
        status = self._run.GetStatus()
        if status & self._run.ErrorsMask:
            # Many write their errors to their output.
            said = self._run.GetErrorText() or self._run.GetOutputText()
            raise self._failed(said)
        if status != self._run.Completed:
            raise self._ended_early()


class Brains(CommandLineEngine):
    """BRAINSFit: rigid, affine or B-spline."""

    method = Method.BRAINS
    program = "BRAINSFit"
    stage = "Registering with BRAINSFit"
    module = "brainsfit"

    def _run_module(
        self, fixed: slicer.vtkMRMLScalarVolumeNode, moving: slicer.vtkMRMLScalarVolumeNode
    ) -> slicer.vtkMRMLCommandLineModuleNode:
        kind = "BSpline" if self._model is TransformModel.BSPLINE else "Linear"
        parameters = brainsfit_parameters(self._model) | {
            "fixedVolume": fixed,
            "movingVolume": moving,
            transform_parameter(self._model): self._add_transform(f"vtkMRML{kind}TransformNode"),
        }
        return slicer.cli.run(
            slicer.modules.brainsfit, None, parameters, wait_for_completion=False, update_display=False
        )


_LINEAR_PRESETS = {TransformModel.RIGID: "Rigid", TransformModel.AFFINE: "Rigid+Affine"}
_DEFORMABLE_PRESET = "QuickSyN"  # rigid, affine, SyN


class SlicerAnts(CommandLineEngine):
    """ANTs of the extension SlicerANTs: rigid, affine or SyN."""

    method = Method.ANTS
    program = "the extension SlicerANTs"
    stage = "Registering with ANTs"
    module = "antsregistrationcli"

    def _run_module(
        self, fixed: slicer.vtkMRMLScalarVolumeNode, moving: slicer.vtkMRMLScalarVolumeNode
    ) -> slicer.vtkMRMLCommandLineModuleNode:
        extension = import_module("antsRegistration")
        presets = extension.PresetManager()
        name = _LINEAR_PRESETS.get(self._model, _DEFORMABLE_PRESET)
        if name not in presets.getPresetNames():
            text = _("The extension SlicerANTs has no preset '{name}'; update it, or install antspyx.")
            raise RegistrationError(text.format(name=name))
        preset = presets.getPresetParametersByName(name)
        for metric in (metric for stage in preset["stages"] for metric in stage["metrics"]):
            metric["fixed"], metric["moving"] = fixed, moving
        preset["outputSettings"] |= {"transform": self._add_transform(), "volume": None, "log": None}
        logic = extension.antsRegistrationLogic()
        logic.process(**preset, wait_for_completion=False)
        return logic.cliNode
