"""What runs the cases of a batch side by side: a Dask cluster, in this command's own care, on SLURM, or elsewhere.

Dask takes care of which worker does what, and of what a worker that dies leaves undone. Nothing but the description of
a case goes to a worker, and nothing but its record comes back: the volumes go from disk to disk.
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

# Dask does not set ITK's, without which it takes all cores in every worker.
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1"
)
TRIES = 3
"""How often a case is begun whose worker dies."""

_KEY = "csafusion-case"
_LEAST_AT_ONCE = 64
_SECONDS_TO_COUNT = 1.0
_SECONDS_TO_CONNECT = 20


class SchedulerGone(InputError):
    """The scheduler has ended or cannot be reached; what is done is kept."""


class Died(RuntimeError):
    """The workers that did a case died, every time."""

    def __init__(self) -> None:
        super().__init__(
            f"The worker died {TRIES} times while it did this case, most likely because memory ran out; give fewer "
            f"--jobs, or a machine with more memory, and --retry-failed."
        )


def outcomes(client: Client, task: Task, cases: Iterable[Case]) -> Iterator[tuple[Case, Record | BaseException]]:
    """Have the cases done, and give each with its record, or with what it raised, as they end.

    No more wait at the scheduler than keep the workers busy, so that neither it nor this process grows with the cases.

    Raises SchedulerGone when the scheduler ends.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    waiting = iter(cases)
    known: dict[tuple[str, int], Case] = {}
    # Another command may use the scheduler too. One prefix for all: the scheduler keeps something of each for good.
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
    """How many more cases may wait at the scheduler: several at a time, so that it is not asked for every one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._most = 0
        self._asked = -math.inf

    def beside(self, waiting: int) -> int:
        """The cases to hand over beside those that wait; 0 while these are enough for all workers.

        Raises SchedulerGone.
        """
        # The workers of a cluster come one by one.
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
        f"The Dask scheduler{address} is gone; what is done is kept: give the same command again to go on."
    )


@contextmanager
def local_cluster(jobs: int) -> Iterator[Client]:
    """A cluster of so many processes of this machine, one thread each, which ends with this process.

    It speaks TLS with a key of its own: otherwise anyone on this machine could have it run what they like. Its files
    are in a temporary folder, and a worker that comes to hold nearly its share of the memory is started again.
    """
    with _dask():
        import dask
        from distributed import Client, LocalCluster, Security
        from distributed.system import MEMORY_LIMIT

    with (
        OwnedFolder() as folder,
        dask.config.set({_TEMPORARY: str(folder)}),
        _without_main(),
        _told("The workers of this machine"),
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
    """A cluster that runs already; its workers need this package, and see the same disks under the same names.

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
    """Give SIGINT back as it was: to import dask_jobqueue makes Ctrl-C end a process with exit code 0."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def slurm_cluster(jobs: int, options: dict[str, str], folder: Path) -> Iterator[Client]:
    """A cluster of so many SLURM jobs of one worker, one core each.

    Args:
        options: of sbatch, by their long names; ``mem`` (8G when left out) and ``time`` are Dask's to know.
        folder: which all nodes see, for the keys by which the workers are known; gone at the end.
    """
    with _dask(), _ctrl_c_kept():
        import dask
        from dask_jobqueue import SLURMCluster
        from distributed import Client, Security

    if find_program("sbatch") is None:
        raise InputError("There is no sbatch on the PATH, which --slurm needs; run this on a node of the cluster.")
    others = {name: value for name, value in options.items() if name not in ("mem", "time")}
    with (
        OwnedFolder() as own,
        OwnedFolder(folder, prefix=".csafusion-") as shared,
        dask.config.set({_TEMPORARY: str(own)}),
    ):
        cluster = SLURMCluster(
            cores=1,
            # Left out, Dask would part a job of several cores into processes, each with its part of the memory.
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
    """As many workers as there are cores, and no more than have room for a large head each."""
    from CSAFusionLib.memory import available

    room = available().resident
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores if room is None else min(cores, room // _ROOM))


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Tell in a sentence that a cluster cannot be started; other failures of the block are its own."""
    try:
        yield
    except RuntimeError as error:
        if "failed to start" not in str(error):
            raise
        raise InputError(f"{what} could not be started ({error.__cause__ or error}); try fewer --jobs.") from error


@contextmanager
def _without_main() -> Iterator[None]:
    """Inside the block, let processes that are started not run the main module of this one once more.

    A script that does not ask whether it is the main module would start a batch in every worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_TEMPORARY = "temporary-directory"
"""Where Dask's scheduler makes a folder that it leaves behind."""
_ROOM = 3 * 2**30
_CONFIGURATION = {
    "distributed.scheduler.allowed-failures": TRIES - 1,
    # Pages that show the names of the cases to whoever asks.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # What watches the work a hundred times a second takes a share of it, and nobody looks at what it sees.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.interval": "5s",
    # Measures how late the event loop is, fifty times a second, in every process.
    "distributed.admin.tick.interval": "1s",
    # Moves data between workers; there are none.
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.scheduler.work-stealing": False,
}
_SILENT = 60  # above logging.CRITICAL: a worker that dies is told in this command's own words


@contextmanager
def _dask() -> Iterator[None]:
    """Tell in a sentence when Dask is not installed; and settle how often a case is tried again."""
    try:
        import dask
        import distributed  # noqa: F401

        dask.config.set(_CONFIGURATION)
        yield
    except ImportError as error:
        raise InputError(f"A batch needs Dask ({error}); install it with: pip install 'csafusion[batch]'.") from error
