"""A fusion of nodes, from start to end."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util

from CSAFusionLib.errors import InputError, RegistrationError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.fusion_job import FusedEvent, FusionJob, Outputs, read_pair
from CSAFusionLib.slicer_host.validation import check_masks, registration_masks
from CSAFusionLib.worker.job import CancelledEvent, ErrorEvent, ProgressEvent
from CSAFusionLib.worker.launch import WorkerProcess
from Testing.host.command_line_modules import install_brainsfit
from Testing.host.scene import (
    LEFT_HANDED,
    OBLIQUE,
    a_blob,
    a_blob_node,
    a_linear_transform_node,
    a_nonlinear_transform_node,
    ijk_to_ras_of,
    rotation,
    snapshot,
)

pytestmark = pytest.mark.usefixtures("temporary_folder")


@pytest.fixture
def nodes():
    parent = a_linear_transform_node(rotation(10))
    return a_blob_node("F"), a_blob_node("M", parent=parent, seed=1)


@pytest.fixture
def a_job(nodes, monkeypatch):
    """Makes jobs whose child does one of the tasks of Testing/worker in place of the fusion."""

    def make(task: str = "negate", *, method: Method = Method.NONE, **outputs) -> FusionJob:
        def start(job):
            worker = WorkerProcess(job, task=f"child_tasks:{task}")
            worker.start()
            return worker

        monkeypatch.setattr("CSAFusionLib.slicer_host.fusion_job.start_worker", start)
        return FusionJob(*nodes, FusionSettings(registration=method), Outputs(**outputs))

    return make


def all_events(job: FusionJob) -> list:
    events: list = []
    end = time.monotonic() + 60
    while not events or isinstance(events[-1], ProgressEvent):
        assert time.monotonic() < end, f"the job does not end: {events}"
        events += job.poll()
        time.sleep(0.01)
    assert job.poll() == []
    return events


def wait_for_progress(job: FusionJob) -> None:
    end = time.monotonic() + 60
    while not job.poll():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_success_adds_the_fused_node_and_nothing_else(a_job, nodes, temporary_folder):
    before = snapshot()
    job = a_job()
    job.start()
    *progress, last = all_events(job)
    assert progress == [ProgressEvent("negation", done, 3) for done in (1, 2, 3)]
    assert isinstance(last, FusedEvent) and last.warnings == ["a warning"]
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(last.node), -a_blob())
    after = snapshot()
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {last.node.GetID(), last.node.GetDisplayNodeID()}
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.parametrize("meanwhile", ["nothing", "cancel", "remove"])
def test_between_reading_the_result_and_placing_it_slicer_is_alive(a_job, nodes, scene, meanwhile):
    job = a_job()
    job.start()
    end = time.monotonic() + 60
    while job._result is None:
        assert time.monotonic() < end and not any(isinstance(event, FusedEvent) for event in job.poll())
    before = set(snapshot())
    {"nothing": lambda: None, "cancel": job.cancel, "remove": lambda: scene.RemoveNode(nodes[1])}[meanwhile]()
    (event,) = job.poll()
    assert {"nothing": FusedEvent, "cancel": CancelledEvent, "remove": ErrorEvent}[meanwhile] is type(event)
    assert (set(snapshot()) <= before) == (meanwhile != "nothing") and job.poll() == []


def test_given_output_nodes_are_filled(a_job, nodes, scene):
    output = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "O")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    job = a_job(fused=output, transform=transform)
    job.start()
    assert all_events(job)[-1].node is output
    assert not np.allclose(slicer.util.arrayFromTransformMatrix(transform), np.eye(4))


def test_a_contribution_map_is_made_where_it_is_asked_for_and_only_there(a_job):
    for make in (frozenset(), frozenset({"contribution"})):
        job = a_job(make=make)
        job.start()
        *_, last = all_events(job)
        assert (last.outputs.contribution is not None) == bool(make)


def test_the_fusion_itself_runs_on_slicers_nodes(nodes, weights_file, temporary_folder):
    settings = FusionSettings(registration=Method.NONE, weights=str(weights_file), device="cpu")
    job = FusionJob(*nodes, settings)
    job.start()
    last = all_events(job)[-1]
    assert isinstance(last, FusedEvent), last
    assert ijk_to_ras_of(last.node).tobytes() == ijk_to_ras_of(nodes[0]).tobytes()
    assert 0 <= slicer.util.arrayFromVolume(last.node).min() < slicer.util.arrayFromVolume(last.node).max() <= 1
    assert len(last.node.GetAttribute("CSAFusion.weights.sha256")) == 64
    assert FusionSettings.from_dict(json.loads(last.node.GetAttribute("CSAFusion.settings"))).device == "cpu"
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.parametrize("task", ["refuse", "fail", "crash", "be_killed"])
def test_whatever_goes_wrong_in_the_child_is_an_error_and_the_scene_is_as_before(a_job, nodes, task, temporary_folder):
    before = snapshot()
    job = a_job(task)
    job.start()
    assert isinstance(all_events(job)[-1], ErrorEvent)
    assert snapshot() == before
    assert list(temporary_folder.iterdir()) == []


def test_cancelling_the_child_leaves_the_scene_as_before(a_job, nodes, temporary_folder):
    before = snapshot()
    job = a_job("work_for_long")
    job.start()
    wait_for_progress(job)
    job.cancel()
    assert all_events(job) == [CancelledEvent()]
    assert snapshot() == before
    assert list(temporary_folder.iterdir()) == []


def test_after_brainsfit_the_child_gets_its_transform(a_job, nodes, monkeypatch, scene):
    install_brainsfit(monkeypatch).fixed_to_moving = sitk.TranslationTransform(3, (-1, -2, 3))
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    before = snapshot()
    job = a_job(method=Method.BRAINS, transform=transform)
    job.start()
    first, *_, last = all_events(job)
    assert first == ProgressEvent("Registering with BRAINSFit", 0, 0)
    assert set(snapshot()) - set(before) == {last.node.GetID(), last.node.GetDisplayNodeID()}
    expected = np.linalg.inv(rotation(0, (1, 2, 3))) @ rotation(10)
    np.testing.assert_allclose(slicer.util.arrayFromTransformMatrix(transform), expected, atol=1e-9)


def test_cancelling_brainsfit_waits_for_its_end_and_starts_no_child(a_job, nodes, monkeypatch, temporary_folder):
    install_brainsfit(monkeypatch)
    before = snapshot()
    job = a_job(method=Method.BRAINS)
    job.start()
    wait_for_progress(job)
    job.cancel()
    assert all_events(job)[-1] == CancelledEvent()
    assert snapshot() == before
    assert list(temporary_folder.iterdir()) == []


def test_an_error_of_brainsfit_ends_the_job(a_job, nodes, monkeypatch):
    install_brainsfit(monkeypatch).error = "no overlap"
    before = snapshot()
    job = a_job(method=Method.BRAINS)
    job.start()
    assert all_events(job)[-1] == ErrorEvent("BRAINSFit failed: no overlap")
    assert snapshot() == before


def test_what_cannot_start_says_so_at_once(a_job, nodes, monkeypatch):
    monkeypatch.setattr(slicer, "modules", object(), raising=False)
    with pytest.raises(RegistrationError, match="no BRAINSFit"):
        a_job(method=Method.BRAINS).start()
    with pytest.raises(InputError, match="Select the moving"):
        FusionJob(nodes[0], None, FusionSettings()).start()


def a_label_map(node, labels: np.ndarray):
    """A label volume on the grid of a node, under its parent transform."""
    mask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "L")
    slicer.util.updateVolumeFromArray(mask, labels.astype(np.uint8))
    mask.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras_of(node)))
    mask.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    return mask


def test_registration_masks_lie_on_the_grids_of_their_volumes(nodes):
    labels = a_blob(seed=1) > 40
    fixed, moving = read_pair(*nodes)
    masks = registration_masks(nodes, (fixed.image, moving.image), (None, a_label_map(nodes[1], labels)), None)
    assert masks.fixed is None
    np.testing.assert_array_equal(sitk.GetArrayFromImage(masks.moving), labels)
    np.testing.assert_allclose(ijk_to_ras(masks.moving), ijk_to_ras(moving.image))
    empty = a_label_map(nodes[0], labels & False)
    with pytest.raises(InputError, match="'L' marks nothing of 'F'"):
        registration_masks(nodes, (fixed.image, moving.image), (empty, None), None)


def test_masks_go_to_the_child_and_are_refused_where_nobody_looks_at_them(nodes, monkeypatch):
    jobs = []
    monkeypatch.setattr("CSAFusionLib.slicer_host.fusion_job.start_worker", jobs.append)
    mask = a_label_map(nodes[0], a_blob() > 40)
    FusionJob(*nodes, FusionSettings(registration="sitk"), masks=(mask, None)).start()
    assert jobs[0].masks.sources == ({"of": "fixed", "format": "in memory"},)
    install_brainsfit(monkeypatch)
    for method in (Method.NONE, Method.BRAINS):
        with pytest.raises(InputError, match="ignores registration masks"):
            FusionJob(*nodes, FusionSettings(registration=method), masks=(None, mask)).start()
    check_masks(Method.BRAINS, (None, mask), in_batch=True)
    with pytest.raises(InputError, match="ignores registration masks"):
        check_masks(Method.NONE, (None, mask), in_batch=True)


def test_side_by_side_is_refused_for_want_of_a_place(nodes):
    before = snapshot()
    with pytest.raises(InputError, match="Compare side by side"):
        FusionJob(*nodes, FusionSettings(style="side-by-side")).start()
    assert snapshot() == before


def finish_after(a_job, change) -> object:
    job = a_job()
    job.start()
    change()
    return all_events(job)[-1]


@pytest.mark.parametrize("method", [Method.NONE, Method.BRAINS])
def test_an_input_removed_or_changed_ends_the_run_at_once(a_job, nodes, monkeypatch, scene, temporary_folder, method):
    install_brainsfit(monkeypatch).polls = 1000
    for change in (lambda: nodes[1].SetOrigin(1, 2, 3), lambda: scene.RemoveNode(nodes[0])):
        job = a_job("work_for_long", method=method)
        job.start()
        wait_for_progress(job)
        change()
        began = time.monotonic()
        event = all_events(job)[-1]
        assert isinstance(event, ErrorEvent) and "the run was stopped" in event.message
        assert time.monotonic() - began < 2 and list(temporary_folder.iterdir()) == []


def test_an_input_removed_meanwhile_drops_the_result(a_job, nodes, scene):
    event = finish_after(a_job, lambda: scene.RemoveNode(nodes[0]))
    assert event == ErrorEvent("'F' was removed while the fusion ran; the run was stopped.")


def test_a_scene_closed_meanwhile_drops_the_result(a_job, nodes, scene):
    assert isinstance(finish_after(a_job, lambda: scene.Clear(False)), ErrorEvent)
    assert scene.GetNumberOfNodes() == 0


@pytest.mark.parametrize("what", ["voxels", "grid", "transform", "parent"])
def test_an_input_changed_meanwhile_drops_the_result(a_job, nodes, scene, what):
    def change():
        moving = nodes[1]
        if what == "voxels":
            slicer.util.arrayFromVolume(moving)[:] += 1
            slicer.util.arrayFromVolumeModified(moving)
        elif what == "grid":
            moving.SetOrigin(1, 2, 3)
        elif what == "transform":
            moving.GetParentTransformNode().SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(rotation(11)))
        else:
            moving.SetAndObserveTransformNodeID(None)

    event = finish_after(a_job, change)
    assert event == ErrorEvent("'M' was changed while the fusion ran; the run was stopped, start it again.")


def test_changing_only_how_an_input_is_shown_does_not_matter(a_job, nodes):
    event = finish_after(a_job, lambda: nodes[0].GetDisplayNode().SetWindowLevel(3, 4))
    assert isinstance(event, FusedEvent)


def test_an_output_node_removed_meanwhile_is_replaced(a_job, nodes, scene):
    output = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "O")
    job = a_job(fused=output)
    job.start()
    scene.RemoveNode(output)
    node = all_events(job)[-1].node
    assert node is not output and scene.IsNodePresent(node)


def test_both_volumes_are_given_in_the_frame_of_the_fixed_node():
    of_fixed = a_linear_transform_node(rotation(20, (1, 2, 3)))
    of_moving = a_linear_transform_node(rotation(-30, (4, 5, 6), axis=0), parent=of_fixed)
    fixed = a_blob_node("F", parent=of_fixed)
    moving = a_blob_node("M", LEFT_HANDED, parent=of_moving)
    fixed_volume, moving_volume = read_pair(fixed, moving)
    np.testing.assert_allclose(ijk_to_ras(fixed_volume.image), OBLIQUE, atol=1e-12)
    expected = rotation(-30, (4, 5, 6), axis=0) @ LEFT_HANDED
    np.testing.assert_allclose(ijk_to_ras(moving_volume.image), expected, atol=1e-9)


def test_volumes_under_one_nonlinear_transform_keep_their_voxels():
    parent = a_nonlinear_transform_node()
    pair = read_pair(*(a_blob_node(name, parent=parent) for name in "FM"))
    for volume in pair:
        np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), a_blob())


def test_the_region_goes_to_the_child_and_a_bad_one_starts_nothing(nodes, scene, monkeypatch):
    started = []
    monkeypatch.setattr("CSAFusionLib.slicer_host.fusion_job.start_worker", started.append)
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    roi.SetSize(10, 10, 10)
    roi.SetCenter(*OBLIQUE[:3, 3])
    FusionJob(*nodes, FusionSettings(registration=Method.NONE), roi=roi).start()
    assert 0 < sitk.GetArrayFromImage(started[0].region).sum() < a_blob().size
    roi.SetCenter(1000, 0, 0)
    with pytest.raises(InputError, match="lies in 'R'"):
        FusionJob(*nodes, FusionSettings(registration=Method.NONE), roi=roi).start()
    assert len(started) == 1
