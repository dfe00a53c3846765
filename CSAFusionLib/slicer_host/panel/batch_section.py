"""The section Batch: where the pairs come from, where the results go, and a table that shows how every case ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from CSAFusionLib.batch.child import Row
from CSAFusionLib.batch.layout import SUMMARY
from CSAFusionLib.errors import Cancelled, CSAFusionError, InputError
from CSAFusionLib.slicer_host.batch import QualityPage, show_page
from CSAFusionLib.slicer_host.panel.choices import BatchSource, SeriesModality
from CSAFusionLib.slicer_host.panel.request import (
    BatchRequest,
    batch_request,
    find_cases,
    keep_pairs,
    masks_of,
    output_folder,
    pairs_in_scene,
    settings_from,
)
from CSAFusionLib.slicer_host.panel.run_and_result import TimeLeft, in_words
from CSAFusionLib.slicer_host.panel.sections import Scrolling, describe_items, say
from CSAFusionLib.slicer_host.wording import WAITING, case_in_words

_NAME, _STATE, _WHY = range(3)
_MOST_OF_NAME = 0.45
"""How much of the width a name may take."""


class CaseTable:
    """Shows cases by their names, and how each has ended.

    Args:
        table: a QTableWidget with the columns case, state and why.
        label: shows all of the selected case's sentence.
    """

    def __init__(self, table: Any, label: Any) -> None:
        self._table = table
        self._label = label
        self._rows: dict[str, Row | None] = {}
        table.connect("itemSelectionChanged()", self._on_selection)
        self.show([])

    @property
    def names(self) -> list[str]:
        """The cases, in their order."""
        return list(self._rows)

    @property
    def ended(self) -> list[Row]:
        """How the finished cases ended."""
        return [row for row in self._rows.values() if row is not None]

    @property
    def selected(self) -> int | None:
        """The index of the selected case; None if no case is selected."""
        place = self._table.currentRow()
        return place if 0 <= place < len(self._rows) else None

    def show(self, names: Iterable[str]) -> None:
        """Show these cases; none of them has ended."""
        self._rows = dict.fromkeys(names)
        self._table.setRowCount(0)
        self._table.setRowCount(len(self._rows))
        for place, name in enumerate(self._rows):
            self._write(place, name, None)
        self._table.visible = bool(self._rows)
        self._fit()
        self._on_selection()

    def show_end(self, row: Row) -> None:
        """Show how a case ended; a case that is not in the table is ignored."""
        if row.name in self._rows:
            self._rows[row.name] = row
            self._write(self.names.index(row.name), row.name, row)
            self._table.resizeColumnToContents(_STATE)
            self._on_selection()

    def _write(self, place: int, name: str, row: Row | None) -> None:
        texts = (name, WAITING, "") if row is None else (name, case_in_words(row.status, row.verdict), row.reason)
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(texts[_WHY] if column == _WHY else text)
            self._table.setItem(place, column, item)

    def _fit(self) -> None:
        """Fit the columns of names and states to their texts; the sentences get the rest of the width."""
        for column in (_NAME, _STATE):
            self._table.resizeColumnToContents(column)
        most = int(_MOST_OF_NAME * self._table.width)
        self._table.setColumnWidth(_NAME, min(self._table.columnWidth(_NAME), most))

    def _on_selection(self) -> None:
        place = self.selected
        row = None if place is None else self._rows[self.names[place]]
        if row is None:
            say(self._label, "")
            return
        state = case_in_words(row.status, row.verdict)
        say(self._label, _("{name}: {state}. {why}").format(name=row.name, state=state, why=row.reason))


_POLL_MS = 200
_PATHS = ("FixedFolder", "MovingFolder", "Table", "Folder")
_OF_SOURCE = {
    BatchSource.SCENE: ("batchSceneWidget",),
    BatchSource.FOLDERS: (
        "batchFixedFolderLabel",
        "batchFixedFolderPathLineEdit",
        "batchMovingFolderLabel",
        "batchMovingFolderPathLineEdit",
    ),
    BatchSource.TABLE: ("batchTableLabel", "batchTablePathLineEdit"),
    BatchSource.DICOM: (
        "batchFixedSeriesLabel",
        "batchFixedSeriesWidget",
        "batchMovingSeriesLabel",
        "batchMovingSeriesWidget",
    ),
}
"""The widgets in which the user chooses the pairs of a source."""


class BatchSection:
    """Shows the pairs that are found, the cases of a batch as they end, and the page to look through them.

    Args:
        scrolling: brings a batch that starts into view.
    """

    def __init__(self, ui: Any, scrolling: Scrolling) -> None:
        self._ui = ui
        self._scrolling = scrolling
        self._parameters: Any = None
        self._device = "auto"
        self._table = CaseTable(ui.batchCasesTable, ui.batchWhyLabel)
        self._looked: tuple[Any, ...] | None = None
        self._found = self._problem = ""
        self._is_running = False
        self._folder: Path | None = None
        self._time_left = TimeLeft()
        self._page = QualityPage()
        self._timer = qt.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.connect("timeout()", self._poll_page)
        for name in ("FixedFolder", "MovingFolder", "Folder"):
            getattr(ui, f"batch{name}PathLineEdit").filters = ctk.ctkPathLineEdit.Dirs
        ui.batchAddButton.connect("clicked(bool)", self._on_add)
        ui.batchRemoveButton.connect("clicked(bool)", self._on_remove)
        ui.batchProgressBar.visible = False
        self._say("")

    def describe(self) -> None:
        """Set the tooltips of the filled menus, and look for pairs again."""
        describe_items(self._ui.batchSourceComboBox, (choice.value for choice in BatchSource))
        for side in ("Fixed", "Moving"):
            menu = getattr(self._ui, f"batch{side}SeriesComboBox")
            describe_items(menu, (choice.value for choice in SeriesModality))
        self._looked = None

    def update(self, parameters: Any, device: str, busy: str, running: bool) -> None:
        """Show a parameter node.

        Args:
            device: as in the settings.
            busy: the sentence that says why nothing can be started; empty for nothing.
            running: whether a batch is running.
        """
        self._parameters, self._device, self._is_running = parameters, device, running
        for source, names in _OF_SOURCE.items():
            for name in names:
                getattr(self._ui, name).visible = source is parameters.batchSource
        for name in _PATHS:
            line = getattr(self._ui, f"batch{name}PathLineEdit")
            if line.currentPath == ".":  # how Slicer spells a path that is not chosen
                line.currentPath = ""
        if not running:
            self._look()
        problem = self._missing()
        self._ui.batchStartButton.enabled = not (busy or problem)
        self._ui.batchStartButton.toolTip = busy or problem or _("Fuse all pairs; what is done already is skipped.")
        self._ui.batchCancelButton.enabled = running
        can_add = parameters.volumeA is not None and parameters.volumeB not in (None, parameters.volumeA)
        self._ui.batchAddButton.enabled = can_add and not running
        self._ui.batchRemoveButton.enabled = bool(pairs_in_scene(parameters)) and not running
        say(self._ui.batchPairsLabel, self._found if running else problem or self._found)
        self._show_page_button()

    def release(self) -> None:
        """Forget the scene; a running batch continues."""
        self._parameters = None

    def end(self) -> None:
        """Stop everything: the panel is destroyed."""
        self._timer.stop()
        self._page.end()

    @property
    def summary(self) -> str:
        """How far a batch is, or how many pairs there are, in a few words."""
        if self._is_running:
            return _("{done} of {total}").format(done=len(self._table.ended), total=len(self._table.names))
        return _("{count} pairs").format(count=len(self._table.names)) if self._table.names else _("no pairs")

    def request(self) -> BatchRequest:
        """The request. Raises InputError if something is missing."""
        return batch_request(self._parameters, self._device)

    def node_goes(self, node: Any, parameters: Any) -> None:
        """Leave out the pairs of a node that is about to be removed."""
        pairs = pairs_in_scene(parameters)
        kept = [pair for pair in pairs if node not in pair]
        if len(kept) < len(pairs):
            keep_pairs(kept, parameters)
            if not self._is_running:
                self._say(_("'{name}' was deleted, and its pairs with it.").format(name=node.GetName()))

    def show_start(self, names: Sequence[str], folder: Path) -> None:
        """A batch has been started."""
        self._folder = folder
        self._time_left = TimeLeft()
        self._table.show(names)
        self._show_bar(0, 0)
        self._say(_("Starting..."))
        ui = self._ui
        self._scrolling.bring(ui.batchCasesTable, ui.batchStartButton, ui.batchProgressBar, ui.batchStatusLabel)

    def show_row(self, row: Row) -> None:
        """A case has ended."""
        self._table.show_end(row)
        done, total = len(self._table.ended), len(self._table.names)
        text = _("{done} of {total} cases").format(done=done, total=total)
        left = self._time_left.after("cases", done, total)
        if left:
            text = _("{text}, about {left} left").format(text=text, left=in_words(left))
        self._say(text)
        self._show_bar(done, total)

    def show_wait(self, text: str) -> None:
        """Show that something runs whose duration is unknown."""
        self._say(text)
        self._show_bar(0, 0)

    def show_end(self, error: CSAFusionError | None) -> None:
        """The batch has ended: complete, or for the reason given."""
        self._ui.batchProgressBar.visible = False
        ended, total = self._table.ended, len(self._table.names)
        if isinstance(error, Cancelled):
            text = _("Cancelled. {done} of {total} cases are kept; Start goes on with the others.")
            self._say(text.format(done=len(ended), total=total))
        else:
            self._say(_counted(ended) if error is None else str(error))

    def tell(self, text: str) -> None:
        """Show why nothing was started."""
        self._ui.batchProgressBar.visible = False
        self._say(text)

    def make_page(self) -> None:
        """Write the quality page of the batch in a process of its own, and show it once it is there."""
        folder = self._page_folder()
        if folder is None:
            return
        self._page.start(folder)
        self._ui.batchPageButton.text = _("Writing the quality page...")
        self._timer.start()
        self._show_page_button()

    def _poll_page(self) -> None:
        try:
            page = self._page.poll()
            text = "" if page is None else show_page(page)
        except InputError as error:
            text = str(error)
        if not self._page.is_being_made:
            self._timer.stop()
            self._ui.batchPageButton.text = _("Open quality page")
            self._say(text)
            self._show_page_button()

    def _page_folder(self) -> Path | None:
        """The folder of the cases to review: that of the last batch, or the chosen folder."""
        chosen = None
        if self._parameters is not None:
            try:
                chosen = output_folder(self._parameters)
            except InputError:
                chosen = None
        folders = (self._folder, chosen) if self._is_running else (chosen, self._folder)
        return next((one for one in folders if one is not None and (one / SUMMARY).is_file()), None)

    def _show_page_button(self) -> None:
        self._ui.batchPageButton.enabled = not self._page.is_being_made and self._page_folder() is not None

    def _key(self) -> tuple[Any, ...] | None:
        """Everything that the pairs depend on."""
        parameters = self._parameters
        if parameters is None:
            return None
        pairs = [(a.GetID(), a.GetName(), b.GetID(), b.GetName()) for a, b in pairs_in_scene(parameters)]
        paths = (parameters.batchFixedFolder, parameters.batchMovingFolder, parameters.batchTable)
        series = (parameters.batchFixedSeries, parameters.batchMovingSeries)
        names = (parameters.batchFixedNamed, parameters.batchMovingNamed)
        return parameters.batchSource, pairs, paths, series, names, parameters.reference, self._settings_problem()

    def _look(self) -> None:
        """Look for pairs again if something that they depend on has changed."""
        key = self._key()
        if key == self._looked:
            return
        self._looked = key
        try:
            found = find_cases(self._parameters, self._device)
        except CSAFusionError as error:
            self._problem, self._found = str(error), ""
            # The outcome of a batch stays visible until other pairs are chosen, even after its scene is closed.
            if not self._table.ended:
                self._table.show([])
            return
        names = [case.name for case in found.cases]
        self._problem = ""
        self._found = " ".join([_pairs_in_words(len(names)), *found.notes])
        if names != self._table.names:
            self._table.show(names)

    def _missing(self) -> str:
        """The sentence that says why no batch can start, or an empty text."""
        try:
            output_folder(self._parameters)
        except InputError as error:
            return self._problem or str(error)
        return self._problem

    def _settings_problem(self) -> str:
        """Why the batch cannot use the settings of the panel; empty if it can."""
        in_scene = self._parameters.batchSource is BatchSource.SCENE
        volumes = next(iter(pairs_in_scene(self._parameters)), None) if in_scene else (None, None)
        if volumes is None:
            return ""
        try:
            settings_from(self._parameters, ("A", "B"), self._device, volumes)
            if in_scene:
                masks_of(self._parameters, ("A", "B"), in_batch=True)
        except InputError as error:
            return str(error)
        return ""

    def _on_add(self, checked: bool = False) -> None:
        pair = (self._parameters.volumeA, self._parameters.volumeB)
        pairs = pairs_in_scene(self._parameters)
        if pair in pairs:
            self._say(_("This pair is already in the list."))
            return
        self._say("")
        keep_pairs([*pairs, pair], self._parameters)

    def _on_remove(self, checked: bool = False) -> None:
        pairs, place = pairs_in_scene(self._parameters), self._table.selected
        if place is None or place >= len(pairs):
            self._say(_("Select the pair in the table first."))
            return
        self._say("")
        keep_pairs([pair for number, pair in enumerate(pairs) if number != place], self._parameters)

    def _say(self, text: str) -> None:
        say(self._ui.batchStatusLabel, text)

    def _show_bar(self, done: int, total: int) -> None:
        self._ui.batchProgressBar.visible = True
        self._ui.batchProgressBar.maximum = total
        self._ui.batchProgressBar.value = done


def _pairs_in_words(count: int) -> str:
    return _("One pair.") if count == 1 else _("{count} pairs.").format(count=count)


def _counted(rows: Sequence[Row]) -> str:
    """The number of cases for each outcome."""
    counts = Counter("failed" if row.status == "failed" else row.verdict for row in rows)
    parts = [
        _("{count} good").format(count=counts["good"]),
        _("{count} doubtful").format(count=counts["doubtful"]),
        _("{count} bad").format(count=counts["bad"]),
        _("{count} failed").format(count=counts["failed"]),
    ]
    return _("Done: {counts}.").format(counts=", ".join(parts))
