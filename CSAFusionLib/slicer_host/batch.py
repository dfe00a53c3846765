"""Runs a batch from Slicer: pairs of the scene, folders or the DICOM database, and the process that fuses them.

Scene volumes are saved one at a time, then a child process fuses the cases. Another one writes the page on which the
cases are reviewed; the browser shows it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import SimpleITK as sitk
import slicer
from slicer.i18n import tr as _

from CSAFusionLib.batch.case import Case, Defaults, Place
from CSAFusionLib.batch.case_lists import cases_of_folders, stem_of
from CSAFusionLib.batch.child import BatchProcess, Pair, Row
from CSAFusionLib.errors import CSAFusionError, InputError
from CSAFusionLib.files.atomic_write import atomic_write, content_writer
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.processes import ModuleProcess, find_program
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.validation import Masks, check_nodes, region_on_grid, registration_masks
from CSAFusionLib.slicer_host.volume_nodes import dicom_modality, image_from_node
from CSAFusionLib.volumes.writing import write_volume

INPUTS = "scene"
"""The folder, beside the cases, that holds the volumes of the scene as they were fused."""

_ROLES = ("fixed", "moving", "region", "mask", "moving_mask")


@dataclass(frozen=True)
class ScenePair:
    """Two volume nodes that are saved as files and fused as one case of a batch.

    settings: of this case. roi, mask: where to fuse, as in :func:`CSAFusionLib.slicer_host.validation.region_on_grid`.
    masks: where the registration compares, as in :func:`CSAFusionLib.slicer_host.validation.registration_masks`.
    misalignment: whether to measure how far off the registration is, and where.
    """

    fixed: Any
    moving: Any
    settings: FusionSettings
    roi: Any = None
    mask: Any = None
    masks: Masks = (None, None)
    misalignment: bool = False

    @property
    def name(self) -> str:
        """The case's name, after its two nodes."""
        return f"{_name(self.fixed)}_{_name(self.moving)}"

    def check(self) -> None:
        """Raise InputError for nodes that cannot be fused, or have gone from the scene."""
        for node in filter(None, (self.fixed, self.moving, self.roi, self.mask, *self.masks)):
            if not slicer.mrmlScene.IsNodePresent(node):
                text = _("'{name}' was removed before it was saved for the batch; start it again without it.")
                raise InputError(text.format(name=node.GetName()))
        check_nodes(self.fixed, self.moving, (), self.mask)

    def saved(self, out: Path) -> Iterator[Case | None]:
        """Save the volumes into the folder ``scene`` of a batch's, one at each step; the last step gives the case.

        Raises InputError as :meth:`check` does, and for a disk that refuses a file.
        """
        folder = out / INPUTS
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = _("The folder '{folder}' cannot be made ({reason}); choose another.")
            raise InputError(text.format(folder=folder, reason=error.strerror)) from error
        files = {role: (folder / f"{self.name}_{role}.nrrd").absolute() for role in _ROLES}
        self.check()
        fixed = _save(self.fixed, files["fixed"])
        yield None
        self.check()
        moving = _save(self.moving, files["moving"])
        yield None
        self.check()
        masks = registration_masks((self.fixed, self.moving), (fixed, moving), self.masks, None)
        marked = {"region": self._region_on(fixed), "mask": masks.fixed, "moving_mask": masks.moving}
        given = {role: files[role] for role, image in marked.items() if image is not None}
        for role, file in given.items():
            write_volume(marked[role], file)
        yield Case(
            self.name,
            files["fixed"],
            files["moving"],
            self.settings,
            Place(PurePosixPath(self.name)),
            region=given.get("region"),
            mask=given.get("mask"),
            moving_mask=given.get("moving_mask"),
            misalignment=self.misalignment,
        )

    def _region_on(self, grid: sitk.Image) -> sitk.Image | None:
        """Where to fuse, on the grid of the fixed volume as it was saved; None for everywhere."""
        region = region_on_grid(self.fixed, self.roi, self.mask)
        if region is None:
            return None
        if region.GetSize() != grid.GetSize():
            text = _("'{name}' is under a nonlinear transform, with which a batch has no region; harden the transform.")
            raise InputError(text.format(name=self.fixed.GetName()))
        # The saved node lies where the node does without its parent transforms.
        region.CopyInformation(grid)
        return region


