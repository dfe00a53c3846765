"""A stand-in for ``slicer.packaging`` of Slicer 5.12 and later: pip beside Slicer, as strict as Slicer's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import slicer

from Testing.host.modules import module_of


@dataclass
class Packaging:
    """What the next installations were asked for, and their end.

    asked: the arguments of each, with the text of the constraints.
    """

    asked: list[dict] = field(default_factory=list)
    _completed: Callable[[int], None] | None = None

    def pip_install(
        self,
        requirements: list[str],
        constraints: str | None = None,
        no_deps_requirements: list[str] | None = None,
        skip_packages: list[str] | None = None,
        blocking: bool = True,
        show_progress: bool = True,
        requester: str | None = None,
        parent=None,
        logCallback=None,
        completedCallback: Callable[[int], None] | None = None,
    ) -> None:
        """Return at once; what it blocks, a test does not want to see."""
        assert not blocking, "waiting blocks Slicer"
        assert skip_packages is None, "packages can be skipped only while Slicer waits"
        assert not slicer.app.testingEnabled(), "in testing mode it would block, and call nobody back"
        if self._completed is not None:
            raise RuntimeError("A non-blocking pip_install is already in progress.")
        limits = Path(constraints).read_text() if constraints else ""
        self.asked.append({"requirements": requirements, "without_pins": no_deps_requirements, "constraints": limits})
        self._completed = completedCallback

    def isPipInstallInProgress(self) -> bool:
        return self._completed is not None

    def finish(self, code: int = 0) -> None:
        """What Slicer's event loop does when pip has ended."""
        completed, self._completed = self._completed, None
        completed(code)


def install_packaging(monkeypatch: pytest.MonkeyPatch) -> Packaging:
    """Give ``slicer`` its installer for one test."""
    packaging = Packaging()
    contents = {name: getattr(packaging, name) for name in ("pip_install", "isPipInstallInProgress")}
    module = module_of("slicer.packaging", contents)
    module.__spec__ = ModuleSpec("slicer.packaging", None)
    monkeypatch.setitem(sys.modules, "slicer.packaging", module)
    monkeypatch.setattr(slicer, "packaging", module, raising=False)
    return packaging
