"""Estimates how a volume is fused (modality and intensity limits), and previews it in the slice views."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import slicer.util

from CSAFusionLib.errors import CSAFusionError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import SourcePair
from CSAFusionLib.intensity.mapping import IntensityMapping, Window, find_mapping
from CSAFusionLib.intensity.modality import Evidence, Modality, guess_modality, is_in_hounsfield
from CSAFusionLib.slicer_host.nodes import add_hidden_node, remove_nodes
from CSAFusionLib.slicer_host.views import SliceViews, composites
from CSAFusionLib.slicer_host.volume_nodes import sample_of_node
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume

# Sharpness needs whole slices, recognising a PET by its depths needs the whole body, and limits need the whole volume;
# none of these may block Slicer for a noticeable time.
_SLICES = (256, 256, 3)
_BODY = (128, 128, 64)
_THROUGHOUT = (40, 40, 40)
# The unit that Slicer's DICOM import gives an MR (UCUM).
_NO_UNIT = "1"
# No PET is as sharp as this.
_SHARP_MM = 3.5


@dataclass(frozen=True)
class Input:
    """A volume node with its settings; a modality or a window of None is estimated."""

    node: slicer.vtkMRMLVolumeNode
    modality: Modality | None = None
    window: Window | None = None


class IntensityEstimate:
    """Estimates of volume nodes, remembered until their voxels change.

    Estimates use a sample of voxels of bounded size, which is larger only if the volume may be a PET.
    """

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def guess(self, node: slicer.vtkMRMLVolumeNode | None) -> Modality | None:
        """The modality that would be guessed, or None where there is no image that can be fused."""
        return None if node is None else self._remembered((node,), "guess", _guess)

    def mapping(self, one: Input) -> IntensityMapping | None:
        """How a volume's own values are mapped to black and white, or None as above."""

        def find(node: slicer.vtkMRMLVolumeNode) -> IntensityMapping:
            some = _checked(sample_of_node(node, _THROUGHOUT))
            return find_mapping(some, self._modality_of(one), one.window)

        return self._remembered((one.node,), (one.modality, one.window), find)

    def mappings(self, fixed: Input, moving: Input) -> tuple[IntensityMapping | None, IntensityMapping | None]:
        """The same for the two volumes of a pair: the mapping of an MR depends on whether the other is an MR too."""

        def find(*nodes: slicer.vtkMRMLVolumeNode) -> tuple[IntensityMapping, IntensityMapping]:
            some = [_checked(sample_of_node(node, _THROUGHOUT)) for node in nodes]
            settings = FusionSettings(
                fixed_modality=self._modality_of(fixed),
                moving_modality=self._modality_of(moving),
                fixed_window=fixed.window,
                moving_window=moving.window,
            )
            pair = SourcePair.settle(some[0], some[1], settings)
            return tuple(one.mapping.in_own_values(one.volume) for one in (pair.fixed, pair.moving))  # type: ignore[return-value]

        chosen = (fixed.modality, fixed.window, moving.modality, moving.window)
        found = self._remembered((fixed.node, moving.node), chosen, find)
        return found or (self.mapping(fixed), self.mapping(moving))

    def unit(self, node: slicer.vtkMRMLVolumeNode, modality: Modality | None) -> str:
        """The unit of a volume's values with a leading space; empty if unknown."""
        if modality is Modality.CT:
            return " HU" if self._remembered((node,), "HU", _holds_hounsfield) else ""
        units = node.GetVoxelValueUnits() if node.IsA("vtkMRMLScalarVolumeNode") else None
        code = units.GetCodeValue() if units is not None else _NO_UNIT
        return "" if code in (None, "", _NO_UNIT) else f" {code}"

    def forget(self) -> None:
        """Forget all volumes."""
        self._known.clear()

    def _modality_of(self, one: Input) -> Modality:
        return one.modality or self.guess(one.node) or Modality.MR

    def _remembered(self, nodes: tuple[slicer.vtkMRMLVolumeNode, ...], what: Any, find: Callable[..., Any]) -> Any:
        if any(node.GetImageData() is None for node in nodes):
            return None
        key = (what, *((node.GetID(), node.GetImageData().GetMTime()) for node in nodes))
        if key not in self._known:
            self._known[key] = _found(nodes, find)
        return self._known[key]