def scene_pairs(pairs: Sequence[ScenePair]) -> list[ScenePair]:
    """Return the pairs; InputError for one that cannot be fused, or two of the same names."""
    known: set[str] = set()
    for pair in pairs:
        pair.check()
        if pair.name.lower() in known:
            raise InputError(_("Two pairs have volumes of the same names; rename one of the volumes."))
        known.add(pair.name.lower())
    return list(pairs)


def pairs_of_nodes(nodes: Sequence[tuple[Any, Any]], out: Path) -> list[Pair]:
    """Save volume nodes, where their parent transforms put them, and name each pair by its two nodes.

    Args:
        nodes: the fixed and the moving node of each pair.
        out: the folder of the batch, created if missing; the volumes go into its folder ``scene``.

    Raises InputError for a node that cannot be fused, two pairs of the same names, or a disk that refuses a file.
    """
    pairs = scene_pairs([ScenePair(fixed, moving, FusionSettings()) for fixed, moving in nodes])
    cases = [case for pair in pairs for case in pair.saved(out) if case is not None]
    return [Pair(case.name, case.fixed, case.moving) for case in cases]


def pairs_of_folders(fixed: Path, moving: Path) -> tuple[list[Pair], list[str]]:
    """The volumes with the same name in two folders, and sentences about those without a partner.

    Raises InputError as :func:`CSAFusionLib.batch.case_lists.cases_of_folders` does.
    """
    matched = cases_of_folders(fixed, moving, Defaults(FusionSettings()))
    return [Pair(case.name, case.fixed, case.moving) for case in matched.cases], matched.notes()


@dataclass(frozen=True)
class SeriesChoice:
    """Which series of a patient to take: the longest of a modality.

    modality: in DICOM's terms: ``MR``, ``CT``, ``PT``, ``NM``.
    named: a part of its description, in upper or lower case; empty for any.
    """

    modality: str
    named: str = ""

    def __str__(self) -> str:
        return (
            _("{modality} named '{name}'").format(modality=self.modality, name=self.named)
            if self.named
            else (self.modality)
        )

    def of(self, series: Iterable[str], database: Any) -> Path | None:
        """The first file of the series of most files; the reader finds the others by it. None where there is none."""
        found = [list(database.filesForSeries(one)) for one in series if self._fits(one, database)]
        files = max((files for files in found if files), key=len, default=None)
        return None if files is None else Path(min(files))

    def _fits(self, series: str, database: Any) -> bool:
        if database.fieldForSeries("Modality", series) != self.modality:
            return False
        wanted = self.named.strip().lower()
        return not wanted or wanted in (database.fieldForSeries("SeriesDescription", series) or "").lower()


