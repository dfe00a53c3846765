"""Stand-ins for whole Python modules."""

from __future__ import annotations

from types import ModuleType


def module_of(name: str, contents: dict[str, object]) -> ModuleType:
    """A module with nothing but the contents given: another name is an AttributeError."""
    module = ModuleType(name)
    vars(module).update(contents)
    return module
