"""Registration by BRAINSFit, the module that Slicer brings, without blocking Slicer.

BRAINSFit gets copies of the two volumes, in the reference frame. So it sees parent transforms, which command-line
modules ignore, and it is a copy that Slicer puts under the new transform afterwards, not the user's moving volume.
"""

from __future__ import annotations

import time
from typing import Any

import SimpleITK as sitk
import slicer
import slicer.util

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.result import RegistrationResult
from CSAFusionLib.slicer_host.frames import vtk_from_matrix
from CSAFusionLib.slicer_host.transforms import read_linear_transform
from CSAFusionLib.volumes.volume import Volume

STAGE = "Registering with BRAINSFit"
"""What a progress report calls a run; BRAINSFit itself tells nothing of how far it is."""


def is_available() -> bool:
    """Whether this Slicer has BRAINSFit: it may be missing, or command-line modules may be disabled."""
    return _module() is not None


class BrainsRegistration:
    """One run of BRAINSFit: start it, poll it until it gives a result or an error, or cancel it.

    Every node it adds to the scene is hidden, and removed when the run has ended, however it ended.

    Args:
        fixed, moving: volumes in one frame; of an RGB volume the luminance is registered.
        model: rigid or affine.
    """

    def __init__(self, fixed: Volume, moving: Volume, model: TransformModel) -> None:
        self._volumes = {"fixedVolume": fixed, "movingVolume": moving}
        self._model = model
        self._helpers: list[slicer.vtkMRMLNode] = []
        self._transform: slicer.vtkMRMLTransformNode | None = None
        self._run: Any = None
        self._started = 0.0

    def start(self, *, wait: bool = False) -> None:
        """Start BRAINSFit; with ``wait`` it has ended when this returns, and Slicer is blocked meanwhile.

        Raises:
            RegistrationError: this Slicer has no BRAINSFit, or it cannot find such a transform.
        """
        if self._model not in Method.BRAINS.models:
            raise RegistrationError(f"BRAINSFit cannot find a '{self._model.title}' transform; choose rigid or affine.")
        module = _module()
        if module is None:
            raise RegistrationError("This Slicer has no BRAINSFit; choose another registration method.")
        self._started = time.monotonic()
        try:
            self._launch(module, wait)
        finally:
            if self._run is None:
                self._remove_helpers()

    def poll(self) -> RegistrationResult | None:
        """The result, or None while BRAINSFit runs.

        Raises:
            RegistrationError: BRAINSFit failed, or was ended.
        """
        if self._run.IsBusy():
            return None
        try:
            return self._result()
        finally:
            self._remove_helpers()

    def cancel(self) -> None:
        """Ask BRAINSFit to end. Poll on: the nodes are removed once it has."""
        self._run.Cancel()

    def _launch(self, module: Any, wait: bool) -> None:
        nodes = {name: self._add_volume(volume) for name, volume in self._volumes.items()}
        self._transform = self._add_helper("vtkMRMLLinearTransformNode")
        parameters = nodes | {"linearTransform": self._transform} | _parameters(self._model)
        self._run = slicer.cli.run(module, None, parameters, wait_for_completion=wait, update_display=False)
        self._helpers.append(self._run)

    def _result(self) -> RegistrationResult:
        status = self._run.GetStatus()
        if status & self._run.ErrorsMask:
            # BRAINSFit writes its errors to its output.
            said = self._run.GetErrorText() or self._run.GetOutputText()
            raise RegistrationError(f"BRAINSFit failed: {_last_line(said)}")
        if status != self._run.Completed or not slicer.mrmlScene.IsNodePresent(self._transform):
            raise RegistrationError("BRAINSFit was ended before it had a result.")
        seconds = time.monotonic() - self._started
        return RegistrationResult(read_linear_transform(self._transform), Method.BRAINS, self._model, seconds)

    def _add_volume(self, volume: Volume) -> slicer.vtkMRMLScalarVolumeNode:
        node = self._add_helper("vtkMRMLScalarVolumeNode")
        image = _luminance(volume.image) if volume.is_colour else volume.image
        slicer.util.updateVolumeFromArray(node, sitk.GetArrayFromImage(sitk.Cast(image, sitk.sitkFloat32)))
        node.SetIJKToRASMatrix(vtk_from_matrix(ijk_to_ras(image)))
        return node

    def _add_helper(self, class_name: str) -> slicer.vtkMRMLNode:
        node = slicer.mrmlScene.CreateNodeByClass(class_name)
        node.UnRegister(None)
        node.HideFromEditorsOn()
        node.SaveWithSceneOff()
        node.SetName("CSAFusion registration")
        self._helpers.append(slicer.mrmlScene.AddNode(node))
        return self._helpers[-1]

    def _remove_helpers(self) -> None:
        for node in self._helpers:
            if slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        self._helpers.clear()


def _module() -> Any:
    return getattr(slicer.modules, "brainsfit", None)


def _parameters(model: TransformModel) -> dict[str, Any]:
    return {
        "useRigid": True,
        "useAffine": model is TransformModel.AFFINE,
        "initializeTransformMode": "useMomentsAlign",
        "costMetric": "MMI",
        "samplingPercentage": 0.02,
        "maskProcessingMode": "NOMASK",
    }


def _luminance(rgb: sitk.Image) -> sitk.Image:
    """Y of BT.601."""
    red, green, blue = (sitk.VectorIndexSelectionCast(rgb, index, sitk.sitkFloat32) for index in range(3))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason."