def pairs_of_dicom(
    fixed: str | SeriesChoice, moving: str | SeriesChoice, database: Any = None
) -> tuple[list[Pair], list[str]]:
    """For each patient, the longest series of each choice, and sentences about patients who lack one.

    A pair is named by the patient's number in the database, which does not identify the patient.

    Args:
        fixed, moving: the series to take; a text is a modality in DICOM's terms: ``MR``, ``CT``, ``PT``, ``NM``.
        database: a ctkDICOMDatabase; Slicer's own when None.

    Raises InputError where there is no database, where no patient has both, or where both are one choice.
    """
    database = _open_database() if database is None else database
    chosen = [one if isinstance(one, SeriesChoice) else SeriesChoice(one) for one in (fixed, moving)]
    if chosen[0] == chosen[1]:
        text = _("Fixed and moving are both {choice}; choose another modality, or name the series of each.")
        raise InputError(text.format(choice=chosen[0]))
    pairs, lacking = [], 0
    for patient in database.patients():
        series = [one for study in database.studiesForPatient(patient) for one in database.seriesForStudy(study)]
        found = [choice.of(series, database) for choice in chosen]
        if found[0] is None or found[1] is None or found[0] == found[1]:
            lacking += 1
        else:
            name = f"patient-{patient}_{chosen[0].modality}_{chosen[1].modality}"
            pairs.append(Pair(name, found[0], found[1]))
    if not pairs:
        text = _("No patient of the DICOM database has a series of {fixed} and one of {moving}; import them first.")
        raise InputError(text.format(fixed=chosen[0], moving=chosen[1]))
    text = _("Left out, for want of a series of {fixed} or {moving}: {count} patients.")
    notes = [text.format(fixed=chosen[0], moving=chosen[1], count=lacking)] if lacking else []
    return pairs, notes


def as_pairs(pairs: Sequence[Any], settings: FusionSettings) -> list[Pair | Case | ScenePair]:
    """Return pairs and cases unchanged, and two volume nodes as a pair of the scene with these settings."""
    given: list[Pair | Case | ScenePair] = []
    for pair in pairs:
        is_ready = isinstance(pair, Pair | Case | ScenePair)
        given.append(pair if is_ready else ScenePair(pair[0], pair[1], settings))
    scene_pairs([pair for pair in given if isinstance(pair, ScenePair)])
    return given


def _open_database() -> Any:
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        raise InputError(_("No DICOM database is open; open the module DICOM and import the studies."))
    return database


def _name(node: Any) -> str:
    return stem_of(Path(node.GetName() or "volume"))


def _save(node: Any, file: Path) -> sitk.Image:
    """Save a node as a file, with the modality from its DICOM import beside it; returns what was saved.

    Non-finite voxels are saved unchanged: the reader of the file fills them and reports it in the case's record.
    """
    image, modality = image_from_node(node), dicom_modality(node)
    write_volume(image, file)
    sidecar = file.with_suffix(".json")
    if modality:
        atomic_write({sidecar: content_writer(json.dumps({"Modality": modality}) + "\n")})
    else:
        sidecar.unlink(missing_ok=True)
    return image


def process_of(
    pairs: Sequence[Pair | Case], out: Path, settings: FusionSettings, jobs: int | None, retry_failed: bool
) -> BatchProcess:
    """The batch of these pairs in a process of the Python that Slicer ships, not started yet."""
    methods = {pair.settings.registration if isinstance(pair, Case) else settings.registration for pair in pairs}
    brainsfit = brainsfit_program() if Method.BRAINS in methods else None
    return BatchProcess(pairs, out, settings, jobs=jobs, retry_failed=retry_failed, brainsfit=brainsfit)


def brainsfit_program() -> Path | None:
    """The BRAINSFit that Slicer ships, as a separate program; None leaves it to the PATH.

    Raises InputError where there is neither.
    """
    module = getattr(slicer.modules, "brainsfit", None)
    folder = Path(module.path).parent if module is not None else Path()
    shipped = [folder / name for name in ("BRAINSFit", "BRAINSFit.exe")] if module is not None else []
    found = next((file for file in shipped if file.is_file()), None)
    if found is None and find_program("BRAINSFit") is None:
        raise InputError(_("This Slicer ships no BRAINSFit that runs on its own; choose another method for a batch."))
    return found


