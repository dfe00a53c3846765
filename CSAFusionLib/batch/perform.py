"""One case, from its files to its files: what a worker is asked to do."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.checksums import describe_input
from CSAFusionLib.batch.layout import CASE_FORMAT, FAILED, FAILED_FORMAT, FORMAT_VERSION, Record
from CSAFusionLib.batch.placing import place_case, place_failure
from CSAFusionLib.cli.options import read_inputs
from CSAFusionLib.cli.user_errors import EXPECTED, sentence_for
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.reading import read_volume

if TYPE_CHECKING:
    from CSAFusionLib.cli.misalignment import MeasuredMisalignment
    from CSAFusionLib.fusion.result import FusionResult
    from CSAFusionLib.volumes.volume import Volume


def perform(case: Case, out: Path, command: str) -> Record:
    """Do a case, and put its folder into that of the batch; or the record of its failure, should it fail.

    Returns what was put there. A failure nobody foresaw is raised.
    """
    run = Run(command)
    inputs: dict[str, Any] = {}
    try:
        if case.refusal is not None:
            raise InputError(case.refusal)
        inputs = _as_far_as_they_can_be_read(case)
        for role, path in case.inputs.items():
            if "sha256" not in inputs[role]:
                inputs[role] = describe_input(path)  # says why it cannot be read
        volumes, result = fuse_case(case)
        off = _measured(case, volumes, result)
        return place_case(case, out, result, lambda: _sidecar(case, inputs, result, run), off)
    except EXPECTED as error:
        sentence = sentence_for(error)
        if sentence is None:
            raise
        return record_failure(case, out, sentence, run, inputs)


def record_failure(case: Case, out: Path, sentence: str, run: Run, inputs: dict[str, Any] | None = None) -> Record:
    """Put the record of a failed case into the folder of the batch and return it; as well as the disk allows."""
    if inputs is None:
        inputs = _as_far_as_they_can_be_read(case)
    values = {
        "format": FAILED_FORMAT,
        "format_version": FORMAT_VERSION,
        "name": case.name,
        "inputs": inputs,
        **case.choices,
        "sentence": sentence,
        "run": run.described(None),
    }
    record = Record(out / FAILED / f"{case.name}.json", values)
    # A full disk may be the very reason.
    with suppress(InputError, OSError):
        place_failure(record)
    return record


class Run:
    """What differs from run to run: when a case was done, by which command, how long it took and how much it needed."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._started = datetime.now(timezone.utc)
        self._clock = time.perf_counter()
        self._cpu = time.process_time()

    def described(self, registration: float | None) -> dict[str, Any]:
        """As a sidecar holds it. registration: seconds it took, where one was made."""
        return {
            "command": self._command,
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": {"total": round(time.perf_counter() - self._clock, 3), "registration": registration},
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
            "peak_mib": _peak_mib(),
        }


def fuse_case(case: Case) -> tuple[tuple[Volume, Volume], FusionResult]:
    """Read and fuse; returns the fixed and the moving volume, and the result."""
    from CSAFusionLib.cli.alignment_options import MaskOptions, TransformOptions
    from CSAFusionLib.fusion.on_grid import Alignment, fuse_on_grid
    from CSAFusionLib.fusion.output_grid import OutputGrid
    from CSAFusionLib.geometry.resampling import region_of
    from CSAFusionLib.registration.engines.brainsfit import use_executable

    use_executable(case.brainsfit)
    volumes = read_inputs(case.fixed, case.moving, case.volume, orientation=case.orientation)
    choice = TransformOptions().choice([case.transform] if case.transform else None)
    masks = MaskOptions(case.mask, case.moving_mask).read(volumes, case.orientation)
    given = None if choice is None else choice.read(*volumes, (case.fixed, case.moving))
    region = None if case.region is None else read_volume(case.region, orientation=case.orientation)
    result = fuse_on_grid(
        volumes,
        case.settings,
        grid=OutputGrid(),
        alignment=Alignment(given=given, masks=masks),
        region=None if region is None else region_of(region, volumes[0]),
    )
    return volumes, result


def _measured(case: Case, volumes: tuple[Volume, Volume], result: FusionResult) -> MeasuredMisalignment | None:
    """How far off the registration is, which the provenance then tells; None where nobody asks."""
    if not case.misalignment:
        return None
    from CSAFusionLib.cli.misalignment import MeasuredMisalignment
    from CSAFusionLib.progress import silent

    off = MeasuredMisalignment(*volumes, result.registration.transform, silent)
    result.provenance["registration"]["misalignment"] = off.describe()
    return off


def _sidecar(case: Case, inputs: dict[str, Any], result: FusionResult, run: Run) -> dict[str, Any]:
    provenance = dict(result.provenance)
    registration = {key: value for key, value in provenance["registration"].items() if key != "seconds"}
    return {
        "format": CASE_FORMAT,
        "format_version": FORMAT_VERSION,
        "name": case.name,
        "inputs": inputs,
        **provenance,
        **case.choices,
        "registration": registration,
        "run": run.described(provenance["registration"]["seconds"]),
    }


def _as_far_as_they_can_be_read(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for role, path in case.inputs.items():
        found[role] = {"path": str(path)}
        with suppress(InputError, OSError):
            found[role] = describe_input(path)
    return found


def _peak_mib() -> int | None:
    """The most memory this process has held, in MiB."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
