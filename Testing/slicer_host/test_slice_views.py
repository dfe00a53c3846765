"""Slice views get back all that they showed."""

from __future__ import annotations

import pytest
import slicer

from CSAFusionLib.slicer_host.comparison_views import SliceViews, composites


@pytest.fixture
def views(module, volumes):
    """Three views that a user has set up, none like the other."""
    nodes = composites()
    for index, node in enumerate(nodes):
        node.SetBackgroundVolumeID(volumes[index % 2].GetID())
        node.SetForegroundVolumeID(volumes[(index + 1) % 2].GetID())
        node.SetForegroundOpacity(0.2 + 0.1 * index)
        node.SetLabelOpacity(0.9)
    return nodes


def seen(views) -> list[tuple]:
    names = ("BackgroundVolumeID", "ForegroundVolumeID", "LabelVolumeID", "ForegroundOpacity", "LabelOpacity")
    return [
        tuple(getattr(node, f"Get{name}")() for name in (*names, "LinkedControl", "HotLinkedControl")) for node in views
    ]


@pytest.mark.parametrize("linked", [False, True])
def test_layers_opacities_and_links_are_given_back(views, linked):
    views[0].SetLinkedControl(linked)
    assert [node.GetLinkedControl() for node in views] == [linked] * 3
    before = seen(views)
    remembered = SliceViews()
    views[1].SetHotLinkedControl(True)
    views[1].SetLinkedControl(not linked)
    for node in views:
        node.SetBackgroundVolumeID(None)
        node.SetForegroundOpacity(0.5)
        node.SetLabelOpacity(0.1)
    remembered.give_back()
    assert seen(views) == before


def test_a_volume_that_is_gone_stays_replaced(views, volumes, scene):
    remembered = SliceViews()
    scene.RemoveNode(volumes[0])
    views[1].SetForegroundOpacity(1)
    remembered.give_back()
    assert views[0].GetBackgroundVolumeID() == volumes[1].GetID()
    assert views[1].GetForegroundOpacity() == pytest.approx(0.3)


def test_only_the_views_that_are_asked_for_are_given_back(views):
    remembered = SliceViews()
    for node in views:
        node.SetForegroundOpacity(1)
    remembered.give_back(lambda node: node is views[2])
    assert [node.GetForegroundOpacity() for node in views] == pytest.approx([1, 1, 0.4])


def test_a_view_that_is_gone_is_passed_over(views, scene):
    remembered = SliceViews()
    scene.RemoveNode(views[0])
    remembered.give_back()
    assert slicer.mrmlScene.IsNodePresent(views[1])
