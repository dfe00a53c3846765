"""What a batch promises, measured with real processes: it is the commands below that the figures in Docs come from.

    python -m Testing.benchmarks.benchmark_batch pairs FOLDER       40 pairs with known movements, five of them no good
    python -m Testing.benchmarks.benchmark_batch cohort FOLDER      does them, and tells how far off each is
    python -m Testing.benchmarks.benchmark_batch kills FOLDER       kill -9 at ten random moments, with registration,
                                                                    then compares bytes; exit code 1 if any differ
    python -m Testing.benchmarks.benchmark_batch cost FOLDER        two workers against one, CPU and memory a case
    python -m Testing.benchmarks.benchmark_batch simulate FOLDER    10,000 cases whose work is a stub

``pairs`` needs the real volumes of ../shared/data; the others need what ``pairs`` made. All but ``pairs`` and
``simulate`` take minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.batch.case import Case, Place
from CSAFusionLib.batch.layout import CASE_FORMAT, Record, read_records
from CSAFusionLib.batch.run import Batch
from CSAFusionLib.fusion.settings import FusionSettings

ROOT = Path(__file__).resolve().parents[2]
VOLUMES = ROOT.parent / "shared" / "data" / "volumes"
SOURCES = (
    ("stroke/T1", "stroke/T2"),
    ("stroke/T1", "stroke/FLAIR"),
    ("open_ms/mni_patient07/T1", "open_ms/mni_patient07/T2"),
    ("templates/avg152T1", "templates/avg152T2"),
    ("pyapetnet/T1_2000", "pyapetnet/PET_osem"),
)
MOVEMENTS = 7
SPACING = 3.0  # mm: small enough for a laptop, large enough for the assessment of a head
QUICK = ("--registration", "none")
"""For what is not about the registration, which takes most of the time."""
BATCH = [sys.executable, "-m", "CSAFusionLib", "batch"]


def make_pairs(folder: Path) -> None:
    """35 pairs moved by known rigid transforms, three damaged ones, and two that nobody could align."""
    rows = []
    for source, (fixed_name, moving_name) in enumerate(SOURCES):
        fixed, moving = (_coarse(VOLUMES / f"{name}.nii.gz") for name in (fixed_name, moving_name))
        for number in range(MOVEMENTS):
            name = f"good-{source}-{number}"
            movement = _movement(fixed, source * MOVEMENTS + number)
            rows.append(_write_pair(folder, name, fixed, _moved(moving, movement)))
            sitk.WriteTransform(movement, str(folder / f"{name}.truth.tfm"))
    for number, damage in enumerate((lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[::-1])):
        rows.append(_write_pair(folder, f"damaged-{number}", fixed, moving))
        file = folder / f"damaged-{number}_moving.nii.gz"
        file.write_bytes(damage(file.read_bytes()))
    rows.append(_write_pair(folder, "hopeless-0", fixed, moving * 0))
    rows.append(_write_pair(folder, "hopeless-1", fixed, _coarse(VOLUMES / "spine" / "t2.nii.gz")))
    with (folder / "pairs.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("name", "fixed", "moving"), *rows])
    print(f"{len(rows)} pairs in {folder / 'pairs.csv'}")


def _coarse(path: Path) -> sitk.Image:
    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkFloat32)
    size = [max(8, round(n * s / SPACING)) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    grid = sitk.Image(size, sitk.sitkUInt8)
    spacing = [n * s / m for n, s, m in zip(image.GetSize(), image.GetSpacing(), size, strict=True)]
    grid.SetSpacing(spacing)
    grid.SetDirection(image.GetDirection())
    shift = np.reshape(image.GetDirection(), (3, 3)) @ ((np.array(spacing) - image.GetSpacing()) / 2)
    grid.SetOrigin((np.array(image.GetOrigin()) + shift).tolist())
    smooth = sitk.SmoothingRecursiveGaussian(image, SPACING / 3)
    return sitk.Resample(smooth, grid, sitk.Transform(), sitk.sitkLinear, 0.0)


def _movement(fixed: sitk.Image, seed: int) -> sitk.Euler3DTransform:
    """Up to 10 degrees and 12 mm, from fixed to moving points."""
    values = np.random.default_rng(seed).uniform(-1, 1, 6)
    movement = sitk.Euler3DTransform()
    movement.SetCenter(fixed.TransformContinuousIndexToPhysicalPoint([n / 2 for n in fixed.GetSize()]))
    movement.SetRotation(*np.deg2rad(10 * values[:3]).tolist())
    movement.SetTranslation((12 * values[3:]).tolist())
    return movement


def _moved(image: sitk.Image, movement: sitk.Euler3DTransform) -> sitk.Image:
    """The image moved by its header alone, so that no voxel changes."""
    moved = sitk.Image(image)
    turn = np.reshape(movement.GetMatrix(), (3, 3))
    moved.SetOrigin(movement.TransformPoint(image.GetOrigin()))
    moved.SetDirection((turn @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    return moved


def _write_pair(folder: Path, name: str, fixed: sitk.Image, moving: sitk.Image) -> tuple[str, str, str]:
    files = f"{name}_fixed.nii.gz", f"{name}_moving.nii.gz"
    for image, file in zip((fixed, moving), files, strict=True):
        sitk.WriteImage(image, str(folder / file), useCompression=True)
    return name, *files


def run_cohort(folder: Path) -> None:
    """Do all pairs with two workers, and tell how many were done and how far off they are."""
    out = folder / "undisturbed"
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    code = _batch(folder, out, "--jobs", "2").wait()
    print(f"exit code {code} after {time.perf_counter() - started:.0f} s")
    errors = []
    for record in read_records(out):
        if record.failed:
            print(f"  {record.name}: failed: {record.sentence}")
        elif not record.name.startswith("good"):
            print(f"  {record.name}: {record.verdict}")
        else:
            errors.append((_error(record, folder), record.name, (record.verdict or {}).get("level")))
    errors.sort()
    print(f"{len(errors)} good pairs done; error median {errors[len(errors) // 2][0]:.2f}, largest {errors[-1]} mm")
    levels = [level for _, _, level in errors]
    print({level: levels.count(level) for level in set(levels)})


def _error(record: Record, folder: Path) -> float:
    """Mean distance in mm, over points 60 mm round the middle, between where the transform and the truth take them."""
    truth = sitk.ReadTransform(str(folder / f"{record.name}.truth.tfm"))
    found = sitk.ReadTransform(str(record.output("transform")))
    fixed = sitk.ReadImage(str(record.input("fixed")))
    middle = np.array(fixed.TransformContinuousIndexToPhysicalPoint([n / 2 for n in fixed.GetSize()]))
    points = middle + 60 * np.array([*np.eye(3), *-np.eye(3)])
    apart = [np.subtract(truth.TransformPoint(p.tolist()), found.TransformPoint(p.tolist())) for p in points]
    return float(np.linalg.norm(apart, axis=1).mean())


def _batch(folder: Path, out: Path, *words: str, table: str = "pairs.csv") -> subprocess.Popen[bytes]:
    command = [*BATCH, str(folder / table), "-o", str(out), *words]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, env=_environment(folder), **quiet)


_SOME = [*(f"good-3-{number}" for number in range(4)), "damaged-0"]


def run_kills(folder: Path, moments: int, seed: int) -> None:
    """Kill a worker, the command or a scheduler with SIGKILL at random moments, resume, and compare every byte."""
    _write_table(folder, "some.csv", _SOME)
    undisturbed, choice = folder / "some-undisturbed", random.Random(seed)
    shutil.rmtree(undisturbed, ignore_errors=True)
    started = time.perf_counter()
    _batch(folder, undisturbed, "--jobs", "2", table="some.csv").wait()
    seconds, expected = time.perf_counter() - started, _contents(undisturbed)
    print(f"undisturbed: {seconds:.0f} s, {len(expected)} files; all but 'run' of the sidecars is compared", flush=True)
    worst = 0
    for number in range(moments):
        what = ("worker", "command", "scheduler")[number % 3]
        out = folder / f"killed-{number}"
        shutil.rmtree(out, ignore_errors=True)
        # Counted in cases, a moment lies within the run however busy the machine is.
        moment = choice.randrange(len(_SOME) - 2), choice.uniform(0, seconds / len(_SOME))
        resumes = _killed(folder, out, what, *moment)
        found = _contents(out)
        different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        left = _leftovers(folder) + [path.name for path in out.iterdir() if path.name.startswith(".")]
        print(
            f"{number}: {what} killed {moment[1]:.1f} s after {moment[0]} cases, {resumes} resumes: "
            f"different {different}, left {left}",
            flush=True,
        )
        worst += len(different) + len(left)
        shutil.rmtree(out)
    if worst:
        sys.exit(f"{worst} files differ or are left behind")


def _killed(folder: Path, out: Path, what: str, cases: int, seconds: float) -> int:
    """Kill something so many seconds after so many cases, and give the command again until it ends by itself.

    Returns how often it was given again.
    """
    if what == "scheduler":
        with _cluster(folder) as (address, scheduler):
            process = _batch(folder, out, "--scheduler", address, table="some.csv")
            _wait(process, out, cases, seconds)
            if process.poll() is not None:
                print("  the batch had ended before: nothing was killed")
            scheduler.kill()
            process.wait()
    else:
        process = _batch(folder, out, "--jobs", "2", table="some.csv")
        _wait(process, out, cases, seconds)
        victims = [process.pid] if what == "command" else _workers_of(process.pid)
        if process.poll() is not None or not victims:
            print("  the batch had ended before: nothing was killed")
        else:
            os.kill(victims[-1], signal.SIGKILL)
        process.wait()
    resumes = 0
    while process.returncode not in (0, 2) or len(_rows(out)) < len(_SOME):
        process = _batch(folder, out, "--jobs", "2", table="some.csv")
        process.wait()
        resumes += 1
    return resumes


def _write_table(folder: Path, name: str, cases: list[str]) -> None:
    """Some of the pairs as a table of their own."""
    rows = [line.split(",") for line in (folder / "pairs.csv").read_text().splitlines()]
    with (folder / name).open("w", newline="") as stream:
        csv.writer(stream).writerows([rows[0], *(row for row in rows if row[0] in cases)])


def _wait(process: subprocess.Popen[bytes], out: Path, cases: int, seconds: float) -> None:
    """Wait until so many cases have ended, and then so many seconds; not beyond the end of the process."""
    while process.poll() is None and len(_rows(out)) < cases:
        time.sleep(0.05)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _rows(out: Path) -> list[str]:
    file = out / "summary.tsv"
    return file.read_text().splitlines()[1:] if file.exists() else []


def _workers_of(process_id: int) -> list[int]:
    """The processes below one that Dask started for its workers."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == process_id and b"spawn_main" in words:
                found.append(int(folder.name))
    return found


