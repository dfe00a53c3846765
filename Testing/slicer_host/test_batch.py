"""Pairs for a batch out of Slicer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.child import Pair
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.slicer_host.batch import (
    ScenePair,
    SeriesChoice,
    brainsfit_program,
    pairs_of_dicom,
    pairs_of_folders,
    pairs_of_nodes,
)
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from CSAFusionLib.volumes.reading import read_volume
from Testing.host.scene import (
    a_blob,
    a_blob_node,
    a_linear_transform_node,
    a_volume_node,
    ijk_to_ras_of,
    rotation,
)


class Database:
    """Stands in for a ctkDICOMDatabase: patients with studies with series of a modality and files."""

    def __init__(self, **patients: dict[str, tuple[str, list[str]]]) -> None:
        self._series = {
            f"{patient}/{name}": one for patient, all_of in patients.items() for name, one in all_of.items()
        }
        self._patients = list(patients)
        self.isOpen = True

    def patients(self) -> list[str]:
        return self._patients

    def studiesForPatient(self, patient: str) -> list[str]:
        return [patient]

    def seriesForStudy(self, study: str) -> list[str]:
        return [name for name in self._series if name.startswith(f"{study}/")]

    def fieldForSeries(self, field: str, series: str) -> str:
        return {"Modality": self._series[series][0], "SeriesDescription": series.split("/")[1].upper()}[field]

    def filesForSeries(self, series: str) -> list[str]:
        return self._series[series][1]


def test_nodes_are_saved_where_their_transforms_put_them(tmp_path: Path) -> None:
    shift = np.eye(4)
    shift[:3, 3] = (5, 0, 0)
    fixed, moving = a_blob_node("T1"), a_blob_node("PET", parent=a_linear_transform_node(shift), seed=1)
    (pair,) = pairs_of_nodes([(fixed, moving)], tmp_path / "out")
    assert pair.name == "T1_PET"
    own, shifted = (read_volume(path).image.GetOrigin() for path in (pair.fixed, pair.moving))
    assert np.subtract(shifted, own) == pytest.approx((-5, 0, 0), abs=1e-4)


def test_voxels_that_are_no_numbers_are_told_of_when_the_file_is_read(tmp_path: Path) -> None:
    voxels = a_blob()
    voxels[0, 0, :3] = np.nan, np.inf, -np.inf
    node = a_volume_node("T1", voxels, np.eye(4))
    (pair,) = pairs_of_nodes([(node, a_blob_node("PET", seed=1))], tmp_path)
    read, direct = read_volume(pair.fixed), volume_from_node(node)
    assert read.notes == direct.notes
    assert "has 3 voxels that are not finite" in read.notes[0]
    np.testing.assert_array_equal(*(sitk.GetArrayFromImage(one.image) for one in (read, direct)))


def test_the_same_node_gives_the_same_bytes_so_that_a_batch_goes_on(tmp_path: Path) -> None:
    nodes = [(a_blob_node("T1"), a_blob_node("PET", seed=1))]
    (first,) = pairs_of_nodes(nodes, tmp_path)
    before = first.fixed.read_bytes()
    assert pairs_of_nodes(nodes, tmp_path) == [first]
    assert first.fixed.read_bytes() == before


def test_two_pairs_of_the_same_names_are_refused(tmp_path: Path) -> None:
    pair = (a_blob_node("T1"), a_blob_node("PET"))
    with pytest.raises(InputError, match="rename one"):
        pairs_of_nodes([pair, (a_blob_node("T1"), a_blob_node("PET"))], tmp_path)


def test_folders_give_pairs_and_say_what_has_no_partner(tmp_path: Path) -> None:
    for name in ("t1/a.nii", "t1/b.nii", "pet/a.nii"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pairs, notes = pairs_of_folders(tmp_path / "t1", tmp_path / "pet")
    assert pairs == [Pair("a", tmp_path / "t1" / "a.nii", tmp_path / "pet" / "a.nii")]
    assert "b.nii" in notes[0]


def test_each_patient_gives_the_longest_series_of_either_modality() -> None:
    database = Database(
        **{
            "1": {"scout": ("MR", ["/s/1"]), "t1": ("MR", ["/t/2", "/t/1"]), "pet": ("PT", ["/p/1"])},
            "2": {"t1": ("MR", ["/u/1"]), "ct": ("CT", ["/c/1"])},
        }
    )
    pairs, notes = pairs_of_dicom("MR", "PT", database)
    assert pairs == [Pair("patient-1_MR_PT", Path("/t/1"), Path("/p/1"))]
    assert "1 patients" in notes[0]


def test_a_database_without_such_a_patient_is_told() -> None:
    with pytest.raises(InputError, match="import them first"):
        pairs_of_dicom("MR", "PT", Database(**{"1": {"t1": ("MR", ["/u/1"])}}))


def test_a_series_is_chosen_by_a_part_of_its_description() -> None:
    series = {"t1": ("MR", ["/t/1"]), "dti": ("MR", ["/d/1", "/d/2", "/d/3"]), "pet": ("PT", ["/p/1"])}
    database = Database(**{"1": series})
    assert pairs_of_dicom("MR", "PT", database)[0][0].fixed == Path("/d/1")
    assert pairs_of_dicom(SeriesChoice("MR", "T1"), "PT", database)[0][0].fixed == Path("/t/1")
    with pytest.raises(InputError, match="MR named 'flair'"):
        pairs_of_dicom(SeriesChoice("MR", "flair"), "PT", database)
    with pytest.raises(InputError, match="both MR"):
        pairs_of_dicom("MR", "MR", database)


def test_a_closed_database_is_told(monkeypatch) -> None:
    monkeypatch.setattr(slicer, "dicomDatabase", SimpleNamespace(isOpen=False), raising=False)
    with pytest.raises(InputError, match="open the module DICOM"):
        pairs_of_dicom("MR", "PT")


def a_case(pair: ScenePair, out: Path) -> Case:
    return next(case for case in pair.saved(out) if case is not None)


def test_the_modality_of_the_import_goes_with_the_file(tmp_path: Path, monkeypatch) -> None:
    fixed, moving = a_blob_node("T1"), a_blob_node("scan", seed=1)
    imported = {moving: "PT"}
    monkeypatch.setattr("CSAFusionLib.slicer_host.batch.dicom_modality", imported.get)
    case = a_case(ScenePair(fixed, moving, FusionSettings()), tmp_path)
    assert [read_volume(path).modality_hint for path in (case.fixed, case.moving)] == [None, "PT"]
    imported.clear()
    assert read_volume(a_case(ScenePair(fixed, moving, FusionSettings()), tmp_path).moving).modality_hint is None


def test_a_region_of_the_scene_lies_on_the_grid_of_the_file(tmp_path: Path) -> None:
    turned = a_linear_transform_node(rotation(20, (5, 0, 0)))
    fixed, moving = a_blob_node("T1", parent=turned), a_blob_node("PET", seed=1)
    mask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "mask")
    slicer.util.updateVolumeFromArray(mask, (a_blob() > 40).astype("u1"))
    mask.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras_of(fixed)))
    mask.SetAndObserveTransformNodeID(turned.GetID())
    case = a_case(ScenePair(fixed, moving, FusionSettings(), mask=mask), tmp_path)
    assert case.region is not None
    image, region = read_volume(case.fixed).image, read_volume(case.region).image
    assert (region.GetSize(), region.GetOrigin()) == (image.GetSize(), image.GetOrigin())
    np.testing.assert_array_equal(sitk.GetArrayFromImage(region) > 0, a_blob() > 40)


@pytest.mark.parametrize("shipped", [True, False])
def test_brainsfit_runs_as_the_program_that_slicer_ships(tmp_path: Path, monkeypatch, shipped: bool) -> None:
    module = SimpleNamespace(path=str(tmp_path / "libBRAINSFitLib.so"))
    monkeypatch.setattr(slicer, "modules", SimpleNamespace(brainsfit=module), raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    if shipped:
        (tmp_path / "BRAINSFit").touch()
        assert brainsfit_program() == tmp_path / "BRAINSFit"
    else:
        with pytest.raises(InputError, match="choose another method"):
            brainsfit_program()
