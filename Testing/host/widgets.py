"""Stand-ins for the parts of ``qt``, ``ctk`` and the ``qMRML`` widgets that the panel uses, as PythonQt shows them.

Properties are attributes (``w.enabled = False``); what PythonQt would not know is an AttributeError; a signal is
connected by its full signature or as an attribute, and calling it emits it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path


class Signal:
    """One signal of one widget."""

    def __init__(self) -> None:
        self._slots: list = []

    def connect(self, slot) -> None:
        self._slots.append(slot)

    def disconnect(self, slot) -> None:
        self._slots.remove(slot)

    def __call__(self, *arguments) -> None:
        for slot in list(self._slots):
            slot(*arguments)


class QObject:
    """A strict object: its class lists its properties with their defaults, and its signals."""

    properties: dict[str, object] = {}
    signals: tuple[str, ...] = ()

    def __init__(self) -> None:
        values: dict[str, object] = {}
        signals: dict[str, Signal] = {}
        for base in reversed(type(self).__mro__):
            values |= base.__dict__.get("properties", {})
            signals |= {signature: Signal() for signature in base.__dict__.get("signals", ())}
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_signals", signals)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._values:
            return self._values[name]
        for signature, signal in self._signals.items():
            if signature.split("(")[0] == name:
                return signal
        raise AttributeError(f"{type(self).__name__} has no '{name}'")

    def __setattr__(self, name: str, value) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
            return
        if name not in self._values:
            raise AttributeError(f"{type(self).__name__} has no property '{name}'")
        expected = type(self._values[name])
        if expected in (bool, int, str) and type(value) is not expected:
            raise TypeError(f"{type(self).__name__}.{name} is a {expected.__name__}, not {value!r}")
        self._values[name] = value

    def connect(self, signature: str, slot) -> None:
        if signature not in self._signals:
            raise AttributeError(f"{type(self).__name__} has no signal '{signature}'")
        self._signals[signature].connect(slot)


class QTimer(QObject):
    properties = {"active": False}
    signals = ("timeout()",)
    running: list[QTimer] = []

    def setInterval(self, milliseconds: int) -> None:
        assert milliseconds > 0

    def start(self) -> None:
        if not self.active:
            QTimer.running.append(self)
        self.active = True

    def stop(self) -> None:
        if self.active:
            QTimer.running.remove(self)
        self.active = False


class QWidget(QObject):
    properties = {"name": "", "enabled": True, "visible": True, "toolTip": ""}

    def __init__(self) -> None:
        super().__init__()
        self._dynamic: dict[str, str] = {}

    def property(self, name: str):
        return self._dynamic.get(name, self._values.get(name))

    def click(self) -> None:
        """What a user does to a button; a disabled one does not answer."""
        assert "clicked(bool)" in self._signals, "only a button can be clicked"
        if self.enabled:
            self.clicked(False)


class QLabel(QWidget):
    properties = {"text": "", "wordWrap": False, "buddy": ""}


class QPushButton(QWidget):
    properties = {"text": ""}
    signals = ("clicked(bool)",)


class QProgressBar(QWidget):
    properties = {"maximum": 100, "minimum": 0, "value": 0}


class QComboBox(QWidget):
    signals = ("currentIndexChanged(int)",)

    def __init__(self) -> None:
        super().__init__()
        self._items: list[dict] = []
        self._index = -1

    @property
    def currentIndex(self) -> int:
        return self._index

    @property
    def currentText(self) -> str:
        return self._items[self._index]["text"] if self._items else ""

    @property
    def count(self) -> int:
        return len(self._items)

    def clear(self) -> None:
        self._items.clear()
        self.select(-1)

    def addItem(self, text: str) -> None:
        self._items.append({"text": text})
        if len(self._items) == 1:
            self.select(0)

    def setItemText(self, index: int, text: str) -> None:
        self._items[index]["text"] = text

    def setItemData(self, index: int, value, role: int) -> None:
        self._items[index][role] = value

    def itemText(self, index: int) -> str:
        return self._items[index]["text"]

    def itemData(self, index: int, role: int):
        return self._items[index].get(role)

    def select(self, index: int) -> None:
        """What writing ``currentIndex`` does."""
        if index != self._index:
            self._index = index
            self.currentIndexChanged(index)

    def __setattr__(self, name: str, value) -> None:
        if name == "currentIndex":
            self.select(value)
        else:
            super().__setattr__(name, value)


class ctkCollapsibleButton(QWidget):
    properties = {"text": "", "collapsed": False}


class qMRMLWidget(QWidget):
    signals = ("mrmlSceneChanged(vtkMRMLScene*)",)

    def setMRMLScene(self, scene) -> None:
        self.mrmlSceneChanged(scene)


class qMRMLNodeComboBox(QWidget):
    properties = {
        "nodeTypes": (),
        "showChildNodeTypes": True,
        "hideChildNodeTypes": (),
        "noneEnabled": False,
        "noneDisplay": "None",
        "addEnabled": True,
        "removeEnabled": True,
        "renameEnabled": False,
    }
    signals = ("currentNodeChanged(vtkMRMLNode*)",)

    def __init__(self) -> None:
        super().__init__()
        self._scene = None
        self._node = None

    def setMRMLScene(self, scene) -> None:
        self._scene = scene

    def currentNode(self):
        return self._node

    def setCurrentNode(self, node) -> None:
        assert self._scene is not None, "without a scene the selector is empty"
        assert node is None or any(node.IsA(kind) for kind in self.nodeTypes), "a node the selector does not offer"
        if node is not self._node:
            self._node = node
            self.currentNodeChanged(node)


_CLASSES = {
    kind.__name__: kind
    for kind in (QLabel, QPushButton, QProgressBar, QComboBox, ctkCollapsibleButton, qMRMLWidget, qMRMLNodeComboBox)
}
_LAYOUT_ONLY = {"geometry"}


def load_ui(path: str | Path) -> dict[str, QWidget]:
    """The widgets of a .ui file by name, with its properties set and its connections made; unknown ones are errors."""
    document = ElementTree.parse(path).getroot()
    widgets = {element.get("name"): _widget_of(element) for element in document.iter("widget")}
    for connection in document.iter("connection"):
        sender, signal, receiver, slot = (connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot"))
        widgets[sender].connect(signal, getattr(widgets[receiver], slot.split("(")[0]))
    for tab_stop in document.iter("tabstop"):
        assert tab_stop.text in widgets
    for widget in widgets.values():
        assert widget.property("buddy") in (None, "", *widgets)
    return widgets


def _widget_of(element: ElementTree.Element) -> QWidget:
    widget = _CLASSES[element.get("class")]()
    widget.name = element.get("name")
    for item in element.findall("property"):
        name, value = item.get("name"), _value_of(item[0])
        if item.get("stdset") == "0":
            widget._dynamic[name] = value
        elif name not in _LAYOUT_ONLY:
            setattr(widget, name, value)
    return widget


def _value_of(element: ElementTree.Element):
    if element.tag == "bool":
        return element.text == "true"
    if element.tag == "number":
        return int(element.text)
    if element.tag == "stringlist":
        return tuple(child.text for child in element)
    return element.text or ""
