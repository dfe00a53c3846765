"""What belongs to a result is found, and nothing of the user's."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from CSAFusionLib.slicer_host.nodes import SLICE_TABLE, belongings_of, remove_nodes, write_provenance
from CSAFusionLib.slicer_host.rendering import render_fused
from CSAFusionLib.slicer_host.slice_table import chart_of, write_slice_table
from Testing.host.scene import OBLIQUE, a_blob, a_volume_node, snapshot


@pytest.fixture
def table(volumes):
    names = ("ssim_fixed", "ssim_moving", "correlation_fixed", "correlation_moving")
    return write_slice_table(dict.fromkeys(names, [0.5, 0.6]), np.zeros((2, 3)), *volumes)


def a_result(in_colour: bool):
    voxels = np.full((2, 3, 4, 3), 100, np.uint8) if in_colour else a_blob()
    fused = a_volume_node("fused", voxels, OBLIQUE)
    write_provenance(fused, {"notice": "n"})
    return fused


@pytest.mark.parametrize("in_colour", [False, True])
def test_without_its_belongings_nothing_is_left_of_a_result(module, volumes, in_colour, request):
    before = set(snapshot())
    fused = a_result(in_colour)
    own = {fused.GetID()}
    render_fused(fused)
    fused.SetNodeReferenceID(SLICE_TABLE, request.getfixturevalue("table").GetID())
    remove_nodes(belongings_of(fused))
    assert set(snapshot()) == before | own


def test_with_a_table_go_its_chart_and_series(volumes, table):
    chart = chart_of(table)
    assert belongings_of(table) == [chart, chart.GetNthPlotSeriesNode(0), chart.GetNthPlotSeriesNode(1)]
    assert belongings_of(chart) == []


def test_a_volume_of_the_users_keeps_its_rendering(module, volumes):
    render_fused(volumes[0])
    assert belongings_of(volumes[0]) == []


def test_a_volume_property_that_another_rendering_uses_stays(module, volumes):
    fused = a_result(in_colour=False)
    shared = render_fused(fused).GetVolumePropertyNode()
    render_fused(volumes[0]).SetAndObserveVolumePropertyNodeID(shared.GetID())
    assert shared not in belongings_of(fused)
    remove_nodes([*belongings_of(fused), *belongings_of(fused)])
    assert slicer.mrmlScene.IsNodePresent(shared)
