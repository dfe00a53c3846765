"""A derived DICOM series as Slicer's own logic of volumes loads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.volumes.dicom.derived_series import MOST_GREY, derived_series
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume
from Testing.host.scene import ijk_to_ras_of
from Testing.volumes.dicom.objects import write_classic

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
