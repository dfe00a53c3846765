"""Real Qt widgets behind the surface that PythonQt shows of them, which is not PySide's.

Properties are attributes (``w.text = "a"``), their getters are therefore no methods; setters and slots are methods;
``w.connect("clicked(bool)", f)`` and ``w.clicked.connect(f)`` both work, ``w.clicked()`` emits; ``w.name`` is the name
of the object; enums are whole numbers. Strict: a name Qt does not know is an AttributeError, also when set, and so is
a signal (PythonQt itself only warns), and a property takes its own type. An exception in a slot is kept in
:data:`errors`, as Qt would swallow it; the fixtures of the tests raise it.
"""

from __future__ import annotations

import enum
import inspect
import os
from collections.abc import Callable

import PySide6  # noqa: F401 (its absence is an error; only system libraries that are missing skip the tests)
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
for _part in ("QtCore", "QtGui", "QtWidgets", "QtUiTools"):
    pytest.importorskip(
        f"PySide6.{_part}", reason="Qt cannot be loaded: a system library is missing", exc_type=ImportError
    )

import shiboken6  # noqa: E402
from PySide6 import QtCore, QtGui, QtWidgets  # noqa: E402

errors: list[BaseException] = []
"""What slots have raised since the list was last emptied."""

_made: list[QtCore.QObject] = []
"""What was made since the objects of a test were last destroyed."""

_KINDS: dict[str, type] = {}
_KNOWN_SIGNALS: dict[type, dict[str, str]] = {}
_EXACT = (bool, int, str)


_applications: list[QtWidgets.QApplication] = []


def application() -> QtWidgets.QApplication:
    """The one Qt application of this process, which lives as long."""
    if not _applications:
        _applications.append(QtWidgets.QApplication.instance() or QtWidgets.QApplication(["host"]))
    return _applications[0]


def destroy_all() -> None:
    """Destroy every window, widget and timer of a test, in this thread and now.

    Left to Python they would live on: Qt holds the slots of their signals, which hold the panel. A later test that sets
    a style or a font would have it reach all of them; and the garbage collector runs in any thread, where no widget may
    die.
    """
    if QtWidgets.QApplication.instance() is None:
        return
    for qt_object in [*reversed(_made), *QtWidgets.QApplication.topLevelWidgets()]:
        if shiboken6.isValid(qt_object):
            shiboken6.delete(qt_object)
    _made.clear()


def call_later(milliseconds: int, slot: Callable) -> None:
    """Call a slot once from the event loop, unless the objects of the test have been destroyed by then."""
    timer = QtCore.QTimer()
    _made.append(timer)
    timer.setSingleShot(True)
    timer.timeout.connect(guarded(slot))
    timer.start(milliseconds)


class PythonQtObject:
    """A Qt object as Python code in Slicer meets it; made by calling its class or by :func:`wrap`."""

    qt_class: type = QtCore.QObject

    def __init__(self, *arguments) -> None:
        application()
        self._adopt(_class_with_overrides(type(self))(*map(unwrap, arguments)))
        if isinstance(self._qt, QtCore.QObject):
            _made.append(self._qt)

    def _adopt(self, qt_object) -> PythonQtObject:
        object.__setattr__(self, "_qt", qt_object)
        qt_object._pythonqt = self
        return self

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(name)
        qt_object = self._qt
        if name == "name":
            return qt_object.objectName()
        meta = qt_object.metaObject()
        if meta.indexOfProperty(name) >= 0:
            return _to_python(qt_object.property(name))
        signature = next((known for known in _signals(qt_object) if known.split("(")[0] == name), None)
        if signature is not None:
            return Signal(qt_object, signature)
        method = getattr(qt_object, name, None)
        if not callable(method):
            raise AttributeError(f"{type(self).__name__} has no '{name}'")
        return lambda *arguments: _to_python(method(*map(unwrap, arguments)))

    def __setattr__(self, name: str, value) -> None:
        qt_object = self._qt
        name = "objectName" if name == "name" else name
        index = qt_object.metaObject().indexOfProperty(name)
        if index < 0 or not qt_object.metaObject().property(index).isWritable():
            raise AttributeError(f"{type(self).__name__} has no property '{name}' that can be set")
        expected = type(qt_object.property(name))
        if expected in _EXACT and type(value) is not expected:
            raise TypeError(f"{type(self).__name__}.{name} is a {expected.__name__}, not {value!r}")
        qt_object.setProperty(name, list(value) if isinstance(value, tuple) else unwrap(value))

    def __eq__(self, other) -> bool:
        return isinstance(other, PythonQtObject) and other._qt is self._qt

    def __hash__(self) -> int:
        return id(self._qt)

    def connect(self, signature: str, slot) -> None:
        Signal(self._qt, self._known(signature)).connect(slot)

    def disconnect(self, signature: str, slot) -> None:
        Signal(self._qt, self._known(signature)).disconnect(slot)

    def className(self) -> str:
        return type(self._qt).__name__

    def children(self) -> list[PythonQtObject]:
        return [wrap(child) for child in self._qt.children()]

    def delete(self) -> None:
        self._qt.deleteLater()

    def _known(self, signature: str) -> str:
        if signature.replace(" ", "") not in _signals(self._qt):
            raise AttributeError(f"{type(self).__name__} has no signal '{signature}'")
        return signature.replace(" ", "")


