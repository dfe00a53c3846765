"""Registration by BRAINSFit, the module that Slicer brings."""

from __future__ import annotations

import slicer

from CSAFusionLib.registration.engines.brainsfit import brainsfit_parameters, transform_parameter
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.engines.command_line import CommandLineEngine


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
