"""Registration by a command-line module, which runs beside Slicer and can be cancelled with its process."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import slicer

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
