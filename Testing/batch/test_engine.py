"""Clusters of real processes: what becomes of cases when a worker or the scheduler is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from CSAFusionLib.batch import engine
from CSAFusionLib.batch.engine import Died, SchedulerGone, local_cluster, outcomes, running_cluster, slurm_cluster
from CSAFusionLib.errors import InputError
from Testing.batch import tasks
from Testing.batch.conftest import MakeCase
from Testing.batch.test_run import Threads

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": "[]", "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]"}


@contextmanager
def started(*words: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Dask's own command, as a user or a site starts it."""
    command = [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]]
    environment = os.environ | QUIET | {"PYTHONPATH": str(ROOT)}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(condition: object, seconds: float = 20) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_workers_case_is_done_by_another_and_a_killed_scheduler_is_told(
    make_case: MakeCase, tmp_path: Path
) -> None:
    address = tmp_path / "scheduler.json"
    words = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--scheduler-file", str(address))
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            started("dask_scheduler", "--port", "0", "--no-dashboard", *words[4:], folder=tmp_path)
        )
        wait_until(address.exists)
        for _ in range(2):
            stack.enter_context(started("dask_worker", *words, folder=tmp_path))
        client = stack.enter_context(running_cluster(json.loads(address.read_text())["address"]))
        client.wait_for_workers(2, timeout=20)
        cases = [make_case(name) for name in "abc"]
        ends = outcomes(client, partial(tasks.wait_for_leave, folder=tmp_path), cases)

        # The cases are handed out when the first outcome is asked for.
        found: list[object] = []
        listener = threading.Thread(target=lambda: found.extend(end for _, end in ends))
        listener.start()
        wait_until(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
        doomed = next(iter(tmp_path.glob("*.begun")))
        os.kill(int(doomed.name.split(".")[1]), signal.SIGKILL)
        (tmp_path / "leave").touch()
        listener.join(20)
        assert sorted(end.name for end in found) == ["a", "b", "c"]  # type: ignore[attr-defined]
        assert len(list(tmp_path.glob(f"{doomed.name[0]}.*.begun"))) == 2

        (tmp_path / "leave").unlink()
        told: list[str] = []

        def listen() -> None:
            try:
                list(outcomes(client, partial(tasks.wait_for_leave, folder=tmp_path), [make_case("d")]))
            except SchedulerGone as error:
                told.append(str(error))

        listener = threading.Thread(target=listen)
        listener.start()
        wait_until(lambda: list(tmp_path.glob("d.*.begun")))
        scheduler.kill()
        listener.join(60)
        assert "is gone; finished cases are kept" in told[0]


@pytest.mark.slow
def test_a_case_that_kills_every_worker_is_given_up(make_case: MakeCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine._CONFIGURATION, "distributed.scheduler.allowed-failures", 0)
    with local_cluster(1) as client:
        ((case, end),) = outcomes(client, tasks.die, [make_case("a")])
    assert case.name == "a"
    assert isinstance(end, Died)


def test_two_commands_on_one_scheduler_keep_their_cases_apart(make_case: MakeCase, threads: Threads) -> None:
    cases = [make_case("a")] + [replace(make_case("a"), name=f"case-{number}") for number in range(99)]
    with threads() as client:
        first = outcomes(client, lambda case: ("first", case.name), cases)
        ends = [next(first)]
        second = list(outcomes(client, lambda case: ("second", case.name), cases))
        ends += first
    for found, who in ((ends, "first"), (second, "second")):
        assert sorted(end for _, end in found) == sorted((who, case.name) for case in cases)
        assert all(end[1] == case.name for case, end in found)


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("CSAFusionLib.batch.engine._SECONDS_TO_CONNECT", 0.3)
    with pytest.raises(InputError, match="No Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        running_cluster("tcp://127.0.0.1:9").__enter__()


# To import it, as pytest.importorskip does, takes SIGINT from the tests that follow.
needs_jobqueue = pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="dask-jobqueue is not installed")


@needs_jobqueue
def test_without_slurm_its_option_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="--slurm needs sbatch, which is not on the PATH"):
        slurm_cluster(1, {}, tmp_path).__enter__()


@needs_jobqueue
def test_slurm_leaves_ctrl_c_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "dask_jobqueue"]:
        monkeypatch.delitem(sys.modules, name)  # it takes SIGINT when it is imported
    monkeypatch.setenv("PATH", str(tmp_path))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InputError):
        slurm_cluster(1, {}, tmp_path).__enter__()
    assert signal.getsignal(signal.SIGINT) is before
