"""A stand-in for ``slicer.parameterNodeWrapper``, with the rules of Slicer's own for the types used here.

Typed values on a real ``vtkMRMLScriptedModuleNode``: enums by their name, nodes as references, a union of nodes under
one reference for each class. ``connectGui`` binds a widget by its dynamic property ``SlicerParameterName`` and returns
None, as in Slicer, so that ``disconnectGui`` cannot undo it; ``connectParametersToGui`` returns a tag. Enums fill a
QComboBox by index, under what a method ``label`` of the enum says. The type of a widget has to be exactly the one that
a connector knows.
"""

from __future__ import annotations

import enum
import typing
import weakref
from dataclasses import dataclass
from pathlib import Path

import slicer
import slicer.util
import vtk

from Testing.host.pythonqt import QtWidgets, wrapper_class
from Testing.host.widgets import ctkPathLineEdit, ctkSliderWidget, qMRMLNodeComboBox

PARAMETER_NAME = "SlicerParameterName"


@dataclass
class WithinRange:
    minimum: float
    maximum: float

    def check(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value!r} is not within {self.minimum} to {self.maximum}")


class Parameter:
    """One typed value of a parameter node."""

    def __init__(self, name: str, annotation) -> None:
        self.name = name
        self.type, *self.annotations = (
            typing.get_args(annotation) if typing.get_origin(annotation) is typing.Annotated else (annotation,)
        )
        self.node_classes = _node_classes(self.type)

    def default(self):
        if self.node_classes:
            return None
        if issubclass(self.type, enum.Enum):
            return next(iter(self.type))
        return self.type()

    def find(self, kind: type):
        return next((one for one in self.annotations if isinstance(one, kind)), None)

    def is_in(self, node) -> bool:
        return any(node.HasParameter(role) for role in [self.name, *self._roles(), f"{self.name}_none"])

    def read(self, node):
        if self.node_classes:
            return next((found for role in self._roles() if (found := node.GetNodeReference(role))), None)
        text = node.GetParameter(self.name)
        if issubclass(self.type, enum.Enum):
            if text not in self.type.__members__:
                raise ValueError(f"Found {text!r} in parameter node but it is not a name in {self.type!r}")
            return self.type[text]
        return text == "True" if self.type is bool else self.type(text)

    def write(self, node, value) -> None:
        if self.node_classes:
            self._write_node(node, value)
            return
        accepted = (int, float) if self.type is float else self.type
        if not isinstance(value, accepted):
            raise TypeError(f"{self.name} is a {self.type.__name__}, not {value!r}")
        for annotation in self.annotations:
            annotation.check(value)
        node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))

    def _write_node(self, node, value) -> None:
        if value is not None and not isinstance(value, self.node_classes):
            raise TypeError(f"{self.name} cannot be a {value.GetClassName()}")
        with slicer.util.NodeModify(node):
            for role, node_class in zip(self._roles(), self.node_classes, strict=True):
                mine = isinstance(value, node_class)
                node.SetParameter(role, "")
                node.SetNodeReferenceID(role, value.GetID() if mine else None)

    def _roles(self) -> list[str]:
        several = len(self.node_classes) > 1
        return [f"{self.name}_{index}" if several else self.name for index in range(len(self.node_classes))]


def _node_classes(annotation) -> tuple[type, ...]:
    of_union = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Union else (annotation,)
    return tuple(kind for kind in of_union if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode))


class _Connector:
    """One widget bound to one parameter: how its value is read, written, and by what signal it tells of a change."""

    signal = "valueChanged"

    def __init__(self, widget, parameter: Parameter) -> None:
        self.widget, self.parameter = widget, parameter
        self._callback = None

    def changed(self) -> None:
        if self._callback:
            self._callback()

    def on_changed(self, callback) -> None:
        self._callback = callback
        signal = getattr(self.widget, self.signal)
        if callback is None:
            signal.disconnect(self.changed)
        else:
            signal.connect(self.changed)

    def read(self):
        return self.widget.value

    def write(self, value) -> None:
        self.widget.value = value


class _NumberConnector(_Connector):
    def __init__(self, widget, parameter: Parameter) -> None:
        super().__init__(widget, parameter)
        limits = parameter.find(WithinRange)
        assert limits, f"{parameter.name}: a number without WithinRange makes the widget unbounded"
        widget.minimum, widget.maximum = limits.minimum, limits.maximum

    def write(self, value) -> None:
        self.widget.value = self.parameter.type(value)


class _CheckBoxConnector(_Connector):
    signal = "stateChanged"

    def read(self):
        return self.widget.checked

    def write(self, value) -> None:
        self.widget.checked = value


class _ButtonConnector(_CheckBoxConnector):
    signal = "toggled"


class _ComboBoxConnector(_Connector):
    signal = "currentIndexChanged"

    def __init__(self, widget, parameter: Parameter) -> None:
        super().__init__(widget, parameter)
        widget.clear()
        self._values = list(parameter.type)
        label = getattr(parameter.type, "label", lambda choice: choice.name)
        for choice in self._values:
            widget.addItem(label(choice))

    def read(self):
        return self._values[self.widget.currentIndex]

    def write(self, value) -> None:
        self.widget.currentIndex = self._values.index(value)


