"""The child process, ``python -m CSAFusionLib.worker.run_job FOLDER TASK``, which ``worker.launch`` starts.

It reads the job in FOLDER, calls TASK (``module:function``, with the arguments of ``fuse_volumes``), writes the result
into FOLDER, and prints one line of JSON for each event. An unexpected failure ends it with a traceback on standard
error.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TextIO

from CSAFusionLib.errors import CSAFusionError, InputError, NotEnoughMemory
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.memory import RAN_OUT, stems_from_lack_of_memory
from CSAFusionLib.progress import Progress
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.worker.job import Job, error_line, load_job, progress_line, result_line, save_result


def main(folder: Path, task: str) -> None:
    """Run the job of a folder."""
    lines = _claim_standard_output()

    def tell(line: str) -> None:
        lines.write(line + "\n")
        lines.flush()

    def progress(stage: str, done: int, total: int) -> None:
        tell(progress_line(stage, done, total))

    try:
        job = load_job(folder)
        module, function = task.split(":")
        work = getattr(importlib.import_module(module), function)
        known = _registration_of(job, progress)
        others = {"registration": known, "region": job.region, "contribution": job.contribution}
        result = work(job.fixed, job.moving, job.settings, **others, progress=progress)
        _hand_back(result, folder)
    except (CSAFusionError, MemoryError, RuntimeError, OSError, ImportError) as error:
        lack = stems_from_lack_of_memory(error) and not isinstance(error, NotEnoughMemory)
        if not lack and not isinstance(error, CSAFusionError):
            raise
        tell(error_line(RAN_OUT if lack else str(error)))
    else:
        tell(result_line())


def _registration_of(job: Job, progress: Progress) -> Registration | None:
    """The known registration, or the one that its masks require; None leaves it to the fusion."""
    if job.registration is not None or not job.masks:
        return job.registration
    from CSAFusionLib.fusion.pipeline import registration_by

    return registration_by(job.fixed, job.moving, job.settings, None, masks=job.masks, progress=progress)


def _hand_back(result: FusionResult, folder: Path) -> None:
    try:
        save_result(result, folder)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"The result could not be handed back ({error}); check the free disk space of '{folder.parent}'."
        ) from error


def _claim_standard_output() -> TextIO:
    """Reserve standard output for the events; what a library prints there goes to standard error instead."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "w", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
