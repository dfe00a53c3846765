"""Stand-ins for what of Slicer's application and Python packages ``CSAFusion.py`` meets, and the loading of the module.

``slicer.util`` is Slicer's own. What a user would see beside the panel (message boxes, layouts) is noted here, and what
a user would answer is set here.
"""

from __future__ import annotations

import importlib.util
import sys
import unittest
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import slicer
import slicer.util

import Testing.host.translation  # noqa: F401 (makes slicer.i18n)
from Testing.host import pythonqt
from Testing.host.modules import module_of
from Testing.host.parameter_nodes import WithinRange, parameterNodeWrapper
from Testing.host.pythonqt import QtCore, QtGui, QtWidgets, names_of, wrap, wrapper_class
from Testing.host.ui_file import QFile, QUiLoader
from Testing.host.views import LayoutManager
from Testing.host.widgets import STAND_INS, qMRMLWidget

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "CSAFusion" / "CSAFusion.py"


class Application:
    """The part of ``slicer.app`` that is called."""

    applicationName = "host"

    def __init__(self, *, testing: bool = False) -> None:
        self.answers: list[bool] = []
        self.questions: list[str] = []
        self.errors: list[str] = []
        self.cursors: list[int] = []
        self.settings: dict[str, str] = {}
        self.save_file_name = ""
        self.opened: list[str] = []
        self.has_browser = True
        self.at_startup: list = []
        self._testing = testing
        self._logic = slicer.vtkMRMLApplicationLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._layout_manager = LayoutManager(self._logic)

    def end(self) -> None:
        """Destroy the widgets, and let go of the scene, which the layout's logic does not outlive well."""
        pythonqt.destroy_all()
        self._layout_manager.end()
        self._logic.SetMRMLScene(None)

    def testingEnabled(self) -> bool:
        return self._testing

    def processEvents(self) -> None:
        pythonqt.application().processEvents()

    def setOverrideCursor(self, cursor: int) -> None:
        self.cursors.append(cursor)

    def restoreOverrideCursor(self) -> None:
        self.cursors.pop()

    def applicationLogic(self):
        return self._logic

    def layoutManager(self) -> LayoutManager:
        return self._layout_manager

    def connect(self, signature: str, slot) -> None:
        assert signature == "startupCompleted()", f"no signal {signature}"
        self.at_startup.append(slot)

    def topLevelWidgets(self) -> list:
        return []


def load_module(monkeypatch: pytest.MonkeyPatch, application: Application | None = None) -> ModuleType:
    """Execute ``CSAFusion.py`` as Slicer does, with the stand-ins in place until the end of the test."""
    application = application or Application()
    monkeypatch.setattr(slicer, "app", application, raising=False)
    monkeypatch.setattr(slicer, "modules", _modules(), raising=False)
    for name in ("qMRMLNodeComboBox", "qMRMLWidget"):
        monkeypatch.setattr(slicer, name, wrapper_class(STAND_INS[name]), raising=False)
    pythonqt.errors.clear()
    return _execute(monkeypatch)


def open_panel(module: ModuleType):
    """The module's panel as it is after the user opened it."""
    parent = wrapper_class(qMRMLWidget)()
    parent._qt.setLayout(QtWidgets.QVBoxLayout())
    parent._qt.layout().setContentsMargins(0, 0, 0, 0)
    panel = module.CSAFusionWidget(_Representation(parent))
    panel.setup()
    panel.enter()
    return panel


def raise_errors() -> None:
    """Raise what slots have raised."""
    if pythonqt.errors:
        error = pythonqt.errors[0]
        pythonqt.errors.clear()
        raise error


