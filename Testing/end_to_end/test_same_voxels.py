"""The same pair by command line, batch, Python and the process behind the panel gives the same voxels."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
import SimpleITK as sitk

from CSAFusionLib.api import fuse
from CSAFusionLib.batch.case import Case, Place
from CSAFusionLib.batch.perform import perform
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.worker.job import Job, ProgressEvent, ResultEvent
from CSAFusionLib.worker.launch import WorkerProcess

Heads = tuple[Path, Path]


def by_the_panels_process(heads: Heads, settings: FusionSettings) -> sitk.Image:
    worker = WorkerProcess(Job(*map(read_volume, heads), settings))
    worker.start()
    while True:
        for event in worker.poll():
            if not isinstance(event, ProgressEvent):
                assert isinstance(event, ResultEvent), event
                return event.result.fused
        time.sleep(0.05)


@pytest.mark.slow
def test_every_way_gives_the_same_voxels(csafusion: Callable, heads: Heads, tmp_path: Path, weights_file: Path) -> None:
    settings = FusionSettings(registration="sitk", weights=str(weights_file), device="cpu")
    known = sitk.Hash(fuse(*heads, settings).fused)
    words = ("--registration", "sitk", "--weights", weights_file, "--device", "cpu")
    assert csafusion("fuse", *heads, "-o", tmp_path / "fused.nii.gz", *words).exit_code == 0
    record = perform(Case("one", *heads, settings, Place(PurePosixPath("one"))), tmp_path, "csafusion batch")
    assert sitk.Hash(sitk.ReadImage(str(record.output("fused")))) == known
    assert record.output("fused").read_bytes() == (tmp_path / "fused.nii.gz").read_bytes()
    assert sitk.Hash(by_the_panels_process(heads, settings)) == known
