"""The backend reads the voxels that Slicer reads, and Slicer reads the DICOM series that the backend writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from typer.testing import CliRunner
from vtk.util.numpy_support import vtk_to_numpy

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.api import fuse, register
from CSAFusionLib.cli.main import app
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.batch import ScenePair
from CSAFusionLib.slicer_host.nodes import provenance_of
from CSAFusionLib.slicer_host.panel.choices import BatchSource, Reference, StyleChoice, WeightsChoice
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from CSAFusionLib.volumes.dicom.derived_series import MOST_GREY, derived_series
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from Testing.host.application import raise_errors
from Testing.host.fixtures import pump
from Testing.host.scene import a_volume_node, ijk_to_ras_of
from Testing.volumes.dicom.objects import write_classic

Heads = tuple[Path, Path]


def loaded(path: Path) -> slicer.vtkMRMLVolumeNode:
    image = sitk.ReadImage(str(path))
    return a_volume_node(path.name.split(".")[0], sitk.GetArrayFromImage(image), ijk_to_ras(image))


@pytest.fixture
def chosen(panel, heads: Heads, weights_file: Path, monkeypatch):
    """The panel with both heads and settings that are quick."""
    monkeypatch.setattr("CSAFusionLib.slicer_host.dependencies.missing_from", lambda files, with_torch=True: [])
    parameters = panel._parameterNode
    parameters.volumeA, parameters.volumeB = map(loaded, heads)
    parameters.reference, parameters.method = Reference.A, Method.SITK
    parameters.weights, parameters.weightsFile = WeightsChoice.FILE, weights_file
    parameters.batchJobs = 1
    return panel


def voxels_by_batch(panel, folder: Path, name: str) -> str:
    """The hash of a case's fused volume, after the panel has done the batch that is chosen."""
    panel._parameterNode.batchFolder = folder
    panel.ui.batchStartButton.click()
    raise_errors()
    pump(lambda: not panel.logic.isBatchRunning)
    assert panel.ui.batchStatusLabel.text.startswith("Done: "), panel.ui.batchStatusLabel.text
    return sitk.Hash(sitk.ReadImage(str(folder / name / "fused.nii.gz")))


@pytest.mark.slow
def test_every_way_through_the_panel_gives_the_voxels_of_python(
    chosen, heads: Heads, weights_file: Path, tmp_path: Path
) -> None:
    known = sitk.Hash(fuse(*heads, FusionSettings(registration="sitk", weights=str(weights_file))).fused)
    chosen.ui.applyButton.click()
    pump(lambda: not chosen.logic.isRunning)
    assert sitk.Hash(volume_from_node(chosen._parameterNode.fusedVolume).image) == known
    chosen.ui.batchAddButton.click()
    assert voxels_by_batch(chosen, tmp_path / "scene", "t1_t2") == known
    table = tmp_path / "pairs.tsv"
    table.write_text(f"name\tfixed\tmoving\none\t{heads[0].name}\t{heads[1].name}\n")
    chosen._parameterNode.batchSource, chosen._parameterNode.batchTable = BatchSource.TABLE, table
    assert voxels_by_batch(chosen, tmp_path / "files", "one") == known
    words = ("--registration", "sitk", "--weights", str(weights_file))
    again = CliRunner().invoke(app, ["batch", str(table), "-o", str(tmp_path / "files"), *words])
    assert "1 skipped" in again.output, "the command line does not take the panel's case for done"


@pytest.mark.slow
def test_an_overlay_is_a_colour_volume_on_the_grid_of_the_reference(chosen, heads: Heads) -> None:
    settings = FusionSettings(registration="none", style="overlay", opacity=0.25, bias_correction=True)
    known = sitk.GetArrayFromImage(fuse(*heads, settings).fused)
    parameters = chosen._parameterNode
    parameters.method, parameters.weights = Method.NONE, WeightsChoice.AUTOMATIC
    parameters.style, parameters.opacity, parameters.biasCorrection = StyleChoice.OVERLAY, 0.25, True
    parameters.makeContribution = True
    chosen.ui.applyButton.click()
    pump(lambda: not chosen.logic.isRunning)
    raise_errors()
    fused = parameters.fusedVolume
    assert fused.IsA("vtkMRMLVectorVolumeNode") and parameters.contributionVolume is None
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(fused), known)
    np.testing.assert_allclose(ijk_to_ras_of(fused), ijk_to_ras_of(parameters.volumeA))
    assert "Plain overlay: made without the network." in chosen.ui.reportLabel.text


