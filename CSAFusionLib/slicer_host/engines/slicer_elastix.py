"""Registration by elastix as the extension SlicerElastix has it, for a Slicer without the package itk-elastix.

Its logic returns only when elastix has ended. It lets Slicer handle its events whenever elastix prints a line, so that
Slicer answers now and then, and elastix can be cancelled.
"""

from __future__ import annotations

import subprocess
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import slicer
import slicer.util

from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.engines.base import SlicerEngine, last_line

_PARAMETER_FILES = {
    TransformModel.RIGID: ("Parameters_Rigid.txt",),
    TransformModel.AFFINE: ("Parameters_Rigid.txt", "Parameters_Affine.txt"),
    TransformModel.BSPLINE: ("Parameters_Rigid.txt", "Parameters_BSpline.txt"),
}
# Not all versions of the files ask for it; without it a displacement field would stand for every transform.
_AS_ITK_TRANSFORM = {"WriteITKCompositeTransform": "true", "ITKTransformOutputFileNameExtension": "h5"}


class SlicerElastix(SlicerEngine):
    """elastix of the extension SlicerElastix: rigid, affine or B-spline."""

    method = Method.ELASTIX
    program = "the extension SlicerElastix"
    stage = "Registering with elastix"

    _logic: Any = None
    _volumes: tuple[Any, Any] = (None, None)
    _runs = _has_ended = False
    _error = ""

    @classmethod
    def is_available(cls) -> bool:
        """Whether this Slicer has the program."""
        return find_spec("Elastix") is not None

    def _cancel(self) -> None:
        self._logic.cancelRequested = True

    def _launch(self, fixed: slicer.vtkMRMLScalarVolumeNode, moving: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Start nothing yet, so that the caller does not wait."""
        self._logic = import_module("Elastix").ElastixLogic()
        self._volumes = (fixed, moving)
        self._add_transform()

    def _go_on(self) -> bool:
        """Run elastix to its end at the first call; a call from Slicer's event loop meanwhile reports that it runs."""
        if not self._runs and not self._is_cancelled:
            self._runs = True
            try:
                self._run_to_end()
            finally:
                self._has_ended = True
        return self._has_ended or not self._runs

    def _run_to_end(self) -> None:
        said: list[str] = []
        self._logic.logCallback = said.append
        fixed, moving = self._volumes
        before = _storage_nodes()
        try:
            with OwnedFolder() as folder:
                self._logic.registerVolumes(
                    fixed,
                    moving,
                    parameterFilenames=self._parameter_files(folder),
                    outputTransformNode=self._transform,
                    forceDisplacementFieldOutputTransform=False,
                )
        except (OSError, RuntimeError, ValueError, subprocess.CalledProcessError) as error:
            self._error = last_line("\n".join([str(error), *said]))
        finally:
            for node in _storage_nodes() - before:
                if node.GetStorableNode() is None:
                    slicer.mrmlScene.RemoveNode(node)

    def _check_end(self) -> None:
        if self._is_cancelled:
            raise self._ended_early()
        if self._error:
            raise self._failed(self._error)

    def _parameter_files(self, folder: Path) -> list[str]:
        """The extension's parameter files, asking for a transform that Slicer can read."""
        source = Path(self._logic.scriptPath) / "Resources" / "RegistrationParameters"
        return [str(_copy_of(source / name, folder)) for name in _PARAMETER_FILES[self._model]]


def _copy_of(file: Path, folder: Path) -> Path:
    text = file.read_text(encoding="utf-8", errors="replace")
    asked = [f'({name} "{value}")' for name, value in _AS_ITK_TRANSFORM.items() if f"({name} " not in text]
    copy = folder / file.name
    copy.write_text("\n".join([text, *asked, ""]), encoding="utf-8")
    return copy


def _storage_nodes() -> set[slicer.vtkMRMLTransformStorageNode]:
    """The extension removes the nodes it loads transforms into, but not what these were loaded with."""
    return set(slicer.util.getNodesByClass("vtkMRMLTransformStorageNode"))
