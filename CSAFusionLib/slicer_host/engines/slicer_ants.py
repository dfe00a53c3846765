"""Registration by ANTs as the extension SlicerANTs has it, for a Slicer without the package antspyx.

The extension's presets are used. They take their random samples anew each time, so that two runs differ a little.
"""

from __future__ import annotations

from importlib import import_module

import slicer
from slicer.i18n import tr as _

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.engines.command_line import CommandLineEngine

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
