"""Run the cases of a batch in parallel on a Dask cluster: on this machine, on SLURM, or one that is already running.

Dask assigns the cases to workers, and reassigns those of a worker that dies. Only the description of a case goes to a
worker, and only its record comes back: the workers read and write the volumes on disk.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.layout import Record
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.processes import find_program

if TYPE_CHECKING:
    from distributed import Client

Task = Callable[[Case], Record]

# Dask does not set ITK's variable, without which ITK uses all cores in every worker.
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1"
)
TRIES = 3
"""How often a case is tried when its worker dies."""

_KEY = "csafusion-case"
_LEAST_AT_ONCE = 64
_SECONDS_TO_COUNT = 1.0
_SECONDS_TO_CONNECT = 20


class SchedulerGone(InputError):
    """The scheduler has ended or cannot be reached; finished cases are kept."""


class Died(RuntimeError):
    """Every worker that tried a case died."""

    def __init__(self) -> None:
        super().__init__(
            f"The worker died {TRIES} times during this case, most likely because memory ran out; use fewer --jobs or "
            "a machine with more memory, and --retry-failed."
        )


def outcomes(client: Client, task: Task, cases: Iterable[Case]) -> Iterator[tuple[Case, Record | BaseException]]:
    """Run the cases, and yield each as it ends, with its record or the exception it raised.

    Only as many cases wait at the scheduler as keep the workers busy, so that neither it nor this process grows with
    their number.

    Raises SchedulerGone when the scheduler ends.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    waiting = iter(cases)
    known: dict[tuple[str, int], Case] = {}
    # Another command may use the scheduler too. All keys share a prefix: the scheduler keeps state for each prefix for
    # good.
    prefix, numbers = f"{_KEY}-{uuid.uuid4().hex}", count()
    room = _Room(client)

    def submitted() -> list[Any]:
        batch = list(islice(waiting, room.beside(len(known))))
        keys = [(prefix, next(numbers)) for _ in batch]
        known.update(zip(keys, batch, strict=True))
        return [client.submit(task, case, key=key, pure=False) for key, case in zip(keys, batch, strict=True)]

    ended = as_completed(submitted(), loop=client.loop)
    for future in ended:
        case = known.pop(future.key)
        error = _error_of(future, client)
        if isinstance(error, KilledWorker):
            error = Died()
        yield case, future.result() if error is None else error
        future.release()
        ended.update(submitted())


