"""What all registrations by Slicer's programs share: hidden copies go in, a transform node comes out.

The copies lie in the reference frame. So the program sees parent transforms, which it would ignore, and it is a copy
that Slicer puts under the new transform afterwards, not the user's moving volume.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import ClassVar

import SimpleITK as sitk
import slicer
import slicer.util
from slicer.i18n import tr as _

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.preparation import pad_slab, prepare
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.slicer_host.nodes import add_hidden_node, remove_nodes
from CSAFusionLib.slicer_host.transform_nodes import read_transform, vtk_from_matrix
from CSAFusionLib.slicer_host.wording import title_of
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume


class SlicerEngine(ABC):
    """One registration: start it, poll it until it gives a result or an error, or cancel it.

    Every node it adds to the scene is hidden, and removed when the registration has ended, however it ended.

    Args:
        fixed, moving: volumes in one frame; of an RGB volume the luminance is registered.
        model: one of the method's models.
    """

    method: ClassVar[Method]
    program: ClassVar[str]
    """What messages call it."""
    stage: ClassVar[str]
    """What a progress report calls it; none of the programs tells how far it is."""

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