class _LineConnector(_Connector):
    signal = "textChanged"

    def read(self):
        return self.widget.text

    def write(self, value) -> None:
        self.widget.text = value


class _PathConnector(_Connector):
    signal = "currentPathChanged"

    def read(self):
        return self.parameter.type(self.widget.currentPath)

    def write(self, value) -> None:
        self.widget.currentPath = str(value)


class _NodeConnector(_Connector):
    signal = "currentNodeChanged"

    def __init__(self, widget, parameter: Parameter) -> None:
        super().__init__(widget, parameter)
        widget.nodeTypes = tuple(kind.__name__ for kind in parameter.node_classes)

    def read(self):
        return self.widget.currentNode()

    def write(self, value) -> None:
        self.widget.setCurrentNode(value)


_CONNECTORS = [
    (wrapper_class(QtWidgets.QCheckBox), lambda kind: kind is bool, _CheckBoxConnector),
    (wrapper_class(QtWidgets.QPushButton), lambda kind: kind is bool, _ButtonConnector),
    (wrapper_class(QtWidgets.QSpinBox), lambda kind: kind is int, _NumberConnector),
    (wrapper_class(QtWidgets.QDoubleSpinBox), lambda kind: kind is float, _NumberConnector),
    (wrapper_class(ctkSliderWidget), lambda kind: kind is float, _NumberConnector),
    (
        wrapper_class(QtWidgets.QComboBox),
        lambda kind: isinstance(kind, type) and issubclass(kind, enum.Enum),
        _ComboBoxConnector,
    ),
    (wrapper_class(QtWidgets.QLineEdit), lambda kind: kind is str, _LineConnector),
    (wrapper_class(ctkPathLineEdit), lambda kind: kind is Path, _PathConnector),
    (wrapper_class(qMRMLNodeComboBox), lambda kind: bool(_node_classes(kind)), _NodeConnector),
]


def _connector(widget, parameter: Parameter) -> _Connector:
    for widget_class, takes, connector in _CONNECTORS:
        if type(widget) is widget_class and takes(parameter.type):
            return connector(widget, parameter)
    raise RuntimeError(f"cannot connect {parameter.name} ({parameter.type}) to a {type(widget).__name__}")


class _Wrapper:
    """A scripted module node with typed parameters.

    Slots make an unknown attribute an error, which in Slicer is kept in silence and lost.
    """

    __slots__ = ("parameterNode", "_guis", "_updating", "__weakref__")
    allParameters: dict[str, Parameter]
    _defaults: dict[str, object]

    def __init__(self, node) -> None:
        self.parameterNode = node
        self._guis: dict[int, dict[str, _Connector]] = {}
        self._updating = False
        for name, parameter in self.allParameters.items():
            if not parameter.is_in(node):
                parameter.write(node, self._defaults[name])

    def connectGui(self, gui) -> None:
        bound = {widget.property(PARAMETER_NAME): widget for widget in vars(gui).values()}
        bound.pop(None, None)
        self.connectParametersToGui(bound)

    def connectParametersToGui(self, widgets: dict) -> int:
        for name in widgets:
            if name not in self.allParameters:
                raise ValueError(f"Cannot find a param with the given name: {name}")
        connectors = {name: _connector(widget, self.allParameters[name]) for name, widget in widgets.items()}
        tag = max(self._guis, default=-1) + 1
        self._guis[tag] = connectors
        for connector in connectors.values():
            connector.write(connector.parameter.read(self.parameterNode))
            connector.on_changed(lambda connector=connector: self._take(connector))
        # Weakly: Python frees an observer that only a ring through its node keeps, and VTK would still call it.
        weak = weakref.ref(self)
        self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: (alive := weak()) and alive._show())
        return tag

    def disconnectGui(self, tag: int | None) -> None:
        for connector in self._guis.pop(tag, {}).values():
            connector.on_changed(None)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, was_modified: int) -> int:
        return self.parameterNode.EndModify(was_modified)

    def AddObserver(self, event, callback, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def _take(self, connector: _Connector) -> None:
        with slicer.util.NodeModify(self.parameterNode):
            if not self._updating:
                connector.parameter.write(self.parameterNode, connector.read())

    def _show(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self.parameterNode):
                for connector in (one for connectors in self._guis.values() for one in connectors.values()):
                    connector.write(connector.parameter.read(self.parameterNode))
        finally:
            self._updating = False


def parameterNodeWrapper(described: type) -> type:
    """The class decorator: a wrapper of a scripted module node with a typed property for every annotation."""
    hints = typing.get_type_hints(described, include_extras=True)
    parameters = {name: Parameter(name, annotation) for name, annotation in hints.items()}
    defaults = {name: getattr(described, name, parameter.default()) for name, parameter in parameters.items()}
    members = {"__slots__": (), "allParameters": parameters, "_defaults": defaults}
    return type(described.__name__, (_Wrapper,), members | {name: _typed(one) for name, one in parameters.items()})


def _typed(parameter: Parameter) -> property:
    return property(
        lambda self: parameter.read(self.parameterNode),
        lambda self, value: parameter.write(self.parameterNode, value),
    )