def _class_with_overrides(kind: type) -> type:
    """The Qt class behind a class, with the virtual method that Python code may override in Slicer."""
    if not hasattr(kind, "eventFilter"):
        return kind.qt_class

    class Overridden(kind.qt_class):
        def eventFilter(self, watched, event) -> bool:
            try:
                return bool(self._pythonqt.eventFilter(wrap(watched), event)) if hasattr(self, "_pythonqt") else False
            except Exception as error:  # noqa: BLE001 (kept, and raised by the fixtures)
                errors.append(error)
                return False

    return Overridden


class StandardItemModel(PythonQtObject):
    """The model of a menu. PySide would go on knowing items that the menu has deleted, and mistake others for them."""

    qt_class = QtGui.QStandardItemModel

    def item(self, row: int) -> StandardItem:
        return StandardItem(self._qt, row)


class StandardItem:
    """An item of a menu's model: the part that is called."""

    _FLAGS = QtCore.Qt.ItemDataRole.UserRole - 1

    def __init__(self, model, row: int) -> None:
        self._model, self._index = model, model.index(row, 0)

    def setEnabled(self, enabled: bool) -> None:
        self._model.setData(self._index, None if enabled else 0, self._FLAGS)

    def isEnabled(self) -> bool:
        return bool(self._model.flags(self._index) & QtCore.Qt.ItemFlag.ItemIsEnabled)


_KINDS["QStandardItemModel"] = StandardItemModel


class Signal:
    """One signal of one object."""

    def __init__(self, qt_object, signature: str) -> None:
        self._object = qt_object
        self._signature = signature
        bound = getattr(qt_object, signature.split("(")[0])
        overload = _signals(qt_object)[signature]
        self._signal = bound[overload] if overload else bound

    def connect(self, slot) -> None:
        kept = guarded(slot)
        self._slots().append((self._signature, slot, kept))
        self._signal.connect(kept)

    def disconnect(self, slot) -> None:
        found = next(entry for entry in self._slots() if entry[:2] == (self._signature, slot))
        self._slots().remove(found)
        self._signal.disconnect(found[2])

    def __call__(self, *arguments) -> None:
        self._signal.emit(*map(unwrap, arguments))

    def _slots(self) -> list[tuple]:
        if not hasattr(self._object, "_connected"):
            self._object._connected = []
        return self._object._connected


def wrap(qt_object):
    """The one wrapper of a Qt object, of the class that its own class or the nearest known one above has."""
    if qt_object is None:
        return None
    if not hasattr(qt_object, "_pythonqt"):
        names = [kind.__name__ for kind in type(qt_object).__mro__]
        kind = next((_KINDS[name] for name in names if name in _KINDS), PythonQtObject)
        kind.__new__(kind)._adopt(qt_object)
    return qt_object._pythonqt


def unwrap(value):
    """What PySide is given for a value."""
    return value._qt if isinstance(value, PythonQtObject) else value


def wrapper_class(qt_class: type) -> type:
    """The class that ``qt``, ``ctk`` or ``slicer`` shows for a Qt class, with the enums that a stand-in says it has."""
    if qt_class.__name__ not in _KINDS:
        members = {"qt_class": qt_class, "__slots__": ("_qt",)} | getattr(qt_class, "CPP_ENUMS", {})
        _KINDS[qt_class.__name__] = type(qt_class.__name__, (PythonQtObject,), members)
    return _KINDS[qt_class.__name__]


def _signals(qt_object) -> dict[str, str]:
    """Every signal by its C++ signature, with the key that picks it among overloads ('' for the only one).

    A stand-in written in Python says in ``CPP_SIGNALS`` what its signals are called in C++.
    """
    kind = type(qt_object)
    if kind not in _KNOWN_SIGNALS:
        meta = qt_object.metaObject()
        methods = [meta.method(index) for index in range(meta.methodCount())]
        signals = [one for one in methods if one.methodType() == QtCore.QMetaMethod.MethodType.Signal]
        signatures = [bytes(one.methodSignature().data()).decode() for one in signals]
        names = [signature.split("(")[0] for signature in signatures]
        found = dict.fromkeys(getattr(qt_object, "CPP_SIGNALS", ()), "")
        for signature, name in zip(signatures, names, strict=True):
            if "PyObject" not in signature:
                overload = signature.rstrip(")").split("(")[1] if names.count(name) > 1 else ""
                found.setdefault(signature, overload)
        _KNOWN_SIGNALS[kind] = found
    return _KNOWN_SIGNALS[kind]


def guarded(slot):
    """The slot as PythonQt calls it: with as many arguments as it takes, and an exception kept for later."""
    accepted = _argument_count(slot)

    def call(*arguments) -> None:
        try:
            slot(*[_to_python(argument) for argument in arguments[:accepted]])
        except Exception as error:  # noqa: BLE001 (kept, and raised by the fixtures)
            errors.append(error)

    return call


def _argument_count(slot) -> int | None:
    parameters = inspect.signature(slot).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(
        parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )


def _to_python(value):
    if isinstance(value, QtCore.QObject):
        return wrap(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list):
        return tuple(_to_python(item) for item in value)
    return value


def names_of(namespace, names: str) -> dict[str, int]:
    """Enum members of a Qt namespace as whole numbers, found by their bare names."""
    found: dict[str, int] = {}
    for member in vars(namespace).values():
        if isinstance(member, type) and issubclass(member, enum.Enum):
            found |= {one.name: one.value for one in member if one.name in names.split()}
    assert set(found) == set(names.split()), f"Qt has no {set(names.split()) - set(found)}"
    return found


__all__ = [
    "PythonQtObject", "QtCore", "QtGui", "QtWidgets", "Signal", "application", "call_later", "destroy_all", "errors",
    "guarded", "names_of", "unwrap", "wrap", "wrapper_class",
]  # fmt: skip
