"""The section Batch of the panel."""

from __future__ import annotations

from pathlib import Path

import pytest
import slicer

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.batch.child import Row
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.panel.choices import BatchSource, Intensities, Reference, SeriesModality
from Testing.host.application import raise_errors
from Testing.host.fixtures import pump
from Testing.host.scene import a_blob_node
from Testing.slicer_host.test_batch import Database

GOOD = Row("a", "done", "good", "It is.")
DOUBTFUL = Row("b", "done", "doubtful", "The match hardly changes.")
FAILED = Row("c", "failed", "", "'c.nii' holds no volume; give another.")


def shown(panel) -> list[tuple[str, str]]:
    """The names and states that the table shows."""
    table = panel.ui.batchCasesTable._qt
    return [tuple(table.item(row, column).text() for column in range(2)) for row in range(table.rowCount())]


def choose(panel, **values) -> None:
    for name, value in values.items():
        setattr(panel._parameterNode, f"batch{name}", value)
    raise_errors()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of three volumes of the same names, which nobody reads."""
    made = tmp_path / "t1", tmp_path / "pet"
    for folder in made:
        folder.mkdir()
        for name in "abc":
            (folder / f"{name}.nii").touch()
    return made


@pytest.fixture
def of_folders(panel, folders, tmp_path: Path):
    """The panel with the pairs of two folders."""
    choose(panel, Source=BatchSource.FOLDERS, FixedFolder=folders[0], MovingFolder=folders[1], Folder=tmp_path / "out")
    return panel


def start(panel) -> None:
    panel.ui.batchStartButton.click()
    raise_errors()


def ended(panel) -> bool:
    return not panel.logic.isBatchRunning


def test_nothing_starts_until_pairs_and_a_folder_are_chosen(panel, tmp_path):
    assert panel.ui.batchPairsLabel.text == "Select volume A and volume B and add them as a pair."
    assert not panel.ui.batchStartButton.enabled and "add them" in panel.ui.batchStartButton.toolTip
    panel.ui.batchAddButton.click()
    raise_errors()
    assert shown(panel) == [("F_M", "waiting")]
    assert panel.ui.batchPairsLabel.text == "Choose a folder for the results."
    choose(panel, Folder=tmp_path / "out")
    assert panel.ui.batchPairsLabel.text == "One pair." and panel.ui.batchStartButton.enabled


def test_pairs_of_the_scene_are_fused_with_what_the_panel_is_set_to(panel, volumes, batches, tmp_path):
    panel.ui.batchAddButton.click()
    choose(panel, Folder=tmp_path / "out", Jobs=2, RetryFailed=True, Misalignment=True)
    panel._parameterNode.reference = Reference.B
    panel._parameterNode.balance = 0.5
    panel._parameterNode.method = Method.NONE
    panel._parameterNode.intensitiesA = Intensities.DISPLAYED
    volumes[0].GetDisplayNode().SetAutoWindowLevel(False)
    volumes[0].GetDisplayNode().SetWindowLevel(30, 40)
    start(panel)
    pump(lambda: ended(panel))
    (batch,) = batches.made
    (case,) = batch.pairs
    assert (case.name, batch.jobs, batch.retry_failed) == ("M_F", 2, True)
    assert (case.settings.balance, case.settings.moving_window.width) == (-0.5, 30)
    assert case.misalignment and case.fixed.is_file() and case.fixed.name == "M_F_fixed.nrrd"


def test_cases_are_shown_as_they_end_with_the_sentence_of_the_selected_one(of_folders, batches):
    panel = of_folders
    assert shown(panel) == [("a", "waiting"), ("b", "waiting"), ("c", "waiting")]
    batches.plan = [GOOD, DOUBTFUL, None]
    start(panel)
    pump(lambda: "2 of 3" in panel.ui.batchStatusLabel.text)
    assert [state for _, state in shown(panel)] == ["\N{HEAVY CHECK MARK} good", "\N{WARNING SIGN} doubtful", "waiting"]
    assert not panel.ui.batchStartButton.enabled and not panel.ui.applyButton.enabled
    assert panel.ui.batchCollapsibleButton.text == "Batch: 2 of 3"
    panel.ui.batchCasesTable.selectRow(1)
    assert panel.ui.batchWhyLabel.text == "b: \N{WARNING SIGN} doubtful. The match hardly changes."
    batches.made[0]._plan[:] = [FAILED]
    pump(lambda: ended(panel))
    assert panel.ui.batchStatusLabel.text == "Done: 1 good, 1 doubtful, 0 bad, 1 failed."
    assert panel.ui.batchCasesTable._qt.item(2, 2).toolTip() == FAILED.reason
    assert panel.ui.batchStartButton.enabled and panel.ui.batchProgressBar._qt.isHidden()


def test_a_cancelled_batch_keeps_what_is_done(of_folders, batches):
    panel = of_folders
    batches.plan = [GOOD, None]
    start(panel)
    pump(lambda: "1 of 3" in panel.ui.batchStatusLabel.text)
    panel.ui.batchCancelButton.click()
    pump(lambda: ended(panel))
    assert batches.made[0].asked_to_stop
    assert panel.ui.batchStatusLabel.text == "Cancelled. 1 of 3 cases are kept; Start goes on with the others."
    assert shown(panel)[0] == ("a", "\N{HEAVY CHECK MARK} good") and panel.ui.batchStartButton.enabled
    start(panel)
    assert shown(panel)[0] == ("a", "waiting")


def test_a_batch_that_fails_as_a_whole_says_why(of_folders, batches):
    batches.plan = [GOOD, "'/out' cannot be written."]
    start(of_folders)
    pump(lambda: ended(of_folders))
    assert of_folders.ui.batchStatusLabel.text == "'/out' cannot be written."
    assert shown(of_folders)[0][1].endswith("good") and of_folders.ui.batchStartButton.enabled


def test_a_batch_goes_on_when_another_module_is_opened_and_when_the_scene_is_closed(of_folders, batches, scene):
    panel = of_folders
    batches.plan = [GOOD, None]
    start(panel)
    panel.exit()
    pump(lambda: "1 of 3" in panel.ui.batchStatusLabel.text)
    scene.Clear(False)
    panel.enter()
    assert panel.logic.isBatchRunning and panel.ui.batchCancelButton.enabled
    panel.exit()
    batches.made[0]._plan[:] = [DOUBTFUL, FAILED]
    pump(lambda: ended(panel))
    panel.enter()
    raise_errors()
    assert [state[2:] for _, state in shown(panel)] == ["good", "doubtful", "failed"]
    assert panel.ui.batchPageButton.enabled


def test_a_scene_closed_before_its_volumes_were_saved_ends_the_batch(panel, scene, batches, tmp_path):
    panel.ui.batchAddButton.click()
    choose(panel, Folder=tmp_path / "out")
    start(panel)
    assert panel.logic.isBatchRunning and batches.made == []
    scene.Clear(False)
    pump(lambda: ended(panel))
    assert "was removed before it was saved" in panel.ui.batchStatusLabel.text and batches.made == []


def test_developer_reload_ends_a_batch(of_folders, batches):
    batches.plan = [None]
    start(of_folders)
    of_folders.logic.endBatch()
    assert batches.made[0].cancelled and ended(of_folders)


def test_the_pairs_of_a_deleted_volume_are_left_out(panel, volumes, scene):
    third = a_blob_node("third")
    panel.ui.batchAddButton.click()
    panel.ui.batchAddButton.click()
    assert panel.ui.batchStatusLabel.text == "This pair is already in the list."
    panel._parameterNode.volumeB = third
    panel.ui.batchAddButton.click()
    assert [name for name, _ in shown(panel)] == ["F_M", "F_third"]
    scene.RemoveNode(third)
    slicer.app.processEvents()
    raise_errors()
    assert [name for name, _ in shown(panel)] == ["F_M"]
    assert panel.ui.batchStatusLabel.text == "'third' was deleted, and its pairs with it."
    panel.ui.batchCasesTable.selectRow(0)
    panel.ui.batchRemoveButton.click()
    raise_errors()
    assert shown(panel) == []


def test_a_range_of_the_scene_is_refused_for_files(of_folders):
    of_folders._parameterNode.intensitiesB = Intensities.DISPLAYED
    assert of_folders.ui.batchPairsLabel.text.startswith("'As displayed' is a range of volumes in the scene")
    assert not of_folders.ui.batchStartButton.enabled
    of_folders._parameterNode.intensitiesB = Intensities.AUTOMATIC
    assert of_folders.ui.batchStartButton.enabled


def test_the_results_cannot_go_where_the_volumes_lie(of_folders, folders):
    choose(of_folders, Folder=folders[0])
    assert "holds volumes to fuse" in of_folders.ui.batchPairsLabel.text


def test_misalignment_is_measured_where_it_is_asked_for(of_folders, batches):
    for asked in (False, True):
        choose(of_folders, Misalignment=asked)
        start(of_folders)
        pump(lambda: ended(of_folders))
        assert {case.misalignment for case in batches.made[-1].pairs} == {asked}


def test_a_table_may_say_more_than_the_panel(panel, folders, batches, tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text("fixed,moving,balance,transform\nt1/a.nii,pet/a.nii,0.25,a.tfm\nt1/b.nii,pet/b.nii,,\n")
    panel._parameterNode.balance = -0.5
    choose(panel, Source=BatchSource.TABLE, Table=table, Folder=tmp_path / "out")
    start(panel)
    (batch,) = batches.made
    assert [case.settings.balance for case in batch.pairs] == [0.25, -0.5]
    assert batch.pairs[0].transform == tmp_path / "a.tfm"


def test_studies_are_taken_by_patient_and_modality(panel, batches, tmp_path, monkeypatch):
    choose(panel, Source=BatchSource.DICOM, Folder=tmp_path / "out")
    assert panel.ui.batchPairsLabel.text.startswith("No DICOM database is open")
    series = {"t1": ("MR", ["/t/1", "/t/2"]), "t2": ("MR", ["/u/1"]), "pet": ("PT", ["/p/1"])}
    monkeypatch.setattr(slicer, "dicomDatabase", Database(**{"1": series}), raising=False)
    panel.exit()
    panel.enter()
    assert shown(panel) == [("patient-1_MR_PT", "waiting")]
    choose(panel, FixedSeries=SeriesModality.CT)
    assert panel.ui.batchPairsLabel.text.startswith("No patient of the DICOM database has a series of CT")
    choose(panel, FixedSeries=SeriesModality.MR, FixedNamed="T1", MovingSeries=SeriesModality.MR, MovingNamed="t2")
    start(panel)
    (case,) = batches.made[0].pairs
    assert (case.fixed, case.moving) == (Path("/t/1"), Path("/u/1"))


def test_only_what_the_source_needs_is_asked_for(panel):
    panel.ui.batchCollapsibleButton.collapsed = False
    asked = {
        BatchSource.SCENE: "batchSceneWidget",
        BatchSource.FOLDERS: "batchFixedFolderPathLineEdit",
        BatchSource.TABLE: "batchTablePathLineEdit",
        BatchSource.DICOM: "batchFixedSeriesWidget",
    }
    for source in BatchSource:
        choose(panel, Source=source)
        assert [one for one, name in asked.items() if not getattr(panel.ui, name)._qt.isHidden()] == [source]


def test_the_quality_page_is_written_and_opened_in_the_browser(of_folders, batches, application, tmp_path):
    panel = of_folders
    assert not panel.ui.batchPageButton.enabled
    batches.plan = [FAILED]
    start(panel)
    pump(lambda: ended(panel))
    panel.ui.batchPageButton.click()
    raise_errors()
    assert not panel.ui.batchPageButton.enabled and panel.ui.batchPageButton.text == "Writing the quality page..."
    pump(lambda: application.opened)
    assert application.opened == [f"file://{tmp_path / 'out' / 'qc.html'}"]
    assert (tmp_path / "out" / "qc.html").is_file() and panel.ui.batchPageButton.text == "Open quality page"


def test_a_page_that_cannot_be_written_says_why(of_folders, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.tsv").touch()
    of_folders._panel.update()
    of_folders.ui.batchPageButton.click()
    pump(lambda: of_folders.ui.batchPageButton.enabled)
    assert "holds no case of a batch" in of_folders.ui.batchStatusLabel.text
