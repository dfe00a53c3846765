"""Which program runs a registration method in this Slicer, and what is missing for it."""

from __future__ import annotations

from CSAFusionLib.registration.methods import Method
from CSAFusionLib.slicer_host.dependencies import is_installed
from CSAFusionLib.slicer_host.engines.base import SlicerEngine
from CSAFusionLib.slicer_host.engines.command_line import Brains, SlicerAnts
from CSAFusionLib.slicer_host.engines.slicer_elastix import SlicerElastix

PACKAGES = {Method.ANTS: "antspyx", Method.ELASTIX: "itk-elastix"}
"""Methods that the child process runs once their Python package is installed."""

_ENGINES: dict[Method, type[SlicerEngine]] = {engine.method: engine for engine in (Brains, SlicerAnts, SlicerElastix)}


def engine_of(method: Method) -> type[SlicerEngine] | None:
    """The Slicer program that runs a method; None where the child process does, or nothing can."""
    engine = _ENGINES.get(method)
    if engine is None or has_package(method) or (method in PACKAGES and not engine.is_available()):
        return None
    return engine


def has_package(method: Method) -> bool:
    """Whether a method's Python package is installed; False for methods that have none."""
    return method in PACKAGES and is_installed(PACKAGES[method])


def is_usable(method: Method) -> bool:
    """Whether this Slicer can use a method as it is now."""
    return method not in _ENGINES or has_package(method) or _ENGINES[method].is_available()
