"""The stand-ins behave as the widgets they stand for."""

from __future__ import annotations

import pytest
import slicer

from Testing.host.pythonqt import QtWidgets, wrapper_class
from Testing.host.ui_file import QFile, QUiLoader
from Testing.host.widgets import ctkCollapsibleButton, qMRMLNodeComboBox


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
