"""A method is run by the child where its package is installed, else by an extension, else it cannot be used."""

from __future__ import annotations

import pytest

from CSAFusionLib.registration.methods import Method
from CSAFusionLib.slicer_host.engines import choice
from CSAFusionLib.slicer_host.engines.command_line import Brains, SlicerAnts
from CSAFusionLib.slicer_host.engines.slicer_elastix import SlicerElastix

EXTENSIONS = {Method.ANTS: SlicerAnts, Method.ELASTIX: SlicerElastix}


@pytest.fixture
def installed(monkeypatch) -> set[str]:
    """Names of packages; empty until a test adds some."""
    names: set[str] = set()
    monkeypatch.setattr(choice, "is_installed", lambda name: name in names)
    return names


@pytest.mark.parametrize("method", EXTENSIONS)
def test_the_package_is_preferred_to_the_extension(method, installed, slicer_ants, elastix):
    assert choice.engine_of(method) is EXTENSIONS[method]
    installed.add(choice.PACKAGES[method])
    assert choice.engine_of(method) is None and choice.has_package(method)


@pytest.mark.parametrize("method", EXTENSIONS)
def test_with_neither_a_method_cannot_be_used(method, installed, brainsfit):
    assert choice.engine_of(method) is None and not choice.is_usable(method)
    installed.add(choice.PACKAGES[method])
    assert choice.is_usable(method)


def test_brainsfit_is_slicers_own_and_is_never_left_to_the_child(installed, brainsfit, monkeypatch):
    assert choice.engine_of(Method.BRAINS) is Brains and choice.is_usable(Method.BRAINS)
    monkeypatch.setattr(Brains, "is_available", lambda: False)
    assert choice.engine_of(Method.BRAINS) is Brains and not choice.is_usable(Method.BRAINS)


@pytest.mark.parametrize("method", set(Method) - {Method.BRAINS, *EXTENSIONS}, ids=lambda method: method.name)
def test_every_other_method_is_the_childs(method, installed):
    assert choice.engine_of(method) is None and choice.is_usable(method)
