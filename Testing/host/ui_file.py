"""Loads a ``.ui`` file as Slicer does, and refuses what Slicer would pass over in silence."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from PySide6 import QtCore, QtUiTools

from Testing.host.pythonqt import PythonQtObject, application, wrap
from Testing.host.widgets import STAND_INS


class QFile:
    """The part of ``qt.QFile`` that ``slicer.util.loadUI`` calls."""

    ReadOnly = 1

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def exists(self) -> bool:
        return self.path.is_file()

    def open(self, mode: int) -> bool:
        return mode == self.ReadOnly


class QUiLoader:
    """``qt.QUiLoader``, which in Slicer knows the ctk and qMRML widgets."""

    def load(self, file: QFile) -> PythonQtObject:
        application()
        document = ElementTree.parse(file.path).getroot()
        connections = document.find("connections")
        if connections is not None:
            document.remove(connections)
        loader = _Loader()
        data = QtCore.QBuffer()
        data.setData(ElementTree.tostring(document))
        data.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        top = wrap(loader.load(data))
        widgets = {top.name: top} | {child.objectName(): wrap(child) for child in top._qt.findChildren(QtCore.QObject)}
        _check_properties(document, widgets)
        for connection in connections if connections is not None else ():
            _connect(connection, widgets)
        return top


class _Loader(QtUiTools.QUiLoader):
    def createWidget(self, class_name: str, parent=None, name: str = ""):
        if class_name in STAND_INS:
            widget = STAND_INS[class_name](parent)
            widget.setObjectName(name)
            return widget
        assert not class_name.startswith(("ctk", "qMRML")), f"the host has no stand-in for {class_name}"
        return super().createWidget(class_name, parent, name)


def _connect(connection: ElementTree.Element, widgets: dict[str, PythonQtObject]) -> None:
    sender, signal, receiver, slot = (connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot"))
    widgets[sender].connect(signal, getattr(widgets[receiver], slot.split("(")[0]))


def _check_properties(document: ElementTree.Element, widgets: dict[str, PythonQtObject]) -> None:
    """Qt makes an unknown property a dynamic one, and ignores buddies and tab stops that are not there."""
    for element in document.iter("widget"):
        meta = widgets[element.get("name")]._qt.metaObject()
        for item in element.findall("property"):
            if item.get("name") == "buddy":
                assert item.findtext("cstring") in widgets, f"no widget {item.findtext('cstring')}"
                continue
            known = meta.indexOfProperty(item.get("name")) >= 0 or item.get("stdset") == "0"
            assert known, f"{element.get('class')} has no property {item.get('name')}"
    for tab_stop in document.iter("tabstop"):
        assert tab_stop.text in widgets, f"no widget {tab_stop.text}"
