"""Child processes: start one, end it with all its descendants, and end it when this process ends.

A child starts in its own folder and imports no module from the current folder, which holds the user's data and may come
from a stranger.

``python -m CSAFusionLib.processes PROCESS_ID FOLDER`` runs the watchman: a process that ends a child once its parent is
gone. The child cannot watch for this itself: while ANTs or elastix work, none of its other threads runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.progress import undisturbed

GROUP: dict[str, Any] = {
    # The command may be a launcher that starts the program: with a process group of their own, both can be ended.
    "start_new_session": True,
    "creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0),
}
"""The options of ``subprocess.Popen`` that let :func:`end_tree` reach every descendant."""

_SECONDS_TO_DIE = 5.0

ROOT = Path(__file__).resolve().parents[1]
"""The folder that contains this package."""

# Python puts the current folder first on the path. Neither -I nor -P serves: -I ignores the variables by which
# PythonSlicer finds its own modules, and Python 3.10 has no -P.
_RUN_MODULE = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; del sys.argv[0]; "
    "import runpy; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


class ChildProcess:
    """A process that ends with this one, however this one ends; standard input is empty.

    Args:
        command: the program and its arguments, none of them relative to the current folder.
        folder: a temporary folder, in which it starts and puts its temporary files. If this process is killed, the
            folder is removed too.
        variables: added to the environment.
        options: of ``subprocess.Popen``: where its output goes and how it is read.

    Raises OSError where it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, *, variables: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
        environment = {**os.environ, **(variables or {}), **temporary}
        with undisturbed():
            self._process: subprocess.Popen[Any] = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, **options, **GROUP
            )
            self._watchman = _start_watchman(self.pid, folder)
        if self._watchman is not None and self._watchman.stdin is not None:
            # A child that nothing refers to ends too; subprocess alone keeps a process and its pipes until it ends.
            weakref.finalize(self, self._watchman.stdin.close)

    @property
    def pid(self) -> int:
        """Its process ID, which is also its group's."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it is not known to have ended."""
        return self._process.returncode

    @property
    def stdout(self) -> IO[Any]:
        """Its output, if it is piped."""
        assert self._process.stdout is not None
        return self._process.stdout

    def poll(self) -> int | None:
        """The exit code, or None while it runs; does not wait."""
        code = self._process.poll()
        if code is not None:
            self._dismiss_watchman()
        return code

    def wait(self, seconds: float | None = None) -> bool:
        """Wait at most ``seconds`` for its end; returns whether it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.poll() is not None

    def follow(self, on_wait: Callable[[], None], every: float = 0.05) -> None:
        """Wait for its end, calling ``on_wait`` meanwhile; an exception of ``on_wait`` ends it and propagates."""
        try:
            on_wait()
            while not self.wait(every):
                on_wait()
        finally:
            self.end()

    def end(self, seconds: float = 0.0) -> None:
        """End it with all its descendants; returns once it has ended.

        seconds: time to end on request before it is killed.
        """
        if seconds:
            end_tree(self.pid, by_force=False)
        if not seconds or not self.wait(seconds):
            end_tree(self.pid, by_force=True)
            self.wait()

    def _dismiss_watchman(self) -> None:
        watchman, self._watchman = self._watchman, None
        if watchman is not None:
            watchman.kill()
            watchman.communicate()


class ModuleProcess(ChildProcess):
    """A module of this package in a child process, which starts in its own temporary folder.

    Args:
        module, arguments, python: as :func:`module_command` takes them.
        files: an existing folder to start in; a new one when None.
        paths: as :func:`module_variables` takes them.
        options: as of :class:`ChildProcess`.

    Raises OSError where it cannot be started; a new folder is then removed.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        python: str | None = None,
        files: OwnedFolder | None = None,
        paths: Iterable[str] = (),
        **options: Any,
    ) -> None:
        self.files = OwnedFolder() if files is None else files
        command, variables = module_command(module, *arguments, python=python), module_variables(paths)
        try:
            super().__init__(command, self.files.path, variables=variables, **options)
        except OSError:
            # A given folder stays: the caller may hold a file open in it, and Windows then cannot remove it.
            if files is None:
                self.files.remove()
            raise

    def dismiss(self) -> None:
        """End it with all its descendants, and remove its folder."""
        self.end()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self.files.remove()


def module_command(module: str, *arguments: str, python: str | None = None) -> list[str]:
    """The command that runs a module of this package as ``python -m`` does, but without the current folder on the path.

    python: the interpreter; this process's own when None. Its environment needs :func:`module_variables`.
    """
    return [python or interpreter(), "-c", _RUN_MODULE, module, *arguments]


def module_variables(paths: Iterable[str] = ()) -> dict[str, str]:
    """The environment in which a child finds this package and the folders of PYTHONPATH and ``paths``.

    The current folder is left out: it is on the path of this process only because Python put it there.
    """
    named = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    others = [path for path in paths if os.path.isabs(path) and path != os.getcwd()]
    found = dict.fromkeys([str(ROOT), *map(os.path.abspath, named), *others])
    return {"PYTHONPATH": os.pathsep.join(found)}


def interpreter() -> str:
    """This Python; inside the Slicer application, whose executable is Slicer itself, the Python it ships."""
    if "python" in Path(sys.executable or "").name.lower():
        return sys.executable
    return find_program("PythonSlicer") or sys.executable


def find_program(name: str) -> str | None:
    """The file of a program on the PATH, never one in the current folder; None where there is none.

    ``shutil.which`` looks into the current folder on Windows, and elsewhere where the PATH has an empty entry.
    """
    endings = [*os.environ.get("PATHEXT", ".EXE").split(os.pathsep), ""] if sys.platform == "win32" else [""]
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        for file in (os.path.join(folder, name + ending) for ending in endings):
            if os.path.isabs(folder) and os.path.isfile(file) and os.access(file, os.X_OK):
                return file
    return None


def end_tree(process_id: int, *, by_force: bool) -> None:
    """Ask a process that was started with ``GROUP`` and its descendants to end, or kill them; does not wait."""
    if sys.platform == "win32":
        system = os.environ.get("SYSTEMROOT", r"C:\Windows")
        subprocess.run(
            # By its full path: Windows would prefer a taskkill.exe in the current folder.
            [os.path.join(system, "System32", "taskkill.exe"), "/F", "/T", "/PID", str(process_id)],
            capture_output=True,
            check=False,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
    else:
        # macOS refuses permission to signal a group in which only a zombie is left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process_id, signal.SIGKILL if by_force else signal.SIGTERM)


def _start_watchman(process_id: int, folder: Path) -> subprocess.Popen[bytes] | None:
    """A small process that outlives this one, and ends a child if this one ends without doing so."""
    command = module_command("CSAFusionLib.processes", str(process_id), str(folder))
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # At the system's process limit there may be room for one process but not two: the child matters more.
    with suppress(OSError):
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | module_variables(), stdin=subprocess.PIPE, **quiet, **GROUP
        )
    return None


def watch(lifeline: int, process_id: int, folder: Path) -> None:
    """Wait until a pipe's other end is closed, then end a process with all it started and remove its folder.

    The parent holds the other end, which closes with it however it ends, on every system.
    """
    while os.read(lifeline, 1):
        pass
    end_tree(process_id, by_force=True)
    deadline = time.monotonic() + _SECONDS_TO_DIE
    # A process that is being killed may still write, and Windows cannot remove a process's current folder.
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


if __name__ == "__main__":
    watch(0, int(sys.argv[1]), Path(sys.argv[2]))
