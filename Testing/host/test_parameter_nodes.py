"""Parameter nodes follow the rules of Slicer's own wrapper, where those have teeth."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Union

import pytest
import slicer

from Testing.host.parameter_nodes import WithinRange, parameterNodeWrapper
from Testing.host.pythonqt import QtWidgets, wrapper_class


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