@pytest.mark.slow
def test_a_registration_mask_guides_as_it_does_in_python(chosen, heads: Heads, tmp_path: Path) -> None:
    parameters = chosen._parameterNode
    image = sitk.ReadImage(str(heads[0]))
    inside = np.zeros(sitk.GetArrayViewFromImage(image).shape, np.uint8)
    inside[2:8, 5:35, 5:30] = 1
    mask = sitk.GetImageFromArray(inside)
    mask.CopyInformation(image)
    known = register(*heads, "sitk", mask=mask)
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "head")
    slicer.util.updateVolumeFromArray(labels, inside)
    labels.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras(image)))
    parameters.registrationMaskA = labels
    chosen.ui.applyButton.click()
    pump(lambda: not chosen.logic.isRunning)
    raise_errors()
    provenance = provenance_of(parameters.fusedVolume)["registration"]
    assert provenance["masks"] == [{"of": "fixed", "format": "in memory"}]
    assert provenance["matrix_lps_mm"] == known.describe()["matrix_lps_mm"]
    assert provenance["matrix_lps_mm"] != register(*heads, "sitk").describe()["matrix_lps_mm"]
    pair = ScenePair(parameters.volumeA, parameters.volumeB, FusionSettings(), masks=(labels, None))
    (case,) = [case for case in pair.saved(tmp_path) if case is not None]
    assert case.moving_mask is None and sitk.Hash(sitk.ReadImage(str(case.mask))) == sitk.Hash(mask)


_OBLIQUE = (0.9553, 0.2955, 0.0, -0.2364, 0.7643, 0.6)


def _a_series(folder: Path) -> Volume:
    across, down = np.reshape(_OBLIQUE, (2, 3)) / np.linalg.norm(np.reshape(_OBLIQUE, (2, 3)), axis=1, keepdims=True)
    down -= across * (across @ down)
    down /= np.linalg.norm(down)
    places = [tuple(np.array([-20.0, -30.0, 5.0]) + 3.3 * number * np.cross(across, down)) for number in range(6)]
    values = (np.random.default_rng(0).random((6, 6, 8)) * 1000).astype(np.uint16)
    axes = tuple(np.round([*across, *down], 9).tolist())
    write_classic(folder, values, positions=places, orientation=axes, modality="MR", sop_class="4")
    return read_volume(folder)


@pytest.mark.parametrize("kind", ["vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode"])
def test_slicer_loads_it_on_the_fixed_grid_with_its_values(tmp_path: Path, kind: str) -> None:
    fixed = _a_series(tmp_path / "fixed")
    fused, factor = sitk.Cast(fixed.image, sitk.sitkFloat32) / 1000, MOST_GREY
    if kind == "vtkMRMLVectorVolumeNode":
        fused = sitk.Compose([sitk.Cast(fixed.image / (4 + part), sitk.sitkUInt8) for part in range(3)])
        factor = 1
    folder = tmp_path / "series"
    folder.mkdir()
    writers, _ = derived_series(fused, fixed, None, modalities=["MR", "PET"])
    files = vtk.vtkStringArray()
    for name, write in sorted(writers.items()):
        write(folder / name)
        files.InsertNextValue(str(folder / name))
    scene, logic = slicer.vtkMRMLScene(), slicer.vtkSlicerVolumesLogic()
    logic.SetMRMLScene(scene)
    node = logic.AddArchetypeVolume(files.GetValue(0), "fused", 0, files)
    expected = sitk.GetArrayFromImage(fused) * factor
    found = vtk_to_numpy(node.GetImageData().GetPointData().GetScalars()).reshape(expected.shape)
    assert node.GetClassName() == kind
    np.testing.assert_allclose(ijk_to_ras_of(node), ijk_to_ras(fixed.image), atol=1e-4)
    assert np.abs(found - expected).max() <= 0.5
