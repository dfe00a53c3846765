"""The surface is as strict as PythonQt, or stricter."""

from __future__ import annotations

import pytest

from Testing.host import pythonqt
from Testing.host.pythonqt import QtWidgets, wrap, wrapper_class
from Testing.host.widgets import ctkSliderWidget


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
