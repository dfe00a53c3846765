"""What a fusion may cost, held without a clock: memory by the voxel, and work that nobody asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.methods import Method
from CSAFusionLib.volumes.volume import Volume

SETTINGS = FusionSettings(
    registration=Method.NONE, device="cpu", fixed_modality=Modality.MR, moving_modality=Modality.MR
)

# Peak memory of a fusion of int16 volumes of this size, by a network that costs nothing, its inputs included.
_PEAK = """
import json, resource, sys
import numpy as np, SimpleITK as sitk, torch
from types import SimpleNamespace
from CSAFusionLib.fusion import pipeline, weight_maps
from Testing.fusion.test_cost import SETTINGS, a_volume
class Constant(torch.nn.Module):
    configuration = SimpleNamespace(gains=True, pointwise=False)
    def local_gains(self, x):
        return torch.full_like(x, 0.5)
weight_maps.load_network = lambda name: (Constant(), SimpleNamespace(name="", sha256=""))
fuse = lambda size: pipeline.fuse_volumes(a_volume(size, 0), a_volume(size, 1), SETTINGS)
fuse((32, 32, 32))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = fuse((192, 192, 160))
print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 192**2 / 160))
"""


def a_volume(size: tuple[int, int, int], seed: int) -> Volume:
    voxels = np.random.default_rng(seed).integers(0, 1000, size[::-1], np.int16)
    voxels[:, : size[1] // 8] = 0
    return Volume(sitk.GetImageFromArray(voxels), f"made {seed}")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count peak memory in other units, or not at all")
def test_a_voxel_takes_no_more_than_22_bytes_at_the_peak() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", _PEAK], cwd=root, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) < 22


def test_what_nobody_reads_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from CSAFusionLib.fusion import result

    made: list[str] = []
    for name in ("slice_figures", "resample_to_grid", "to_pixels"):
        monkeypatch.setattr(result, name, lambda *_, name=name, **__: made.append(name))
    fuse_volumes(a_volume((32, 32, 8), 0), a_volume((32, 32, 8), 1), SETTINGS)
    assert made == []


def test_a_run_checks_each_volume_once_and_makes_one_field_of_view_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    from CSAFusionLib.fusion import pipeline
    from CSAFusionLib.geometry import grid
    from CSAFusionLib.registration import register

    called: list[str] = []
    for module, name in ((pipeline, "check_volume"), (register, "check_volume"), (grid, "field_of_view")):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, name=name, original=original: called.append(name) or original(*given)
        )
    shifted = a_volume((32, 32, 8), 1)
    shifted.image.SetOrigin((3.0, 0.0, 0.0))
    fuse_volumes(a_volume((32, 32, 8), 0), shifted, SETTINGS)
    assert sorted(called) == ["check_volume", "check_volume", "field_of_view"]
