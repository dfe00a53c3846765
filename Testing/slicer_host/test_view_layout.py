"""A layout is shown for a while, and whoever leaves it is heard."""

from __future__ import annotations

import pytest
import slicer

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.slicer_host.view_layout import LayoutLoan

FOUR_UP = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
RED = slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
THREE_D = slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView


@pytest.fixture
def manager(module):
    slicer.app.layoutManager().setLayout(FOUR_UP)
    return slicer.app.layoutManager()


def test_the_layout_from_before_comes_back_also_when_it_was_begun_twice(manager):
    loan = LayoutLoan(RED, lambda: None)
    loan.begin(manager)
    loan.begin(manager)
    assert manager.layout == RED
    loan.end()
    assert manager.layout == FOUR_UP


def test_a_layout_the_user_chooses_is_told_once_it_is_set_up_and_stays(manager):
    left = []
    loan = LayoutLoan(RED, lambda: left.append(manager.layout))
    loan.begin(manager)
    manager.setLayout(THREE_D)
    assert left == []
    slicer.app.processEvents()
    assert left == [THREE_D]
    loan.end()
    manager.setLayout(RED)
    slicer.app.processEvents()
    assert left == [THREE_D] and manager.layout == RED


def test_a_user_who_comes_back_at_once_is_not_told(manager):
    left = []
    loan = LayoutLoan(RED, lambda: left.append(1))
    loan.begin(manager)
    manager.setLayout(THREE_D)
    manager.setLayout(RED)
    slicer.app.processEvents()
    assert left == []
    loan.end()
