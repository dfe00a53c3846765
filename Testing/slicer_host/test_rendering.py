"""The rendering of a fused volume: bright enough, up to date, without warnings and without nodes of no use."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util

from CSAFusionLib.slicer_host.rendering import grey_functions, render_fused, update_rendering
from Testing.host.scene import OBLIQUE, a_blob, a_blob_node, a_volume_node, ijk_to_ras_of


@pytest.fixture
def grey(module):
    return a_volume_node("grey", a_blob() / 105, OBLIQUE)


@pytest.fixture
def colour(module):
    return a_volume_node("RGB", np.full((2, 3, 4, 3), 100, np.uint8), OBLIQUE)


def brightness_of(values: np.ndarray) -> float:
    """The mean of what can be seen from the front of a volume in [0, 1], without shading."""
    opacity, brightness = grey_functions(values)
    alpha, shown = (np.interp(values, *zip(*points, strict=True)) for points in (opacity, brightness))
    passed = np.cumprod(1 - alpha, axis=1)
    before = np.concatenate([np.ones_like(passed[:, :1]), passed[:, :-1]], axis=1)
    seen = (before * alpha * shown).sum(axis=1)
    return float(seen[passed[:, -1] < 0.8].mean())


@pytest.mark.parametrize("peak", [0.25, 0.6, 1.0])
def test_a_grey_rendering_is_bright_however_the_fused_values_are_spread(peak):
    head = np.clip(4 * a_blob((30, 40, 40)) / 105 - 1, 0, 1)
    assert brightness_of(peak * head) > 0.4


def test_real_fused_heads_are_bright(shared_data):
    for name in ("spm_T1", "spm_SPECT", "avg152T1"):
        values = sitk.GetArrayFromImage(sitk.ReadImage(str(shared_data / "volumes" / "templates" / f"{name}.nii.gz")))
        assert brightness_of((values / values.max()).astype(np.float32)) > 0.3


@pytest.mark.parametrize("values", [np.zeros((3, 3, 3)), np.ones((3, 3, 3)), np.full((3, 3, 3), 0.5)])
def test_the_points_rise_also_where_all_values_are_equal(values):
    for points in grey_functions(values):
        assert (np.diff([value for value, _ in points]) > 0).all()


def test_a_grey_volume_is_rendered_unshaded_with_one_display_node_however_often(grey):
    display = render_fused(grey)
    assert render_fused(grey) is display and display.GetVisibility()
    properties = display.GetVolumePropertyNode()
    opacity = properties.GetScalarOpacity()
    assert opacity.GetValue(0.02) == 0 < opacity.GetValue(0.5) < opacity.GetValue(1.0)
    assert not properties.GetVolumeProperty().GetShade() and properties.GetColor().GetRedValue(1.0) == 1


def test_a_volume_in_colour_is_rendered_in_its_colours_with_its_luminance_as_opacity(module):
    colours = np.zeros((2, 3, 4, 3), np.uint8)
    colours[..., 1] = 100
    fused = a_volume_node("RGB", colours, OBLIQUE)
    display = render_fused(fused)
    rendered = display.GetVolumeNode()
    voxels = slicer.util.arrayFromVolume(rendered)
    assert voxels.shape == (2, 3, 4, 4) and set(voxels[..., 3].ravel()) == {59}
    np.testing.assert_array_equal(voxels[..., :3], colours)
    assert rendered.GetHideFromEditors() and ijk_to_ras_of(rendered).tobytes() == ijk_to_ras_of(fused).tobytes()
    properties = display.GetVolumePropertyNode()
    assert not properties.GetVolumeProperty().GetIndependentComponents()
    assert properties.GetScalarOpacity().GetValue(25) == 0 < properties.GetScalarOpacity().GetValue(255)


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_slicer_warns_of_nothing_and_adds_no_region(module, request, kind, scene):
    logic, warned = slicer.modules.volumerendering.logic(), []
    for event in ("WarningEvent", "ErrorEvent"):
        logic.AddObserver(event, lambda caller, event: warned.append(event))
    render_fused(request.getfixturevalue(kind))
    assert warned == [] and scene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode") == 0


@pytest.mark.parametrize("shown", [True, False])
def test_what_is_written_into_a_rendered_volume_is_rendered(grey, colour, shown):
    displays = {volume: render_fused(volume) for volume in (grey, colour)}
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    for volume, display in displays.items():
        display.SetVisibility(shown)
        before = display.GetVolumePropertyNode().GetColor().GetRedValue(0.1)
        slicer.util.arrayFromVolume(volume)[:] //= 2
        slicer.util.arrayFromVolume(volume)[:] += 0 if volume is colour else (a_blob() / 1000).astype("f4")
        update_rendering(volume)
        assert bool(display.GetVisibility()) == shown
        if volume is grey:
            assert display.GetVolumePropertyNode().GetColor().GetRedValue(0.1) > before
    assert slicer.util.arrayFromVolume(displays[colour].GetVolumeNode()).max() == 50
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_a_volume_that_nobody_renders_gets_no_rendering(module):
    node = a_blob_node("fused")
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    update_rendering(node)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
