"""An estimate of how a volume is fused: the modality guessed, the limits found, and both shown in the views."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import slicer
import slicer.util

from CSAFusionLib.errors import CSAFusionError
from CSAFusionLib.intensity.evidence import Evidence, is_in_hounsfield
from CSAFusionLib.intensity.mapping import IntensityMapping, find_mapping
from CSAFusionLib.intensity.modality import Modality, guess_modality
from CSAFusionLib.intensity.windows import Window
from CSAFusionLib.slicer_host.comparison_views import SliceViews, composites
from CSAFusionLib.slicer_host.volume_nodes import sample_of_node
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume

# To see how sharp a volume is takes slices in full, to tell a PET by its depths all of the body, and limits all of the
# volume; none of it may stop Slicer for long enough to be felt.
_SLICES = (256, 256, 3)
_BODY = (128, 128, 64)
_THROUGHOUT = (40, 40, 40)
# What Slicer's DICOM import calls the unit of an MR (UCUM).
_NO_UNIT = "1"
# No PET is as sharp as this.
_SHARP_MM = 3.5


class IntensityEstimate:
    """Estimates of volume nodes, remembered until their voxels change.

    A part of the voxels is looked at, of which the size is bounded: a larger one only where a PET is possible.
    """

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def guess(self, node: slicer.vtkMRMLVolumeNode | None) -> Modality | None:
        """The modality that would be guessed, or None where there is no image that can be fused."""
        return self._remembered(node, "guess", _guess)

    def mapping(
        self, node: slicer.vtkMRMLVolumeNode, modality: Modality | None, window: Window | None
    ) -> IntensityMapping | None:
        """The values shown black and white, or None as above."""

        def find(node: slicer.vtkMRMLVolumeNode) -> IntensityMapping:
            some = _checked(sample_of_node(node, _THROUGHOUT))
            return find_mapping(some, modality or self.guess(node) or Modality.MR, window)

        return self._remembered(node, (modality, window), find)

    def unit(self, node: slicer.vtkMRMLVolumeNode, modality: Modality | None) -> str:
        """The unit of a volume's values, with a space before it, or nothing where it is not known."""
        if modality is Modality.CT:
            return " HU" if self._remembered(node, "HU", _holds_hounsfield) else ""
        units = node.GetVoxelValueUnits() if node.IsA("vtkMRMLScalarVolumeNode") else None
        code = units.GetCodeValue() if units is not None else _NO_UNIT
        return "" if code in (None, "", _NO_UNIT) else f" {code}"

    def forget(self) -> None:
        """Forget all volumes."""
        self._known.clear()

    def _remembered(self, node: slicer.vtkMRMLVolumeNode | None, what: Any, find: Callable[..., Any]) -> Any:
        if node is None or node.GetImageData() is None:
            return None
        key = (node.GetID(), node.GetImageData().GetMTime(), what)
        if key not in self._known:
            self._known[key] = _found(node, find)
        return self._known[key]


class IntensityPreview:
    """Shows volumes with the limits of the fusion in the slice views, and restores their display afterwards."""

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
        for node_id in list(self._before):
            self._end(node_id)

    def end_for(self, nodes: Iterable[slicer.vtkMRMLVolumeNode | None]) -> None:
        """Show some volumes as before."""
        for node in nodes:
            if node is not None and node.GetDisplayNodeID() in self._before:
                self._end(node.GetDisplayNodeID())

    def _end(self, node_id: str) -> None:
        shown, display = self._before.pop(node_id), slicer.mrmlScene.GetNodeByID(node_id)
        if display is not None:
            _set_window(display, *shown)


class PairInViews:
    """Shows two volumes in the slice views where one is hidden, and restores the views afterwards."""

    def __init__(self) -> None:
        self._before: SliceViews | None = None
        self._pair: tuple[slicer.vtkMRMLVolumeNode, slicer.vtkMRMLVolumeNode] | None = None

    def show(self, a: slicer.vtkMRMLVolumeNode, b: slicer.vtkMRMLVolumeNode) -> None:
        """Show two volumes; later changes by the user stay."""
        if self._pair == (a, b):
            return
        self._pair = (a, b)
        if not all(any(_is_seen(volume, view) for view in composites()) for volume in (a, b)):
            self._before = self._before or SliceViews()
            slicer.util.setSliceViewerLayers(background=a, foreground=b, foregroundOpacity=0.5)

    def end(self) -> None:
        """Restore the views that still show the two volumes."""
        if self._before is not None and self._pair is not None:
            ids = tuple(volume.GetID() for volume in self._pair)
            self._before.give_back(lambda view: (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()) == ids)
        self._before = self._pair = None


def _is_seen(volume: slicer.vtkMRMLVolumeNode, view: slicer.vtkMRMLSliceCompositeNode) -> bool:
    covered = view.GetForegroundOpacity() if view.GetForegroundVolumeID() else 0.0
    in_front, behind = view.GetForegroundVolumeID() == volume.GetID(), view.GetBackgroundVolumeID() == volume.GetID()
    return (in_front and covered > 0) or (behind and covered < 1)


class DisplayWatch:
    """Tells when a user changes how some volumes are displayed.

    Args:
        tell: called after each change.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._watched: list[tuple[slicer.vtkMRMLVolumeNode, int]] = []

    def begin(self, nodes: Iterable[slicer.vtkMRMLVolumeNode | None]) -> None:
        """Watch these volumes too."""
        event = slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent
        self._watched += [(node, node.AddObserver(event, self._on_changed)) for node in nodes if node is not None]

    def end(self) -> None:
        """Watch nothing."""
        for node, tag in self._watched:
            node.RemoveObserver(tag)
        self._watched.clear()

    def _on_changed(self, caller: Any, event: str) -> None:
        self._tell()


def _set_window(display: slicer.vtkMRMLScalarVolumeDisplayNode, automatic: bool, window: float, level: float) -> None:
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(window, level)
    display.SetAutoWindowLevel(automatic)


def _found(node: slicer.vtkMRMLVolumeNode, find: Callable[[slicer.vtkMRMLVolumeNode], Any]) -> Any:
    try:
        return find(node)
    except CSAFusionError:
        # Apply tells what is wrong with it.
        return None


def _guess(node: slicer.vtkMRMLVolumeNode) -> Modality:
    some = _checked(sample_of_node(node, _SLICES))
    if some.is_colour or is_in_hounsfield(some):
        return guess_modality(some)
    if not some.modality_hint and Evidence(some).edge_width_mm < _SHARP_MM:
        return Modality.MR
    return guess_modality(_checked(sample_of_node(node, _BODY)))


def _holds_hounsfield(node: slicer.vtkMRMLVolumeNode) -> bool:
    return is_in_hounsfield(_checked(sample_of_node(node, _SLICES)))


def _checked(volume: Volume) -> Volume:
    check_volume(volume)
    return volume
