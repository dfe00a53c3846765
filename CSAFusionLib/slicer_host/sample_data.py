"""The volumes of the tutorial, offered by Slicer's module Sample Data."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk
import slicer
import slicer.util

from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.slicer_host.nodes import vtk_from_matrix

# Slicer's own sample CT-MR Brain, of which the tutorial takes the CT and the T1: given to the Slicer project by the
# person visible in it, to be used without any restrictions.
_FILES = {
    "CTBrain": ("CT-brain.nrrd", "6a5b6caccb76576a863beb095e3bfb910c50ca78f4c9bf043aa42f976cfa53d1"),
    "MRBrainT1": ("MR-brain-T1.nrrd", "2da3f655ed20356ee8cdf32aa0f8f9420385de4b6e407d28e67f9974d7ce1593"),
}


def register_sample_data(thumbnail: Path) -> None:
    """Add the example and the pair to what the module Sample Data offers; nothing is downloaded."""
    import SampleData

    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    register(
        category="CSAFusion",
        sampleName="CSAFusionExample",
        uris=[],
        fileNames=[],
        nodeNames=[],
        checksums=[],
        customDownloader=lambda source: add_example_volumes(),
        thumbnailFileName=str(thumbnail),
    )
    register(
        category="CSAFusion",
        sampleName="CSAFusionCTMRBrain",
        uris=[f"{slicer.util.TESTING_DATA_URL}SHA256/{digest}" for _, digest in _FILES.values()],
        fileNames=[name for name, _ in _FILES.values()],
        nodeNames=list(_FILES),
        checksums=[f"SHA256:{digest}" for _, digest in _FILES.values()],
        thumbnailFileName=str(thumbnail),
    )


def add_example_volumes() -> tuple[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLScalarVolumeNode]:
    """Add a T1 and a PET of a phantom to the scene, not aligned, and show the T1; made here, so no network is needed.

    The PET is simulated from the T1's tissues, turned by 6, -4 and 9 degrees and shifted by 16 mm; it shows a spot that
    the T1 does not.
    """
    from CSAFusionLib.example.head import head_tissues, known_movement, simulate_pet, simulate_t1, tracer_tissues

    tissues = head_tissues()
    t1 = _add_volume("Example T1", simulate_t1(tissues))
    pet = _add_volume("Example PET", simulate_pet(*tracer_tissues(tissues), known_movement()))
    unit = slicer.vtkCodedEntry()
    unit.SetValueSchemeMeaning("kBq/mL", "UCUM", "Kilobecquerel per millilitre")
    pet.SetVoxelValueUnits(unit)
    slicer.util.setSliceViewerLayers(background=t1, fit=True)
    return t1, pet


def _add_volume(name: str, image: sitk.Image) -> slicer.vtkMRMLScalarVolumeNode:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    slicer.util.updateVolumeFromArray(node, sitk.GetArrayFromImage(image))
    node.SetIJKToRASMatrix(vtk_from_matrix(ijk_to_ras(image)))
    node.CreateDefaultDisplayNodes()
    return node