class BatchJob:
    """One batch: start it, poll it until it has ended, or stop it. What is done stays.

    Args:
        pairs: what to fuse; pairs of the scene are saved into the folder first, one volume at each poll.
        out, settings, jobs, retry_failed: as :class:`CSAFusionLib.batch.child.BatchProcess` takes them.
    """

    def __init__(
        self,
        pairs: Sequence[Pair | Case | ScenePair],
        out: Path,
        settings: FusionSettings,
        *,
        jobs: int | None = None,
        retry_failed: bool = False,
    ) -> None:
        self._pairs = list(pairs)
        self._out = out
        self._choices = (settings, jobs, retry_failed)
        self._steps: Iterator[None] | None = None
        self._process: Any = None

    def start(self) -> None:
        """Start it. Raises InputError where it cannot be started."""
        ready = [pair for pair in self._pairs if not isinstance(pair, ScenePair)]
        if len(ready) < len(self._pairs):
            self._steps = self._save_and_start()
        else:
            self._start_process(ready)

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended yet."""
        return self.is_saving or (self._process is not None and self._process.is_running)

    @property
    def is_saving(self) -> bool:
        """Whether volumes of the scene are being saved."""
        return self._steps is not None

    def poll(self) -> list[Row]:
        """The cases that have ended since the last call; waits for no more than one volume to be saved.

        Raises InputError, once, when the batch as a whole has failed.
        """
        if self._steps is not None:
            try:
                if next(self._steps, self) is self:
                    self._steps = None
            except CSAFusionError:
                self._steps = None
                raise
            return []
        return self._process.poll() if self._process is not None else []

    def stop(self) -> None:
        """Ask it to end, without waiting; it counts as running until :meth:`poll` sees its end."""
        self._steps = None
        if self._process is not None:
            self._process.stop()

    def cancel(self) -> None:
        """End it, and wait until it has ended."""
        self._steps = None
        if self._process is not None:
            self._process.cancel()

    def _save_and_start(self) -> Iterator[None]:
        ready: list[Pair | Case] = []
        for pair in self._pairs:
            if not isinstance(pair, ScenePair):
                ready.append(pair)
                continue
            for case in pair.saved(self._out):
                if case is not None:
                    ready.append(case)
                yield
        self._start_process(ready)

    def _start_process(self, pairs: Sequence[Pair | Case]) -> None:
        process = process_of(pairs, self._out, *self._choices)
        process.start()
        self._process = process


PAGE = "qc.html"
_LOG = "page.log"


class QualityPage:
    """``csafusion qc`` in a child process: start it, poll it until the page is there, or end it."""

    def __init__(self) -> None:
        self._process: ModuleProcess | None = None
        self._folder = Path()

    @property
    def is_being_made(self) -> bool:
        """Whether it has been started and :meth:`poll` has not seen its end yet."""
        return self._process is not None

    def start(self, folder: Path) -> None:
        """Begin to write the page of the cases in a folder. Raises InputError where no process can be started."""
        self.end()
        self._folder = folder.absolute()
        try:
            files = OwnedFolder()
            with open(files.path / _LOG, "w", encoding="utf-8") as log:
                self._process = ModuleProcess(
                    "CSAFusionLib.cli", "qc", str(self._folder), files=files, stdout=subprocess.DEVNULL, stderr=log
                )
        except OSError as error:
            text = _("The quality page could not be started ({reason}); check the free disk space.")
            raise InputError(text.format(reason=error.strerror or error)) from error

    def poll(self) -> Path | None:
        """The page, once it is written; does not wait. Raises InputError, once, when it cannot be written."""
        if self._process is None or self._process.poll() is None:
            return None
        code = self._process.returncode
        lines = (self._process.files.path / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()
        self.end()
        if code != 0:
            said = next((line.strip() for line in reversed(lines) if line.strip()), "")
            raise InputError(said or _("The quality page could not be written; look into the folder of the batch."))
        return self._folder / PAGE

    def end(self) -> None:
        """Stop writing it."""
        process, self._process = self._process, None
        if process is not None:
            process.dismiss()


def show_page(page: Path) -> str:
    """Show a page in the browser; returns a sentence that says so, or what to do where there is none."""
    import qt  # nothing else of a batch needs it

    if qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(page))):
        return _("The quality page is open in the browser: '{page}'.").format(page=page)
    return _("No browser could be started; open '{page}'.").format(page=page)
