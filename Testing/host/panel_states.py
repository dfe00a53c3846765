"""What a panel is like on the way from its first opening to a result, with texts as long as they come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import slicer

from CSAFusionLib.batch.child import Row
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.slicer_host.nodes import write_provenance
from CSAFusionLib.slicer_host.panel.choices import BatchSource
from CSAFusionLib.slicer_host.volume_nodes import FIXED_ROLE
from CSAFusionLib.worker.job import ErrorEvent, ProgressEvent
from Testing.host.scene import LEFT_HANDED, OBLIQUE, a_volume_node

SECTIONS = ("inputs", "registration", "fusion", "outputs", "batch")

_METRIC = {
    f"{name}_{when}": value
    for name in ("mutual_information", "correlation", "ssim", "overlap")
    for when, value in (("before", 0.21), ("after", 0.83))
}
_REASONS = {
    Grade.GOOD: (
        "The check tried other shifts and turns, and none matches clearly better (the best match is 1.2 mm from this "
        "alignment). Left and right look so alike that an exchange of the two would not be noticed."
    ),
    Grade.DOUBTFUL: (
        "The match hardly changes wherever the moving volume is put, so the check cannot tell whether the alignment is "
        "right; the two may not show the same anatomy."
    ),
    Grade.BAD: (
        "The alignment is wrong: the volumes match clearly better when the moving one is shifted or turned by about "
        "23 mm."
    ),
}
_WARNINGS = [
    "'501: T1 MPRAGE sag iso' was read with its sform, from which its qform differs by 12.4 mm at a corner; decide "
    "with the orientation.",
    "No weights were trained on PET and CT; those of PET and MR are used, and how good the result is was not measured.",
    "Memory ran out on cuda; went on with the CPU.",
]


def empty(panel) -> None:
    """Nothing is chosen."""
    panel._parameterNode.volumeA = panel._parameterNode.volumeB = None


def ready(panel) -> None:
    """Two volumes are chosen, and a preset."""
    left, right = np.mgrid[0:10, 0:20, 0:30][1:] * 40.0
    panel._parameterNode.volumeA = a_volume_node("501: T1 MPRAGE sag iso", (left + right).astype("f4"), OBLIQUE)
    panel._parameterNode.volumeB = a_volume_node("3: PET brain AC 60 min", (left * right).astype("f4"), LEFT_HANDED)
    panel.ui.presetComboBox.activated(2)


def running(panel) -> None:
    """A run is going on."""
    ready(panel)
    panel._panel.run.show_start()
    panel._panel.show_event(ProgressEvent("Checking the registration", 123, 160))
    panel._panel.run.show_ready("A fusion is running; wait for it or cancel it.", True)


def done(panel, level: Grade = Grade.GOOD, warnings: list[str] = ()) -> None:  # type: ignore[assignment]
    """A run has ended with a result."""
    ready(panel)
    registration = {"method": "LANDMARKS", "seconds": 12.3, "metric": _METRIC}
    registration["verdict"] = {"level": level.value, "reason": _REASONS[level]}
    fixed = panel._parameterNode.volumeA
    name = "501: T1 MPRAGE sag iso + 3: PET brain AC 60 min fused"
    fused = a_volume_node(name, np.ones((4, 4, 4), "f4"), OBLIQUE)
    fused.SetNodeReferenceID(FIXED_ROLE, fixed.GetID())
    provenance = {
        "notice": "Research use only, not for diagnosis.",
        "settings": {"registration": "AUTO"},
        "registration": registration,
        "fixed": {"modality": "MR", "modality_is_guessed": True, "black": 8.3, "white": 432.0},
        "moving": {"modality": "PET", "modality_is_guessed": False, "black": 0.0, "white": 16.2976},
        "weights": {"name": "pet-mr"},
        "device": {"name": "cpu", "reason": "no accelerator can be used (cuda: not present; mps: not present)"},
        "warnings": list(warnings),
    }
    write_provenance(fused, provenance)
    panel._parameterNode.registeredVolume = a_volume_node("registered", np.ones((4, 4, 4), "f4"), OBLIQUE)
    panel._parameterNode.sliceTable = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "figures")
    panel._parameterNode.fusedVolume = fused
    panel._panel.run.show_end(f"Done: '{fused.GetName()}'.")
    panel._panel.result.show_new()
    panel._panel.tour.close()
    panel._panel._bring_end_into_view(True)


def doubtful(panel) -> None:
    """A run has ended with a result that has to be looked at."""
    done(panel, Grade.DOUBTFUL, _WARNINGS)


def bad(panel) -> None:
    """A run has ended with a result that is not to be used."""
    done(panel, Grade.BAD, _WARNINGS[:1])


def failed(panel) -> None:
    """A run has ended with a sentence as long as any."""
    ready(panel)
    panel._panel.show_event(
        ErrorEvent(
            "The fusion process has ended without a result (exit code 3221225477): a driver of the graphics card may "
            "have failed; update it, or try again with the device set to CPU in the section Fusion. The Python "
            "console shows what the process said last."
        )
    )


_CASES = [
    Row("501_ T1 MPRAGE sag iso_3_ PET brain AC 60 min", "done", "good", _REASONS[Grade.GOOD]),
    Row("patient-2_MR_PT", "done", "doubtful", _REASONS[Grade.DOUBTFUL]),
    Row("patient-3_MR_PT", "done", "bad", _REASONS[Grade.BAD]),
    Row("patient-4_MR_PT", "failed", "", "'/data/patient-4/IM-0001.dcm' holds two series; name the one to take."),
]


def _batch_of(panel, source: BatchSource, names: list[str]) -> None:
    """Bring the section Batch to where a batch of these cases has just been started."""
    ready(panel)
    panel.ui.batchCollapsibleButton.collapsed = False
    panel._parameterNode.batchSource = source
    panel._panel.batch.show_start(names, Path("/data/fused"))


def batch_asked(panel) -> None:
    """Pairs of the DICOM database are wanted, and there is none."""
    ready(panel)
    panel.ui.batchCollapsibleButton.collapsed = False
    panel._parameterNode.batchSource = BatchSource.DICOM


def batch_running(panel) -> None:
    """A batch is on its way."""
    _batch_of(panel, BatchSource.SCENE, [*(case.name for case in _CASES), "patient-5_MR_PT", "patient-6_MR_PT"])
    for case in _CASES[:3]:
        panel._panel.show_batch_row(case)
    panel._panel.batch.tell("3 of 120 cases, about 43 min left")
    panel._panel.batch._show_bar(3, 6)


def batch_done(panel) -> None:
    """A batch has ended, and a case with a long sentence is selected."""
    _batch_of(panel, BatchSource.FOLDERS, [case.name for case in _CASES])
    for case in _CASES:
        panel._panel.show_batch_row(case)
    panel._panel.batch.show_end(None)
    panel.ui.batchCasesTable.selectRow(1)


STATES: dict[str, Callable] = {
    state.__name__: state
    for state in (empty, ready, running, done, doubtful, bad, failed, batch_asked, batch_running, batch_done)
}


def open_all(panel, opened: bool = True) -> None:
    """Open or close the sections that are closed at first."""
    for name in SECTIONS:
        getattr(panel.ui, f"{name}CollapsibleButton").collapsed = not opened
