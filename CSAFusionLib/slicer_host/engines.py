"""Registration by Slicer's own programs and by its extensions; every other method runs in the child process.

A program gets hidden copies and produces a transform node. The copies lie in the reference frame, so that the program
takes the parent transforms into account, which it would otherwise ignore. Slicer then puts the copy, not the user's
moving volume, under the new transform.

- Modules that Slicer runs as command lines: BRAINSFit, and the SlicerANTs extension.
- The extension SlicerElastix, for a Slicer without the package itk-elastix. Its logic returns only when elastix has
  ended. It lets Slicer handle its events whenever elastix prints a line, so that Slicer answers now and then, and
  elastix can be cancelled.
"""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import SimpleITK as sitk
import slicer
import slicer.util
from slicer.i18n import tr as _

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.registration.engines.brainsfit import brainsfit_parameters, transform_parameter
from CSAFusionLib.registration.preparation import pad_slab, prepare
from CSAFusionLib.registration.registration import Method, Registration, TransformModel
from CSAFusionLib.slicer_host.dependencies import is_installed
from CSAFusionLib.slicer_host.nodes import add_hidden_node, read_transform, remove_nodes, vtk_from_matrix
from CSAFusionLib.slicer_host.wording import title_of
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume


class SlicerEngine(ABC):
    """One registration: start it, poll it until it gives a result or an error, or cancel it.

    Every node it adds to the scene is hidden, and is removed when the registration ends, for whatever reason.

    Args:
        fixed, moving: volumes in one frame; of an RGB volume the luminance is registered.
        model: one of the method's models.
    """

    method: ClassVar[Method]
    program: ClassVar[str]
    """Its name in messages."""
    stage: ClassVar[str]
    """Its name in progress reports; none of the programs reports its progress."""

    def __init__(self, fixed: Volume, moving: Volume, model: TransformModel) -> None:
        self._pair = (fixed, moving)
        self._model = model
        self._helpers: list[slicer.vtkMRMLNode] = []
        self._transform: slicer.vtkMRMLTransformNode | None = None
        self._started = 0.0
        self._prepared: Future[tuple[sitk.Image, sitk.Image]] | None = None
        self._is_cancelled = False

    @classmethod
    @abstractmethod
    def is_available(cls) -> bool:
        """Whether this Slicer has the program."""

    def cancel(self) -> None:
        """Ask the program to end. Poll on: the nodes are removed once it has."""
        self._is_cancelled = True
        if self._prepared is None:
            self._cancel()

    def start(self) -> None:
        """Start the program.

        Raises:
            InputError: a volume cannot be used.
            RegistrationError: this Slicer does not have the program, or it cannot find such a transform.
        """
        if not self.is_available():
            text = _("This Slicer has no {program}; choose another registration method.")
            raise RegistrationError(text.format(program=self.program))
        if self._model not in self.method.models:
            able = _(" or ").join(f"'{title_of(model)}'" for model in self.method.models)
            text = _("{program} cannot find a '{model}' transform; choose {able}.")
            raise RegistrationError(text.format(program=self.program, model=title_of(self._model), able=able))
        for volume in self._pair:
            check_volume(volume)
        self._started = time.monotonic()
        beside_slicer = ThreadPoolExecutor(1)
        self._prepared = beside_slicer.submit(_prepare, *self._pair)
        beside_slicer.shutdown(wait=False)
        self._launch_once_prepared()

    def poll(self) -> Registration | None:
        """The result, or None while the program runs.

        Raises:
            RegistrationError: the program failed, or was ended.
        """
        if not (self._launch_once_prepared() and self._go_on()):
            return None
        try:
            self._check_end()
            if not slicer.mrmlScene.IsNodePresent(self._transform):
                raise self._ended_early()
            transform = read_transform(self._transform)
        finally:
            self._remove_helpers()
        return Registration(transform, self.method, self._model, time.monotonic() - self._started)

    def _launch_once_prepared(self) -> bool:
        """Start the program as soon as its volumes are prepared; returns whether it has been started."""
        if self._prepared is None:
            return True
        if not self._prepared.done():
            return False
        fixed, moving = self._prepared.result()
        self._prepared = None
        if self._is_cancelled:
            raise self._ended_early()
        with ExitStack() as undo:
            undo.callback(self._remove_helpers)
            self._launch(self._add_volume(fixed), self._add_volume(moving))
            undo.pop_all()
        return True

    @abstractmethod
    def _cancel(self) -> None:
        """Ask the running program to end."""

    @abstractmethod
    def _launch(self, fixed: slicer.vtkMRMLScalarVolumeNode, moving: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Start the program on the copies, with a transform node from :meth:`_add_transform`."""

    @abstractmethod
    def _go_on(self) -> bool:
        """Whether the program has ended."""

    @abstractmethod
    def _check_end(self) -> None:
        """Raise RegistrationError where the program ended without a result."""

    def _ended_early(self) -> RegistrationError:
        return RegistrationError(_("{program} was ended before it had a result.").format(program=self.program))

    def _failed(self, said: str) -> RegistrationError:
        """The error of a program that states its reason in its last line."""
        return RegistrationError(_("{program} failed: {said}").format(program=self.program, said=last_line(said)))

    def _add_volume(self, image: sitk.Image) -> slicer.vtkMRMLScalarVolumeNode:
        node = self._add_helper("vtkMRMLScalarVolumeNode")
        slicer.util.updateVolumeFromArray(node, sitk.GetArrayViewFromImage(image))
        node.SetIJKToRASMatrix(vtk_from_matrix(ijk_to_ras(image)))
        return node

    def _add_transform(self, class_name: str = "vtkMRMLTransformNode") -> slicer.vtkMRMLTransformNode:
        """The node for the result."""
        self._transform = self._add_helper(class_name)
        return self._transform

    def _add_helper(self, class_name: str) -> slicer.vtkMRMLNode:
        self._helpers.append(add_hidden_node(class_name, "CSAFusion registration"))
        return self._helpers[-1]

    def _remove_helpers(self) -> None:
        remove_nodes(self._helpers)
        self._helpers.clear()


def _prepare(fixed: Volume, moving: Volume) -> tuple[sitk.Image, sitk.Image]:
    """Prepare what the program registers. It takes up to a second, so it runs beside Slicer's main thread."""
    prepared = prepare(fixed), prepare(moving)
    return prepared[0], pad_slab(*prepared)


def last_line(text: str) -> str:
    """The last line that is not empty, where programs state their reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else _("it gave no reason.")


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
            # Many modules write their errors to their standard output.
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
# Not all versions of the files set it; without it, every transform would be written as a displacement field.
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
    """The storage nodes: the extension removes the nodes it loads transforms into, but not their storage nodes."""
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