def _execute(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("CSAFusion", MODULE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "CSAFusion", module)
    spec.loader.exec_module(module)
    return module


def _modules() -> SimpleNamespace:
    segmentations, rendering = slicer.vtkSlicerSegmentationsModuleLogic(), slicer.vtkSlicerVolumeRenderingLogic()
    for logic in (segmentations, rendering):
        logic.SetMRMLScene(slicer.mrmlScene)
    return SimpleNamespace(
        segmentations=SimpleNamespace(logic=lambda: segmentations),
        volumerendering=SimpleNamespace(logic=lambda: rendering),
        csafusion=SimpleNamespace(path=str(MODULE)),
    )


class _Representation:
    """What Slicer gives a panel to live in (qSlicerScriptedLoadableModuleWidget)."""

    def __init__(self, widget) -> None:
        self.isEntered = True
        self._widget = widget

    def layout(self):
        return wrap(self._widget._qt.layout())


class ScriptedLoadableModule:
    def __init__(self, parent) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__


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
        self.cleanup()


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        return node or slicer.mrmlScene.AddNode(self.createParameterNode())

    def createParameterNode(self):
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetModuleName(self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def runTest(self) -> None:
        raise NotImplementedError


def _packages() -> dict[str, dict[str, object]]:
    """What each package that is imported in Slicer holds here."""
    return {
        "qt": _qt(),
        "ctk": {name: wrapper_class(kind) for name, kind in STAND_INS.items() if name.startswith("ctk")}
        | {"ctkMessageBox": lambda parent: _MessageBox()},
        "slicer.parameterNodeWrapper": {
            "parameterNodeWrapper": parameterNodeWrapper,
            "WithinRange": WithinRange,
        },
        "slicer.ScriptedLoadableModule": {
            "ScriptedLoadableModule": ScriptedLoadableModule,
            "ScriptedLoadableModuleWidget": ScriptedLoadableModuleWidget,
            "ScriptedLoadableModuleLogic": ScriptedLoadableModuleLogic,
            "ScriptedLoadableModuleTest": ScriptedLoadableModuleTest,
        },
    }


def _qt() -> dict[str, object]:
    timer = wrapper_class(QtCore.QTimer)
    timer.singleShot = staticmethod(pythonqt.call_later)

    class QSettings:
        """The application's settings, which keep texts."""

        def value(self, key: str, default=None):
            return slicer.app.settings.get(key, default)

        def setValue(self, key: str, value) -> None:
            slicer.app.settings[key] = str(value)

        def contains(self, key: str) -> bool:
            return key in slicer.app.settings

    class QFileDialog:
        """Returns the name alone, as PythonQt does."""

        @staticmethod
        def getSaveFileName(parent, caption: str, directory: str, name_filter: str) -> str:
            return slicer.app.save_file_name

    class QDesktopServices:
        """Notes what a browser would be started with."""

        @staticmethod
        def openUrl(url: QtCore.QUrl) -> bool:
            assert isinstance(url, QtCore.QUrl), f"no QUrl: {url!r}"
            slicer.app.opened.append(url.toString())
            return slicer.app.has_browser

    widgets = (QtWidgets.QCheckBox, QtWidgets.QComboBox, QtWidgets.QDoubleSpinBox, QtWidgets.QLabel)
    widgets += (QtWidgets.QLineEdit, QtWidgets.QProgressBar, QtWidgets.QPushButton, QtWidgets.QSpinBox)
    widgets += (QtWidgets.QTableWidget, QtWidgets.QWidget)
    return {kind.__name__: wrapper_class(kind) for kind in widgets} | {
        "QApplication": SimpleNamespace(overrideCursor=lambda: None),
        "QTimer": timer,
        "QFile": QFile,
        "QUiLoader": QUiLoader,
        "QSettings": QSettings,
        "QFileDialog": QFileDialog,
        "QDesktopServices": QDesktopServices,
        # No QObjects: PythonQt shows their methods as they are.
        "QTableWidgetItem": QtWidgets.QTableWidgetItem,
        "QUrl": QtCore.QUrl,
        "QEvent": SimpleNamespace(Resize=QtCore.QEvent.Type.Resize),
        "QIcon": QtGui.QIcon,
        "QMessageBox": SimpleNamespace(**names_of(QtWidgets.QMessageBox, "Ok Cancel Question Critical Warning")),
        "Qt": SimpleNamespace(**names_of(QtCore.Qt, "ToolTipRole Checked Unchecked WaitCursor")),
    }


class _MessageBox:
    """A modal box: noted, and answered with what the test has set; one that is not expected is an error."""

    def __init__(self) -> None:
        self.text, self.icon, self.standardButtons, self.windowTitle, self.detailedText = "", 0, 0, "", ""

    def deleteLater(self) -> None:
        pass

    def exec_(self) -> int:
        answers = names_of(QtWidgets.QMessageBox, "Ok Cancel Critical")
        if self.icon == answers["Critical"]:
            slicer.app.errors.append(self.text)
            return answers["Ok"]
        slicer.app.questions.append(self.text)
        assert slicer.app.answers, f"a question nobody expects: {self.text}"
        return answers["Ok" if slicer.app.answers.pop(0) else "Cancel"]


# Once for the process, as modules that have imported them keep them; what differs between tests is in ``slicer.app``.
for _name, _contents in _packages().items():
    sys.modules[_name] = module_of(_name, _contents)
    if _name.startswith("slicer."):
        setattr(slicer, _name.split(".")[1], sys.modules[_name])

__all__ = ["MODULE", "ROOT", "Application", "load_module", "open_panel", "raise_errors"]
