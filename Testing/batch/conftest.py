"""Cases to try a batch on, and a cluster of threads to do them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.batch.case import Case, Place
from CSAFusionLib.batch.layout import CASE_FORMAT, Record
from CSAFusionLib.fusion.settings import FusionSettings

if TYPE_CHECKING:
    from distributed import Client

MakeCase = Callable[..., Case]


def _head(path: Path, seed: int) -> Path:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in (6, 20, 18)), indexing="ij")
    inside = x**2 + y**2 + z**2 < 0.9
    noise = np.abs(np.random.default_rng(seed).normal(0, 20, z.shape))
    image = sitk.GetImageFromArray((inside * (300 + 200 * (x > 0.2)) + noise).astype(np.float32))
    image.SetSpacing((4.0, 4.0, 8.0))
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def make_case(tmp_path: Path) -> MakeCase:
    """Make a case of this name whose two volumes are there, small; settings as given."""

    def make(name: str, **settings: Any) -> Case:
        files = [tmp_path / f"{name}_{kind}.nii.gz" for kind in ("t1", "t2")]
        for seed, file in enumerate(files):
            if not file.exists():
                _head(file, seed)
        chosen = FusionSettings(**({"registration": "none", "device": "cpu"} | settings))
        return Case(name, *files, chosen, Place(PurePosixPath(name)))

    return make


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for the results."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def threads() -> Iterator[Callable[[], AbstractContextManager[Client]]]:
    """An engine of two threads of this process."""
    import dask
    from distributed import Client

    with dask.config.set({"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}):
        client = Client(
            processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0", set_as_default=False
        )
    with client:
        yield lambda: nullcontext(client)


@pytest.fixture(scope="session")
def record_of() -> Callable[..., Record]:
    """The record that a case is done, as a stand-in for doing it."""

    def made(case: Case, out: Path, level: str = "good") -> Record:
        values = {
            "format": CASE_FORMAT,
            "format_version": 1,
            "name": case.name,
            "inputs": {role: {"path": str(path)} for role, path in case.inputs.items()},
            "outputs": {},
            **case.choices,
            "registration": {"verdict": {"level": level, "reason": "It is."}, "metric": {"moved_mm": 1.234}},
            "warnings": [],
            "run": {"seconds": {"total": 1.0}},
        }
        return Record(out / case.place.folder / case.place.sidecar, values)

    return made
