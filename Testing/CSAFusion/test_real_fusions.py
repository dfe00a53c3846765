"""From Apply to the report on real volumes, with the weights that ship."""

from __future__ import annotations

import json

import pytest
import SimpleITK as sitk
import slicer
import slicer.util

from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.panel.choices import ModalityChoice
from Testing.host.application import open_panel, raise_errors
from Testing.host.fixtures import pump
from Testing.host.scene import a_volume_node, ijk_to_ras_of

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(module, shared_data, monkeypatch):
    """Opens the panel on two of the real volumes."""
    panels = []

    def open_on(*files: str):
        for file in files:
            image = sitk.ReadImage(str(shared_data / "volumes" / file))
            a_volume_node(file.split("/")[1].split(".")[0], sitk.GetArrayFromImage(image), ijk_to_ras(image))
        panels.append(open_panel(module))
        return panels[-1]

    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    yield open_on
    for panel in panels:
        panel.cleanup()


def a_slab(volume) -> slicer.vtkMRMLMarkupsROINode:
    """A small ROI in the middle: the whole way, in a part of the time."""
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "slab")
    roi.SetCenter(*[(low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2], strict=True)])
    roi.SetSize(60, 60, 4)
    return roi


def fuse(panel) -> slicer.vtkMRMLVolumeNode:
    panel.ui.roiSelector.setCurrentNode(a_slab(panel.ui.volumeASelector.currentNode()))
    panel.ui.applyButton.click()
    raise_errors()
    pump(lambda: not panel.logic.isRunning, 300)
    raise_errors()
    assert panel.ui.statusLabel.text.startswith("Done"), panel.ui.statusLabel.text
    return panel.ui.fusedSelector.currentNode()


def test_t1_and_t2_from_start_to_finish(opened):
    panel = opened("stroke/T1.nii.gz", "stroke/T2.nii.gz")
    panel.ui.contributionCheckBox.checked = True
    fused = fuse(panel)
    fixed = panel.ui.volumeASelector.currentNode()
    assert ijk_to_ras_of(fused).tobytes() == ijk_to_ras_of(fixed).tobytes()
    voxels = slicer.util.arrayFromVolume(fused)
    assert 0 <= voxels.min() < 0.5 < voxels.max() <= 1
    share = slicer.util.arrayFromVolume(panel._parameterNode.contributionVolume)
    assert share.min() < 0.4 and share.max() == 1
    assert "t1-t2" in panel.ui.reportLabel.text and "Mutual information" in panel.ui.agreementLabel.text
    assert panel._parameterNode.sliceTable.GetNumberOfRows() > 50
    panel.ui.compareButton.checked = True
    panel.ui.sliceTableButton.checked = True
    panel.ui.renderButton.click()


def test_t1_and_spect_in_colour_from_start_to_finish(opened, application, tmp_path):
    panel = opened("templates/spm_T1.nii.gz", "templates/spm_SPECT.nii.gz")
    panel.ui.presetComboBox.activated(3)
    assert panel.ui.modalityBComboBox.currentIndex == list(ModalityChoice).index(ModalityChoice.SPECT)
    panel.ui.methodComboBox.currentIndex = list(Method).index(Method.NONE)
    fused = fuse(panel)
    assert fused.IsA("vtkMRMLVectorVolumeNode") and panel.ui.renderButton.enabled
    voxels = slicer.util.arrayFromVolume(fused).astype(int)
    assert (voxels[..., 0] > voxels[..., 2] + 50).any()
    application.save_file_name = str(tmp_path / "how.json")
    panel.ui.saveButton.click()
    raise_errors()
    kept = json.loads((tmp_path / "how.json").read_text())
    assert kept["moving"]["colour_table"] == "hot-iron" and kept["weights"]["name"] == "spect-mr"
