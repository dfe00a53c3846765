"""Stand-ins for what of Slicer's application and Python packages ``CSAFusion.py`` imports and calls, and its loading.

The parameter node wrapper follows the rules of Slicer's own for the types used here: typed values on a real
``vtkMRMLScriptedModuleNode``, enums by their name, nodes as node references, and ``connectGui`` by the dynamic property
``SlicerParameterName``.
"""

from __future__ import annotations

import enum
import importlib.util
import sys
import typing
import unittest
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import slicer
import slicer.util
import vtk

from Testing.host.widgets import QComboBox, QTimer, QWidget, load_ui, qMRMLNodeComboBox, qMRMLWidget

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "CSAFusion" / "CSAFusion.py"


class Application:
    """The part of ``slicer.app`` that is called; it notes what a user would see."""

    def __init__(self) -> None:
        self.shown_in_slice_viewers: list = []
        self.errors: list[str] = []

    def testingEnabled(self) -> bool:
        return False

    def processEvents(self) -> None:
        for timer in list(QTimer.running):
            timer.timeout()


def load_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Execute ``CSAFusion.py`` as Slicer does, with the stand-ins in place until the end of the test."""
    application = Application()
    monkeypatch.setattr(slicer, "app", application, raising=False)
    monkeypatch.setattr(slicer.util, "loadUI", _load_ui)
    monkeypatch.setattr(slicer.util, "childWidgetVariables", lambda widget: SimpleNamespace(**widget._children))
    monkeypatch.setattr(
        slicer.util, "setSliceViewerLayers", lambda **layers: application.shown_in_slice_viewers.append(layers)
    )
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_: application.errors.append(text))
    monkeypatch.setattr(slicer, "qMRMLNodeComboBox", qMRMLNodeComboBox, raising=False)
    for name, contents in _PACKAGES.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
        if name.startswith("slicer."):
            monkeypatch.setattr(slicer, name.split(".")[1], module, raising=False)
    QTimer.running.clear()

    spec = importlib.util.spec_from_file_location("CSAFusion", MODULE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "CSAFusion", module)
    spec.loader.exec_module(module)
    return module


def open_panel(module: ModuleType):
    """The module's panel as it is after the user opened it."""
    widget = module.CSAFusionWidget(_Parent())
    widget.setup()
    widget.enter()
    return widget


class _Layout:
    def addWidget(self, widget: QWidget) -> None:
        assert isinstance(widget, qMRMLWidget)


class _Parent:
    """What Slicer gives a panel to live in."""

    path = str(MODULE)
    isEntered = True

    def layout(self) -> _Layout:
        return _Layout()


def _load_ui(path: str) -> QWidget:
    widgets = load_ui(path)
    top = widgets["CSAFusion"]
    assert isinstance(top, qMRMLWidget)
    top._children = {name: widget for name, widget in widgets.items() if widget is not top}
    return top


class ScriptedLoadableModule:
    def __init__(self, parent) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None) -> None:
        self.parent = parent
        self.layout = parent.layout()
        self.reloads = 0

    def setup(self) -> None:
        pass

    def resourcePath(self, filename: str) -> str:
        return str(MODULE.parent / "Resources" / filename)

    def onReload(self) -> None:
        self.reloads += 1


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetModuleName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def runTest(self) -> None:
        raise NotImplementedError


class Choice:
    def __init__(self, choices) -> None:
        self.choices = choices


class _Parameter:
    """One typed value of a parameter node."""

    def __init__(self, name: str, annotation) -> None:
        self.name = name
        self.type, *extras = typing.get_args(annotation) or (annotation,)
        self.choices = extras[0].choices if extras else None

    def default(self, given):
        if issubclass(self.type, slicer.vtkMRMLNode):
            return None
        return given if given is not None else next(iter(self.type))

    def read(self, node):
        if issubclass(self.type, slicer.vtkMRMLNode):
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return self.type[text] if issubclass(self.type, enum.Enum) else self.type(text)

    def write(self, node, value) -> None:
        if issubclass(self.type, slicer.vtkMRMLNode):
            assert value is None or isinstance(value, self.type), f"{value} is no {self.type.__name__}"
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value and value.GetID())
            return
        assert isinstance(value, self.type), f"{self.name} is a {self.type.__name__}, not {value!r}"
        assert self.choices is None or value in self.choices, f"{value!r} is none of {self.choices}"
        node.SetParameter(self.name, value.name if issubclass(self.type, enum.Enum) else str(value))


