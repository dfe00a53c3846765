"""Read and fuse damaged files of every format, and count what came of them.

    python -m Testing.fuzz.run [--seed 1] [--count 1500] [--only DICOM] [--processes 2]

Whatever is done to a file, it is refused in one sentence or fused to finite numbers. Exit code 1 when one case ends in
a traceback, kills its process, takes more than 20 seconds of the processor or five minutes in all, or gives a number
that is not finite; the case is named by its number, which with the seed makes it again. Nothing of it is kept.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from Testing.fuzz.damage import damage_folder
from Testing.fuzz.originals import ORIGINALS, ball

LIMIT_SECONDS = 20.0
# Of the processor; beside other work a case may take longer, but not for ever.
_MOST_SECONDS = 300.0
# A claim of memory that is believed shows as a crash, and does not take the computer.
_MOST_MEMORY = 12 << 30
_WEIGHTS = "random.safetensors"
_GOOD = ("fused", "refused")


@dataclass(frozen=True)
class Outcome:
    """What came of a case: "fused", "refused", "traceback", "not finite", "crash" or "hang"; and in words."""

    case: int
    kind: str
    what: str
    said: str = ""


def kind_of(case: int, only: str = "") -> str:
    """The format that a case is of."""
    names = [name for name in ORIGINALS if only in name]
    return names[case % len(names)]


def make_case(seed: int, case: int, kind: str, folder: Path) -> tuple[Path, str]:
    """Put a damaged volume into an empty folder; returns what to read and what was done to it."""
    path = ORIGINALS[kind](folder)
    return path, damage_folder(folder, random.Random(f"{seed} {case}"))


def read_and_fuse(path: Path, whole: Any, weights: Path, case: int) -> None:
    """Read a volume and fuse it with a whole one, in turn as fixed and as moving; ArithmeticError if not finite."""
    import numpy as np
    import SimpleITK as sitk

    from CSAFusionLib.fusion.pipeline import fuse_volumes
    from CSAFusionLib.fusion.settings import FusionSettings
    from CSAFusionLib.registration.registration import Method
    from CSAFusionLib.volumes.checking import check_volume
    from CSAFusionLib.volumes.reading import read_volume

    volume = read_volume(path, keep_shear=bool(case % 2))
    check_volume(volume)
    pair = (whole, volume) if case % 2 else (volume, whole)
    settings = FusionSettings(registration=Method.NONE, weights=str(weights), device="cpu")
    result = fuse_volumes(*pair, settings, contribution=True)
    for image in (result.fused, result.fixed_mapped, result.moving_mapped, result.moving_on_grid, result.contribution):
        if image is not None and not np.isfinite(sitk.GetArrayViewFromImage(image)).all():
            raise ArithmeticError("the result is not finite")


def main() -> None:
    """Run the cases and print a table of their outcomes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", default="", help="only formats whose name holds this")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    cases = range(arguments.first, arguments.first + arguments.count)
    with tempfile.TemporaryDirectory() as name:
        _save_weights(Path(name))
        runners = [
            _Runner(cases[start :: arguments.processes], arguments.seed, arguments.only, Path(name))
            for start in range(arguments.processes)
        ]
        outcomes: list[Outcome] = []
        while any(runner.is_busy for runner in runners):
            for outcome in (outcome for runner in runners for outcome in runner.poll()):
                outcomes.append(outcome)
                if outcome.kind not in _GOOD:
                    print(f"case {outcome.case} ({outcome.what}): {outcome.kind}: {outcome.said}", flush=True)
            time.sleep(0.05)
    sys.exit(_report(outcomes, arguments.only))


