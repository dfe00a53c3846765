#!/bin/bash
# PySide6 6.9.3 holds a lambda or a partial that is connected to a signal where Python's garbage collector cannot see it.
# A widget whose own signal is connected to a callable that refers to it is therefore never freed, even by gc.collect();
# a bound method is held weakly, and its widget is freed. A widget that is not freed still receives every later style of
# the application, which matters in a test suite that opens and drops many windows. shiboken6.delete() frees it;
# deleteLater() frees it only once an event loop runs, however often processEvents() is called.
#
# Seen:
#   PySide6 6.9.3: bound method: 0 of 3 alive; lambda: 3 of 3 alive; partial: 3 of 3 alive
#   a style for the application reached 6 dropped widgets; deleteLater and processEvents left 6, shiboken6.delete left 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet PySide6-Essentials==6.9.3
QT_QPA_PLATFORM=offscreen "$folder/venv/bin/python" - <<'PYTHON'
import gc
import weakref
from functools import partial

import PySide6
import shiboken6
from PySide6 import QtCore, QtWidgets

application = QtWidgets.QApplication([])
reached = []


class Button(QtWidgets.QPushButton):
    def __init__(self, kind):
        super().__init__("a button")
        slots = {"bound method": self.act, "lambda": lambda: self.act(), "partial": partial(Button.act, self)}
        self.clicked.connect(slots[kind])
        self.ensurePolished()

    def act(self):
        pass

    def changeEvent(self, event):
        if event.type() == QtCore.QEvent.Type.StyleChange:
            reached.append(self)
        super().changeEvent(event)


def alive_of(kind):
    dropped = [weakref.ref(Button(kind)) for _ in range(3)]
    gc.collect()
    return sum(reference() is not None for reference in dropped)


counts = {kind: alive_of(kind) for kind in ("bound method", "lambda", "partial")}
application.setStyle("Windows")
left = len(set(map(id, reached)))
for widget in application.topLevelWidgets():
    widget.deleteLater()
for _ in range(3):
    application.processEvents()
after_later = len(application.topLevelWidgets())
for widget in application.topLevelWidgets():
    shiboken6.delete(widget)
after_delete = len(application.topLevelWidgets())
print(
    f"PySide6 {PySide6.__version__}: " + "; ".join(f"{kind}: {count} of 3 alive" for kind, count in counts.items())
)
print(
    f"a style for the application reached {left} dropped widgets; deleteLater and processEvents left {after_later}, "
    f"shiboken6.delete left {after_delete}"
)
expected = {"bound method": 0, "lambda": 3, "partial": 3}
assert (counts, left, after_later, after_delete) == (expected, 6, 6, 0), "PySide6 behaves differently now"
PYTHON
