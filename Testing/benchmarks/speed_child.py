"""One measured task of ``benchmark_speed.py``, run with whichever version of the package PYTHONPATH names first.

    python Testing/benchmarks/speed_child.py TASK ARGUMENTS...

It uses only what both versions have. Nothing is printed but what the task found, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np


def _home_of(name: str, *modules: str) -> Any:
    """The first of the package's modules that has this name: an older version has it elsewhere."""
    there = (import_module(f"CSAFusionLib.{module}") for module in modules if find_spec(f"CSAFusionLib.{module}"))
    return next(module for module in there if hasattr(module, name))


def network(slices: str, side: str, weights: str) -> dict[str, float]:
    """Fuse so many slices of noise with bundled weights, each on its own."""
    from CSAFusionLib.fusion.device import Device
    from CSAFusionLib.fusion.slices import fuse_slices

    load_network = _home_of("load_network", "weights.weights_file", "weights.catalogue").load_network
    a, b = np.random.default_rng(0).random((2, int(slices), int(side), int(side)), dtype=np.float32)
    fuse_slices(load_network(weights)[0], a, b, Device("cpu", "measured"))
    return {}


def volumes(fixed: str, moving: str, output: str, threads: str, stand_in: str, window: str = "") -> dict[str, float]:
    """Read, fuse and write, registration apart; with "stand-in" by a network that costs nothing.

    window: of the moving volume, as the command line takes it; left out, it is found.
    """
    import torch

    from CSAFusionLib.fusion import pipeline
    from CSAFusionLib.fusion.settings import FusionSettings
    from CSAFusionLib.volumes import reading
    from CSAFusionLib.volumes.writing import write_volume

    class Constant(torch.nn.Module):
        configuration = SimpleNamespace(gains=True, pointwise=False)

        def local_gains(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full_like(x, 0.5)

        gains = local_gains

    torch.set_num_threads(int(threads))
    if stand_in == "stand-in":
        info = SimpleNamespace(name="none", sha256="")
        _home_of("load_network", "fusion.weight_maps", "fusion.pipeline").load_network = lambda name: (Constant(), info)
    method = _home_of("Method", "registration.registration", "registration.methods").Method
    shown = _home_of("parse_window", "intensity.mapping", "intensity.windows").parse_window(window) if window else None
    settings = FusionSettings(registration=method.NONE, device="cpu", moving_window=shown)
    start = time.perf_counter()
    if hasattr(reading, "read_pair"):
        pair = reading.read_pair(fixed, moving)
    else:
        pair = reading.read_volume(fixed), reading.read_volume(moving)
    result = pipeline.fuse_volumes(*pair, settings)
    write_volume(result.fused, output)
    return {"wall": time.perf_counter() - start}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
