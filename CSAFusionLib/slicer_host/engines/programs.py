"""The programs of Slicer that register, and which of them runs a method in this Slicer.

- Modules that Slicer runs as command lines: BRAINSFit, and the SlicerANTs extension.
- The extension SlicerElastix, for a Slicer without the package itk-elastix. Its logic returns only when elastix has
  ended. It lets Slicer handle its events whenever elastix prints a line, so that Slicer answers now and then, and
  elastix can be cancelled.
"""

from __future__ import annotations

import subprocess
from abc import abstractmethod
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import slicer
import slicer.util
from slicer.i18n import tr as _

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.registration.engines.brainsfit import brainsfit_parameters, transform_parameter
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.dependencies import is_installed
from CSAFusionLib.slicer_host.engines.base import SlicerEngine, last_line


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


PACKAGES = {Method.ANTS: "antspyx", Method.ELASTIX: "itk-elastix"}
"""Methods that the child process runs once their Python package is installed."""

_ENGINES: dict[Method, type[SlicerEngine]] = {engine.method: engine for engine in (Brains, SlicerAnts, SlicerElastix)}


def engine_of(method: Method) -> type[SlicerEngine] | None:
    """The Slicer program that runs a method; None where the child process does, or nothing can."""
    engine = _ENGINES.get(method)
    if engine is None or has_package(method) or (method in PACKAGES and not engine.is_available()):
        return None
    return engine


def has_package(method: Method) -> bool:
    """Whether a method's Python package is installed; False for methods that have none."""
    return method in PACKAGES and is_installed(PACKAGES[method])


def is_usable(method: Method) -> bool:
    """Whether this Slicer can use a method as it is now."""
    return method not in _ENGINES or has_package(method) or _ENGINES[method].is_available()