class _Room:
    """How many more cases may wait at the scheduler: several at a time, so that it is not queried for each one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._most = 0
        self._asked = -math.inf

    def beside(self, waiting: int) -> int:
        """The number of cases to submit beside those that wait; 0 while these are enough for all workers.

        Raises SchedulerGone.
        """
        # The workers of a cluster arrive one by one.
        if time.monotonic() > self._asked + _SECONDS_TO_COUNT:
            self._asked = time.monotonic()
            try:
                threads = sum(self._client.nthreads().values())
            except (OSError, CancelledError) as problem:
                raise _gone(self._client) from problem
            self._most = max(_LEAST_AT_ONCE, 4 * threads)
        return 0 if waiting > self._most // 2 else self._most - waiting


def _error_of(future: Any, client: Client) -> BaseException | None:
    if future.status in ("cancelled", "lost"):
        raise _gone(client)
    try:
        error: BaseException | None = future.exception()
    except (OSError, CancelledError) as problem:
        raise _gone(client) from problem
    return error


def _gone(client: Client) -> SchedulerGone:
    scheduler = client.scheduler
    address = "" if scheduler is None else f" at {scheduler.address}"
    return SchedulerGone(
        f"The Dask scheduler{address} is gone; finished cases are kept: run the same command again to continue."
    )


@contextmanager
def local_cluster(jobs: int) -> Iterator[Client]:
    """A cluster of ``jobs`` processes on this machine, one thread each, which ends with this process.

    It uses TLS with its own key: otherwise anyone on this machine could run code in it. Its files are in a temporary
        folder, and a worker that nearly reaches its share of the memory is restarted.
    """
    with _dask():
        import dask
        from distributed import Client, LocalCluster, Security
        from distributed.system import MEMORY_LIMIT

    with (
        OwnedFolder() as folder,
        dask.config.set({_TEMPORARY: str(folder)}),
        _without_main(),
        _start_reported("The workers of this machine"),
    ):
        cluster = LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls",
            security=Security.temporary(),
            memory_limit=MEMORY_LIMIT // jobs,
            dashboard_address="127.0.0.1:0",
            local_directory=str(folder),
            env=THREADS,
            silence_logs=_SILENT,
        )
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client


@contextmanager
def running_cluster(address: str) -> Iterator[Client]:
    """A cluster that is already running; its workers need this package and the same disks under the same paths.

    Raises SchedulerGone when nothing answers.
    """
    with _dask():
        from distributed import Client

    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SchedulerGone(
            f"No Dask scheduler answers at '{address}'; start one with dask scheduler, and give its address."
        ) from error
    with client:
        yield client


@contextmanager
def _ctrl_c_kept() -> Iterator[None]:
    """Restore the handler of SIGINT: importing dask_jobqueue makes Ctrl-C end a process with exit code 0."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def slurm_cluster(jobs: int, options: dict[str, str], folder: Path) -> Iterator[Client]:
    """A cluster of ``jobs`` SLURM jobs, each with one worker on one core.

    Args:
        options: those of sbatch, by their long names; Dask handles ``mem`` (8G when left out) and ``time``.
        folder: a folder that all nodes see, for the keys that authenticate the workers; emptied at the end.
    """
    with _dask(), _ctrl_c_kept():
        import dask
        from dask_jobqueue import SLURMCluster
        from distributed import Client, Security

    if find_program("sbatch") is None:
        raise InputError("--slurm needs sbatch, which is not on the PATH; run this on a node of the cluster.")
    others = {name: value for name, value in options.items() if name not in ("mem", "time")}
    with (
        OwnedFolder() as own,
        OwnedFolder(folder, prefix=".csafusion-") as shared,
        dask.config.set({_TEMPORARY: str(own)}),
    ):
        cluster = SLURMCluster(
            cores=1,
            # Otherwise Dask would split a job of several cores into processes, each with a share of the memory.
            processes=1,
            memory=options.get("mem", "8G"),
            walltime=options.get("time"),
            job_extra_directives=[f"--{name}={value}" for name, value in others.items()],
            job_script_prologue=[f"export {name}={value}" for name, value in THREADS.items()],
            protocol="tls",
            security=Security.temporary(),
            shared_temp_directory=str(shared),
            log_directory=str(shared),
        )
        cluster.scale(jobs=jobs)
        with cluster, Client(cluster) as client:
            yield client


def default_jobs() -> int:
    """One worker for each core, but no more than the memory allows at one large head for each."""
    from CSAFusionLib.memory import available

    room = available().resident
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores if room is None else min(cores, room // _ROOM))


@contextmanager
def _start_reported(what: str) -> Iterator[None]:
    """Turn the failure to start a cluster into one sentence; other failures of the block pass through."""
    try:
        yield
    except RuntimeError as error:
        if "failed to start" not in str(error):
            raise
        raise InputError(f"{what} could not be started ({error.__cause__ or error}); try fewer --jobs.") from error


@contextmanager
def _without_main() -> Iterator[None]:
    """Inside the block, keep new processes from running the main module of this one again.

    A script without an ``if __name__ == "__main__"`` guard would start a batch in every worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_TEMPORARY = "temporary-directory"
"""Where Dask's scheduler creates a folder and leaves it behind."""
_ROOM = 3 * 2**30
_CONFIGURATION = {
    "distributed.scheduler.allowed-failures": TRIES - 1,
    # The dashboard shows the names of the cases to anyone who connects.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # The profiler samples a hundred times a second, which costs time, and nothing reads its samples.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.interval": "5s",
    # Measures how late the event loop is, fifty times a second, in every process.
    "distributed.admin.tick.interval": "1s",
    # Moves data between workers; here no data stay on them.
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.scheduler.work-stealing": False,
}
_SILENT = 60  # above logging.CRITICAL: this command reports a dead worker in its own words


@contextmanager
def _dask() -> Iterator[None]:
    """Report in one sentence that Dask is not installed, and set how often it retries a case."""
    try:
        import dask
        import distributed  # noqa: F401

        dask.config.set(_CONFIGURATION)
        yield
    except ImportError as error:
        raise InputError(f"A batch needs Dask ({error}); install it with: pip install 'csafusion[batch]'.") from error