@contextmanager
def _cluster(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and two workers, started as a site starts them; its address."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    # What a site's own scheduler leaves of itself when it is killed is none of ours.
    environment = _environment(folder) | {"DASK_TEMPORARY_DIRECTORY": str(folder / "site")}
    quiet = {"cwd": ROOT, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m"]
    words = ["--scheduler-file", str(file), "--no-dashboard"]
    started = [subprocess.Popen([*dask, "distributed.cli.dask_scheduler", "--port", "0", *words], **quiet)]
    try:
        while not file.exists():
            time.sleep(0.1)
        one = {**quiet, "env": environment | {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}}
        worker = [*dask, "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *words]
        started += [subprocess.Popen(worker, **one) for _ in range(2)]
        yield json.loads(file.read_text())["address"], started[0]
    finally:
        for process in started:
            process.kill()
            process.wait()


def _contents(out: Path) -> dict[str, bytes]:
    """All files by name, the sidecars without what differs from run to run."""
    found = {}
    for file in (path for path in out.rglob("*") if path.is_file()):
        data = file.read_bytes()
        if file.suffix == ".json":
            data = json.dumps({key: value for key, value in json.loads(data).items() if key != "run"}).encode()
        found[str(file.relative_to(out))] = data
    return found


def _leftovers(folder: Path) -> list[str]:
    """Temporary files of ours, and processes of ours that still run."""
    files = [path.name for path in _temporary(folder).iterdir()]
    time.sleep(2)
    running = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words, environment = ((process / name).read_bytes() for name in ("cmdline", "environ"))
        except OSError:
            continue
        if str(_temporary(folder)).encode() in environment and process.name != str(os.getpid()):
            running.append(words.replace(b"\0", b" ")[:60].decode())
    return files + running


def _temporary(folder: Path) -> Path:
    """Where the processes of a measurement put their temporary files."""
    path = folder / "tmp"
    path.mkdir(exist_ok=True)
    return path


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(_temporary(folder))}


def run_cost(folder: Path, repeats: int) -> None:
    """CPU seconds a case beyond the plain work, wall time of two workers against one, and memory a worker."""
    for name, count in (("few.csv", 2), ("many.csv", 6)):
        _write_table(folder, name, [f"good-3-{number}" for number in range(count)])
    plain, more, peak = _plain(folder)
    print(f"plain work: {plain:.2f} CPU-s a case, peak {peak} MiB; as cases of a batch {more:+.3f} CPU-s a case")
    shortest = {}
    for jobs in (1, 2):
        times = [[_timed(folder, name, jobs) for name in ("few.csv", "many.csv")] for _ in range(repeats)]
        few, many = (min(wall for wall, _ in column) for column in zip(*times, strict=True))
        cpu = min(many - few for (_, few), (_, many) in times)
        shortest[jobs] = (many - few) / 4
        print(f"{jobs} workers: {shortest[jobs]:.2f} s and {cpu / 4:.2f} CPU-s a case more")
    print(f"two workers do {shortest[1] / shortest[2]:.2f} times as many cases as one")
    peaks = [record.values["run"]["peak_mib"] for record in read_records(folder / "cost")]
    print(f"peak of a worker after its cases: {max(peaks)} MiB, {max(peaks) / peak - 1:+.1%} of a single fusion")


_PLAIN = """
import resource, statistics, sys, time
from pathlib import Path
from CSAFusionLib.batch.case import Defaults
from CSAFusionLib.batch.perform import fuse_case, perform
from CSAFusionLib.batch.perform import names_of, writers_of
from CSAFusionLib.batch.case_lists import cases_of_table
from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.fusion.settings import FusionSettings

def plain(case):
    result = fuse_case(case)[1]
    names = names_of(case.place, result)
    atomic_write({target / names[role]: writer for role, writer in writers_of(result).items()})

def cpu(work, *given):
    start = time.process_time()
    work(*given)
    return time.process_time() - start

target = Path(sys.argv[2])
cases = cases_of_table(Path(sys.argv[1]), Defaults(FusionSettings(registration="none")))
plain(cases[0])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
perform(cases[0], target, "measured")
# In turn, so that what else the machine does weighs on both.
both = [(cpu(plain, case), cpu(perform, case, target, "measured")) for case in cases[1:]]
print(statistics.mean(one for one, _ in both), statistics.median(more - one for one, more in both), peak)
"""


def _plain(folder: Path) -> tuple[float, float, int]:
    """CPU seconds a case of the command's own work, how many more of a batch's, and the peak of one fusion, MiB.

    Without the start-up, and without Dask.
    """
    target = folder / "plain"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    one = dict.fromkeys(("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1")
    command = [sys.executable, "-c", _PLAIN, str(folder / "many.csv"), str(target)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | one, capture_output=True, text=True, check=True)
    seconds, more, peak = done.stdout.split()
    return float(seconds), float(more), int(peak)


def _timed(folder: Path, table: str, jobs: int) -> tuple[float, float]:
    """Wall and CPU seconds of a whole batch."""
    out = folder / "cost"
    shutil.rmtree(out, ignore_errors=True)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _batch(folder, out, *QUICK, "--jobs", str(jobs), table=table).wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


def simulate(folder: Path, count: int) -> None:
    """Cases whose work is a stub, on a cluster of threads: cases a second, and memory as the batch goes on."""
    from contextlib import nullcontext

    from distributed import Client

    out = folder / "simulated"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    from pathlib import PurePosixPath

    settings = FusionSettings()
    pair = [next(folder.glob("good-0-0_*.nii.gz"))] * 2
    cases = [Case(f"case-{number:05}", *pair, settings, Place(PurePosixPath(f"{number}"))) for number in range(count)]
    memory, started = [], time.perf_counter()

    def tell(record: Record, ended: int, total: int) -> None:
        if ended % (total // 10) == 0:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
            memory.append(resident)
            print(
                f"{ended} cases, {ended / (time.perf_counter() - started):.0f} a second, {resident:.0f} MiB", flush=True
            )

    client = Client(processes=False, n_workers=2, threads_per_worker=2, dashboard_address=":0", set_as_default=False)
    with client:
        batch = Batch(cases=cases, out=out, command="simulated", task=partial(_stub, out=out))
        batch.run(lambda: nullcontext(client), tell)
    print(f"memory from the first to the last tenth: {memory[-1] - memory[0]:+.0f} MiB")
    print(f"{len(_rows(out))} rows in the summary")


def _stub(case: Case, out: Path) -> Record:
    values = {
        "format": CASE_FORMAT,
        "format_version": 1,
        "name": case.name,
        "inputs": {role: {"path": str(path)} for role, path in case.inputs.items()},
        **case.choices,
        "registration": {"verdict": {"level": "good", "reason": "A stub."}, "metric": {}},
        "warnings": [],
        "run": {"seconds": {"total": 0.0}},
    }
    return Record(out / case.place.folder / case.place.sidecar, values)


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pairs", "cohort", "kills", "cost", "simulate"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    jobs = {
        "pairs": make_pairs,
        "cohort": run_cohort,
        "kills": partial(run_kills, moments=asked.moments, seed=asked.seed),
        "cost": partial(run_cost, repeats=asked.repeats),
        "simulate": partial(simulate, count=asked.count),
    }
    jobs[asked.what](asked.folder)


if __name__ == "__main__":
    main()