class _Connection:
    """One widget bound to one parameter."""

    def __init__(self, wrapper, parameter: _Parameter, widget: QWidget) -> None:
        self.parameter, self.widget, self.wrapper = parameter, widget, wrapper
        if isinstance(widget, qMRMLNodeComboBox):
            widget.nodeTypes = (parameter.type.__name__,)
            self._signal = widget.currentNodeChanged
        elif isinstance(widget, QComboBox):
            self._values = list(parameter.choices or parameter.type)
            widget.clear()
            for value in self._values:
                widget.addItem(value.name if isinstance(value, enum.Enum) else str(value))
            self._signal = widget.currentIndexChanged
        else:
            raise RuntimeError(f"cannot connect {parameter.name} to {type(widget).__name__}")
        self.show()
        self._signal.connect(self._take)

    def show(self) -> None:
        value = self.parameter.read(self.wrapper.parameterNode)
        if isinstance(self.widget, qMRMLNodeComboBox):
            self.widget.setCurrentNode(value)
        else:
            self.widget.currentIndex = self._values.index(value)

    def _take(self, *_) -> None:
        widget = self.widget
        is_node = isinstance(widget, qMRMLNodeComboBox)
        value = widget.currentNode() if is_node else self._values[widget.currentIndex]
        if value != self.parameter.read(self.wrapper.parameterNode):
            self.parameter.write(self.wrapper.parameterNode, value)

    def drop(self) -> None:
        self._signal.disconnect(self._take)


def parameterNodeWrapper(described: type) -> type:
    """The class decorator: a wrapper of a scripted module node with a typed property for every annotation."""
    hints = typing.get_type_hints(described, include_extras=True)
    parameters = {name: _Parameter(name, annotation) for name, annotation in hints.items()}
    defaults = {name: parameter.default(getattr(described, name, None)) for name, parameter in parameters.items()}

    def initialize(self, node) -> None:
        self.parameterNode = node
        self._connections: dict[int, list[_Connection]] = {}
        for name, parameter in parameters.items():
            if not node.HasParameter(name):
                parameter.write(node, defaults[name])
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show())

    def show(self) -> None:
        for connections in self._connections.values():
            for connection in connections:
                connection.show()

    def connect(self, gui) -> int:
        bound = {widget.property("SlicerParameterName"): widget for widget in vars(gui).values()}
        bound.pop(None)
        assert set(bound) <= set(parameters), f"no parameters for {set(bound) - set(parameters)}"
        tag = len(self._connections)
        self._connections[tag] = [_Connection(self, parameters[name], widget) for name, widget in bound.items()]
        return tag

    def disconnect(self, tag: int) -> None:
        for connection in self._connections.pop(tag):
            connection.drop()

    members = {
        "__init__": initialize,
        "_show": show,
        "connectGui": connect,
        "disconnectGui": disconnect,
        "AddObserver": lambda self, event, callback, priority=0.0: self.parameterNode.AddObserver(event, callback),
        "RemoveObserver": lambda self, tag: self.parameterNode.RemoveObserver(tag),
    }
    for name, parameter in parameters.items():
        members[name] = property(
            lambda self, parameter=parameter: parameter.read(self.parameterNode),
            lambda self, value, parameter=parameter: parameter.write(self.parameterNode, value),
        )
    # Slots make an unknown attribute an error.
    slots = {"__slots__": ("parameterNode", "_connections", "__weakref__")}
    return type(described.__name__, (), slots | members)


def _translate(context: str, text: str) -> str:
    return text


_PACKAGES = {
    "qt": {"QTimer": QTimer, "Qt": SimpleNamespace(ToolTipRole=3)},
    "slicer.i18n": {"tr": lambda text: text, "translate": _translate},
    "slicer.parameterNodeWrapper": {"parameterNodeWrapper": parameterNodeWrapper, "Choice": Choice},
    "slicer.ScriptedLoadableModule": {
        "ScriptedLoadableModule": ScriptedLoadableModule,
        "ScriptedLoadableModuleWidget": ScriptedLoadableModuleWidget,
        "ScriptedLoadableModuleLogic": ScriptedLoadableModuleLogic,
        "ScriptedLoadableModuleTest": ScriptedLoadableModuleTest,
    },
}
