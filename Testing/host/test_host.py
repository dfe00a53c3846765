"""The test host does as the application was seen to do."""

from __future__ import annotations

import gc
import weakref
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Union

import pytest
import shiboken6
import slicer

from Testing.host import pythonqt
from Testing.host.application import open_panel
from Testing.host.module_panel import VIEWPORTS, ModulePanel
from Testing.host.parameter_nodes import WithinRange, parameterNodeWrapper
from Testing.host.pythonqt import QtWidgets, wrap, wrapper_class
from Testing.host.ui_file import QFile, QUiLoader
from Testing.host.widgets import ctkCollapsibleButton, ctkSliderWidget, qMRMLNodeComboBox


class Colour(Enum):
    RED = "a warm one"
    BLUE = "a cold one"

    def label(self) -> str:
        return self.value


@parameterNodeWrapper
class Parameters:
    colour: Colour = Colour.BLUE
    size: Annotated[float, WithinRange(-1, 1)] = 0.5
    name: str = "one"
    path: Path
    mask: Union[slicer.vtkMRMLSegmentationNode, slicer.vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


def a_menu(parameter: str = "colour"):
    menu = wrapper_class(QtWidgets.QComboBox)()
    menu.setProperty("SlicerParameterName", parameter)
    return menu


def test_values_are_kept_in_the_node_in_slicers_spelling(node, scene):
    parameters = Parameters(node)
    assert (parameters.colour, parameters.size, parameters.name, parameters.path) == (Colour.BLUE, 0.5, "one", Path())
    parameters.colour = Colour.RED
    parameters.mask = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert node.GetParameter("colour") == "RED" and node.GetNodeReference("mask_1") is parameters.mask
    assert Parameters(node).colour is Colour.RED


@pytest.mark.parametrize(("name", "value"), [("size", 2.0), ("size", "1"), ("name", 3), ("colour", "RED")])
def test_a_value_that_does_not_fit_is_refused(node, name, value):
    with pytest.raises((TypeError, ValueError)):
        setattr(Parameters(node), name, value)


def test_an_unknown_parameter_is_an_error(node):
    with pytest.raises(AttributeError):
        Parameters(node).color = 1


def test_a_menu_shows_labels_and_follows_both_ways(node):
    parameters, menu = Parameters(node), a_menu()
    parameters.connectParametersToGui({"colour": menu})
    assert [menu.itemText(index) for index in range(menu.count)] == ["a warm one", "a cold one"]
    assert menu.currentIndex == 1
    menu.currentIndex = 0
    assert parameters.colour is Colour.RED
    parameters.colour = Colour.BLUE
    assert menu.currentIndex == 1


def test_connect_gui_gives_no_tag_so_that_it_cannot_be_undone(node):
    parameters, menu = Parameters(node), a_menu()
    tag = parameters.connectGui(SimpleNamespace(menu=menu))
    parameters.disconnectGui(tag)
    menu.currentIndex = 0
    assert tag is None and parameters.colour is Colour.RED


def test_a_connection_with_a_tag_can_be_undone(node):
    parameters, menu = Parameters(node), a_menu()
    parameters.disconnectGui(parameters.connectParametersToGui({"colour": menu}))
    menu.currentIndex = 0
    assert parameters.colour is Colour.BLUE


def test_a_widget_of_another_kind_cannot_be_connected(node):
    label = wrapper_class(QtWidgets.QLabel)()
    with pytest.raises(RuntimeError, match="cannot connect colour"):
        Parameters(node).connectParametersToGui({"colour": label})
    with pytest.raises(ValueError, match="Cannot find a param"):
        Parameters(node).connectParametersToGui({"shade": a_menu()})


@pytest.fixture
def button():
    return wrapper_class(QtWidgets.QPushButton)("text")


def test_properties_are_attributes_and_setters_are_methods(button):
    assert button.text == "text"
    button.text = "other"
    assert button.text == "other"
    button.setText("third")
    assert button.text == "third"
    with pytest.raises(TypeError):
        button.text()


@pytest.mark.parametrize("name", ["txt", "setTxt", "clickd", "_private"])
def test_an_unknown_name_is_an_error_to_read_and_to_set(button, name):
    with pytest.raises(AttributeError):
        getattr(button, name)
    with pytest.raises(AttributeError):
        setattr(button, name, 1)


@pytest.mark.parametrize(("name", "value"), [("text", 1), ("enabled", 1), ("enabled", "yes"), ("text", None)])
def test_a_property_takes_its_own_type(button, name, value):
    with pytest.raises(TypeError):
        setattr(button, name, value)


def test_both_kinds_of_connect_hear_a_signal_with_as_many_arguments_as_they_take(button):
    heard = []
    button.connect("clicked(bool)", lambda checked: heard.append(checked))
    button.clicked.connect(lambda: heard.append("none"))
    button.click()
    button.clicked(True)
    assert heard == [False, "none", True, "none"]


def test_a_disconnected_slot_hears_nothing(button):
    heard = []
    button.connect("clicked(bool)", heard.append)
    button.disconnect("clicked(bool)", heard.append)
    button.click()
    assert heard == []


@pytest.mark.parametrize("signature", ["clicked", "clickd(bool)", "clicked(int)"])
def test_a_signal_that_does_not_exist_is_an_error(button, signature):
    with pytest.raises(AttributeError):
        button.connect(signature, print)


def test_a_stand_in_has_the_signatures_of_its_header():
    slider = wrapper_class(ctkSliderWidget)()
    heard = []
    slider.connect("valueChanged(double)", heard.append)
    slider.maximum = 1.0
    slider.value = 0.5
    assert heard == [0.5]


def test_an_exception_in_a_slot_is_kept(button):
    button.connect("clicked(bool)", lambda checked: 1 / 0)
    button.click()
    assert [type(error) for error in pythonqt.errors] == [ZeroDivisionError]
    pythonqt.errors.clear()


def test_an_object_has_one_wrapper_and_a_name(button):
    button.name = "apply"
    assert button.name == "apply" == button._qt.objectName()
    assert wrap(button._qt) is button and type(button) is wrapper_class(QtWidgets.QPushButton)


@pytest.fixture
def selector(scene):
    selector = wrapper_class(qMRMLNodeComboBox)()
    selector.nodeTypes = ("vtkMRMLScalarVolumeNode",)
    selector.hideChildNodeTypes = ("vtkMRMLLabelMapVolumeNode",)
    selector.noneEnabled = True
    return selector


def test_without_a_scene_a_selector_is_empty(selector, scene):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    selector.setCurrentNode(node)
    assert selector.currentNode() is None
    selector.setMRMLScene(scene)
    selector.setCurrentNode(node)
    assert selector.currentNode() is node


def test_a_selector_offers_the_nodes_of_its_classes(selector, scene):
    selector.setMRMLScene(scene)
    for kind in ("ScalarVolume", "VectorVolume", "LabelMapVolume", "Model"):
        scene.AddNewNodeByClass(f"vtkMRML{kind}Node")
    hidden = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    hidden.HideFromEditorsOn()
    scene.InvokeEvent(slicer.vtkMRMLScene.EndImportEvent)
    assert selector.nodeCount() == 2


def test_a_node_that_is_removed_is_no_longer_chosen(selector, scene):
    selector.setMRMLScene(scene)
    heard = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    selector.setCurrentNode(node)
    scene.RemoveNode(node)
    assert heard == [node, None] and selector.currentNode() is None


def test_a_collapsed_section_hides_its_children_but_not_for_good():
    section = ctkCollapsibleButton()
    layout = QtWidgets.QVBoxLayout(section)
    shown, hidden = QtWidgets.QLabel("a"), QtWidgets.QLabel("b")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.hide()
    section.collapsed = True
    assert shown.isHidden()
    section.collapsed = False
    assert not shown.isHidden() and hidden.isHidden()


UI = """<ui version="4.0"><class>P</class><widget class="qMRMLWidget" name="P">
<layout class="QVBoxLayout" name="l"><item><widget class="{kind}" name="one">{properties}</widget></item></layout>
</widget>{rest}</ui>"""


@pytest.mark.parametrize(
    "parts",
    [
        {"properties": '<property name="colapsed"><bool>true</bool></property>'},
        {"kind": "ctkNoSuchWidget"},
        {"rest": "<tabstops><tabstop>two</tabstop></tabstops>"},
        {
            "rest": "<connections><connection><sender>P</sender><signal>sceneChanged()</signal>"
            "<receiver>one</receiver><slot>click()</slot></connection></connections>"
        },
    ],
)
def test_a_ui_file_with_a_name_that_is_not_there_is_refused(tmp_path, parts):
    path = tmp_path / "panel.ui"
    path.write_text(UI.format(**{"kind": "ctkCollapsibleButton", "properties": "", "rest": ""} | parts))
    with pytest.raises((AssertionError, AttributeError)):
        QUiLoader().load(QFile(str(path)))


def test_nothing_of_qt_outlives_a_test(module, volumes, application, monkeypatch):
    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    panel = open_panel(module)
    window = ModulePanel(panel, VIEWPORTS["1024x768"])
    window.settle()
    top = panel.parent.layout().parentWidget()._qt
    qt_objects = [top, window, *top.findChildren(QtWidgets.QWidget)]
    told = []
    pythonqt.call_later(0, lambda: told.append("told"))
    panel.cleanup()
    window.close_panel()
    assert shiboken6.isValid(top) and not shiboken6.isValid(window)
    pythonqt.destroy_all()
    assert not any(map(shiboken6.isValid, qt_objects)) and QtWidgets.QApplication.topLevelWidgets() == []
    application.processEvents()
    assert told == []
    alive = weakref.ref(panel)
    del panel, window, top, qt_objects
    gc.collect()
    assert alive() is None


def test_the_collector_is_off_while_there_are_widgets():
    assert not gc.isenabled()
