"""Fixtures shared by the whole suite."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

# Before anything imports torch: its threads wait for each other by spinning, so that beside other work a small training
# took a minute instead of two seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A suite that runs in the background was started with these ignored, and so would be what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

_exit_code = 0


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """After a crash show the thread that crashed, and not before it all that wait, of which a suite has dozens."""
    faulthandler.enable(file=os.dup(2), all_threads=False)


def pytest_sessionfinish(exitstatus: int) -> None:
    """Keep the exit code for `pytest_unconfigure`."""
    global _exit_code
    _exit_code = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Leave with the session's exit code at once, without the static destructors of the compiled libraries.

    The whole suite loads SimpleITK, ITK, VTK, Slicer and PyTorch into one process. Now and then a static
    destructor of SimpleITK then crashes after the summary (signal 11), and a suite that passed counts as failed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_exit_code)


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the checkout; a test that asks for it is skipped where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real images (../shared/data) are not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network, random but always the same, for tests of all but the fused picture's quality."""
    import torch

    from CSAFusionLib.network.configuration import NetworkConfiguration
    from CSAFusionLib.network.csafusion import CSAFusion
    from CSAFusionLib.weights.weights_file import save_weights

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(CSAFusion(NetworkConfiguration(channels=8)), path)
    return path


@pytest.fixture
def limited_files() -> Callable[[int], AbstractContextManager[None]]:
    """A block in which no file can grow beyond so many bytes, as on a disk that fills up."""
    resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        answer = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, answer)

    return limit


@pytest.fixture(scope="session")
def is_running() -> Callable[[int], bool]:
    """Whether a process runs; one that has ended and that nobody has waited for yet does not."""

    def look(process_id: int) -> bool:
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        return state != "Z"

    return look


@pytest.fixture(scope="session")
def ends(is_running: Callable[[int], bool]) -> Callable[[int], bool]:
    """Whether a process ends within two seconds."""

    def wait(process_id: int) -> bool:
        deadline = time.monotonic() + 2
        while is_running(process_id) and time.monotonic() < deadline:
            time.sleep(0.02)
        return not is_running(process_id)

    return wait