_BEFORE = "CSAFusion.shownBefore"
"""The attribute of a display that holds how it was before the preview; a scene saved meanwhile keeps it."""
_GREYS = 256


class IntensityPreview:
    """Shows volumes in the slice views as they are mapped for the fusion, and restores their display afterwards."""

    def show(self, node: slicer.vtkMRMLVolumeNode, mapping: IntensityMapping) -> None:
        """Show a volume through a mapping, with two slopes where it has two; a colour volume stays as it is."""
        display = node.GetDisplayNode()
        if display is None or node.IsA("vtkMRMLVectorVolumeNode"):
            return
        if display.GetAttribute(_BEFORE) is None:
            shown = (bool(display.GetAutoWindowLevel()), display.GetWindow(), display.GetLevel())
            display.SetAttribute(_BEFORE, json.dumps([*shown, display.GetColorNodeID()]))
        _show_greys(display, mapping)
        _set_window(display, False, mapping.high - mapping.low, (mapping.high + mapping.low) / 2)

    def end(self) -> None:
        """Show all volumes of the scene as before, also those of a scene that was saved during a preview."""
        for display in slicer.util.getNodesByClass("vtkMRMLScalarVolumeDisplayNode"):
            _restore(display)
        # Includes displays whose greys the user replaced by other colours.
        own = slicer.util.getNodesByClass("vtkMRMLColorTableNode")
        remove_nodes(colours for colours in own if colours.GetAttribute(_BEFORE) is not None)

    def end_for(self, nodes: Iterable[slicer.vtkMRMLVolumeNode | None]) -> None:
        """Show some volumes as before."""
        for node in nodes:
            if node is not None and node.GetDisplayNode() is not None:
                _restore(node.GetDisplayNode())


def _show_greys(display: slicer.vtkMRMLScalarVolumeDisplayNode, mapping: IntensityMapping) -> None:
    """Give a display the greys of two slopes, or its former greys if the mapping has one slope."""
    own = _greys_of(display)
    if mapping.knee is None:
        _give_colours_back(display)
        return
    if own is None:
        # Saved with the scene: a display whose colours are missing shows nothing.
        own = add_hidden_node("vtkMRMLColorTableNode", "CSAFusion preview", saved=True)
        own.SetAttribute(_BEFORE, display.GetID())
        display.SetAndObserveColorNodeID(own.GetID())
    greys = mapping(np.linspace(mapping.low, mapping.high, _GREYS))
    with slicer.util.NodeModify(own):
        own.SetTypeToUser()
        own.SetNumberOfColors(_GREYS)
        for place, grey in enumerate(greys.tolist()):
            own.SetColor(place, str(place), grey, grey, grey, 1.0)


def _greys_of(display: slicer.vtkMRMLScalarVolumeDisplayNode) -> slicer.vtkMRMLColorTableNode | None:
    """The greys that the preview gave a display, while it still has them."""
    colours = display.GetColorNode()
    return colours if colours is not None and colours.GetAttribute(_BEFORE) is not None else None


def _give_colours_back(display: slicer.vtkMRMLScalarVolumeDisplayNode) -> None:
    own = _greys_of(display)
    if own is not None:
        display.SetAndObserveColorNodeID(json.loads(display.GetAttribute(_BEFORE))[-1])
        remove_nodes([own])


def _restore(display: slicer.vtkMRMLScalarVolumeDisplayNode) -> None:
    before = display.GetAttribute(_BEFORE)
    if before is not None:
        _give_colours_back(display)
        display.RemoveAttribute(_BEFORE)
        _set_window(display, *json.loads(before)[:-1])


class PairInViews:
    """Shows two volumes in the slice views that hide one of them, and restores the views afterwards."""

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
    """Calls back when a user changes how some volumes are displayed.

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


def _found(nodes: tuple[slicer.vtkMRMLVolumeNode, ...], find: Callable[..., Any]) -> Any:
    try:
        return find(*nodes)
    except CSAFusionError:
        # Apply reports what is wrong with it.
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
