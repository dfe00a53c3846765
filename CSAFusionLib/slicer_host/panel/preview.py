"""What a volume looks like to the fusion: the modality that is guessed, the limits that are found, shown live."""

from __future__ import annotations

from typing import Any

import slicer

from CSAFusionLib.errors import CSAFusionError
from CSAFusionLib.intensity.mapping import find_mapping
from CSAFusionLib.intensity.modality import Modality, guess_modality
from CSAFusionLib.intensity.windows import Window
from CSAFusionLib.slicer_host.reading import volume_from_node
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume


class Looks:
    """Guesses about volume nodes, remembered until their voxels change."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def guess(self, node: slicer.vtkMRMLVolumeNode | None) -> Modality | None:
        """The modality that would be guessed, or None where there is no image that can be fused."""
        return self._remembered(node, "guess", guess_modality)

    def limits(
        self, node: slicer.vtkMRMLVolumeNode, modality: Modality | None, window: Window | None
    ) -> tuple[float, float] | None:
        """The values that would be black and white, or None as above."""

        def find(volume: Volume) -> tuple[float, float]:
            mapping = find_mapping(volume, modality or guess_modality(volume), window)
            return mapping.low, mapping.high

        return self._remembered(node, (modality, window), find)

    def forget(self) -> None:
        """Forget all volumes."""
        self._known.clear()

    def _remembered(self, node: slicer.vtkMRMLVolumeNode | None, what: Any, find: Any) -> Any:
        if node is None or node.GetImageData() is None:
            return None
        key = (node.GetID(), node.GetImageData().GetMTime(), what)
        if key not in self._known:
            self._known[key] = _found(node, find)
        return self._known[key]


class IntensityPreview:
    """Shows volumes in the slice views with the limits they are fused with, and afterwards as they were before."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[bool, float, float]] = {}

    def show(self, node: slicer.vtkMRMLVolumeNode, black: float, white: float) -> None:
        """Set the window and level of a volume, after remembering them."""
        display = node.GetDisplayNode()
        if display is None or node.IsA("vtkMRMLVectorVolumeNode"):
            return
        shown = (bool(display.GetAutoWindowLevel()), display.GetWindow(), display.GetLevel())
        self._before.setdefault(display.GetID(), shown)
        _set_window(display, False, white - black, (white + black) / 2)

    def end(self) -> None:
        """Show the volumes as before."""
        for node_id, shown in self._before.items():
            display = slicer.mrmlScene.GetNodeByID(node_id)
            if display is not None:
                _set_window(display, *shown)
        self._before.clear()


def _set_window(display: slicer.vtkMRMLScalarVolumeDisplayNode, automatic: bool, window: float, level: float) -> None:
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(window, level)
    display.SetAutoWindowLevel(automatic)


def _found(node: slicer.vtkMRMLVolumeNode, find: Any) -> Any:
    try:
        volume = volume_from_node(node, node.GetParentTransformNode())
        check_volume(volume)
    except CSAFusionError:
        # Apply tells what is wrong with it.
        return None
    return find(volume)