class _Runner:
    """Runs its cases one after the other in a child, and in another one when that has died or was too slow."""

    def __init__(self, cases: range, seed: int, only: str, folder: Path) -> None:
        self._cases, self._how = list(cases), (seed, only, folder)
        self._start()

    @property
    def is_busy(self) -> bool:
        return bool(self._cases)

    def poll(self) -> list[Outcome]:
        """What has come since the last call."""
        outcomes: list[Outcome] = []
        try:
            while self._cases and self._there.poll():
                message = self._there.recv()
                self._until = time.monotonic() + _MOST_SECONDS
                if isinstance(message, Outcome):
                    outcomes.append(message)
                    self._cases.remove(message.case)
        except EOFError:
            self._child.join()
            outcomes.append(self._lost("crash", f"exit code {self._child.exitcode}"))
        if self._cases and time.monotonic() > self._until:
            self._child.kill()
            self._child.join()
            outcomes.append(self._lost("hang", f"more than {_MOST_SECONDS:g} s"))
        return outcomes

    def _lost(self, kind: str, said: str) -> Outcome:
        case = self._cases.pop(0)
        if self._cases:
            self._start()
        return Outcome(case, kind, kind_of(case, self._how[1]), said)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._there, here = context.Pipe()
        self._child = context.Process(target=_run, args=(self._cases, *self._how, here), daemon=True)
        self._child.start()
        here.close()
        self._until = time.monotonic() + _MOST_SECONDS


def _run(cases: list[int], seed: int, only: str, folder: Path, back: Connection) -> None:
    import SimpleITK as sitk

    from CSAFusionLib.errors import CSAFusionError
    from CSAFusionLib.volumes.volume import Volume

    _limit_memory()
    # What the check says of numbers that overflow is another matter than what it returns.
    warnings.simplefilter("ignore", RuntimeWarning)
    image = sitk.GetImageFromArray(ball(seed=7, dtype="f4"))
    image.SetSpacing((0.9, 0.9, 3.0))
    whole = Volume(image, "whole")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        # All that is imported when it is first used is so before a case is timed.
        read_and_fuse(ORIGINALS["NRRD"](Path(name)), whole, folder / _WEIGHTS, 0)
    back.send("ready")
    for case in cases:
        kind = kind_of(case, only)
        with tempfile.TemporaryDirectory(dir=folder) as name:
            path, done = make_case(seed, case, kind, Path(name))
            outcome, started = Outcome(case, "fused", kind, done), time.process_time()
            try:
                read_and_fuse(path, whole, folder / _WEIGHTS, case)
            except CSAFusionError as error:
                outcome = Outcome(case, "refused", kind, str(error))
            except ArithmeticError as error:
                outcome = Outcome(case, "not finite", kind, f"{done}: {error!r}")
            except Exception as error:  # noqa: BLE001 (whatever the product let through is what is looked for)
                outcome = Outcome(case, "traceback", kind, f"{done}: {error!r}")
            seconds = time.process_time() - started
            if seconds > LIMIT_SECONDS:
                outcome = Outcome(case, "hang", kind, f"{done}: {seconds:.0f} s")
        back.send(outcome)


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))


def _save_weights(folder: Path) -> None:
    import torch

    from CSAFusionLib.network.configuration import NetworkConfiguration
    from CSAFusionLib.network.csafusion import CSAFusion
    from CSAFusionLib.weights.weights_file import save_weights

    torch.manual_seed(0)
    save_weights(CSAFusion(NetworkConfiguration(channels=8)), folder / _WEIGHTS)


def _report(outcomes: list[Outcome], only: str) -> int:
    """Print how many of each format ended how; returns the exit code."""
    columns = (*_GOOD, "traceback", "crash", "hang", "not finite")
    counts = Counter((outcome.what, outcome.kind) for outcome in outcomes)
    kinds = [name for name in ORIGINALS if only in name]
    print(f"{'format':16}" + "".join(f"{column:>12}" for column in columns))
    for kind in kinds:
        print(f"{kind:16}" + "".join(f"{counts[kind, column]:12}" for column in columns))
    totals = [sum(counts[kind, column] for kind in kinds) for column in columns]
    print(f"{'all':16}" + "".join(f"{total:12}" for total in totals))
    return 1 if any(outcome.kind not in _GOOD for outcome in outcomes) else 0


if __name__ == "__main__":
    main()
