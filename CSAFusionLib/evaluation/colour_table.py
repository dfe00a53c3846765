"""How well every method's colour tells uptake, on volumes of PET and SPECT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from CSAFusionLib.evaluation.clinical.consistency import read_slabs
from CSAFusionLib.evaluation.clinical.fidelity import colour_fidelity
from CSAFusionLib.evaluation.fusion_methods import ColourMethod
from CSAFusionLib.fusion.colour import apply_colour_table
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import PairKind

TABLE = "hot-iron"
OVERLAY = "overlay 50 %"


def measure_colour(
    methods: Mapping[str, Callable[[PairKind], ColourMethod]],
    kinds: Sequence[PairKind],
    dataset: DataSet,
    *,
    registered: Path,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Return a row for each volume and method: kind and name of the volume, the method, and its fidelity.

    An overlay, as viewers show it, comes first. Kinds without a functional volume have no rows.

    Args:
        methods: by name, what fuses volumes of a kind in colour.
        kinds: which volumes are fused.
        registered: a folder that keeps registered volumes, so that they are registered once.
        progress: told of each volume and method.

    Raises:
        InputError: a volume is missing.
        Cancelled: from ``progress``.
    """
    functional = [kind for kind in kinds if kind.modalities[0].is_functional]
    rows: list[dict[str, object]] = []
    slabs = read_slabs(dataset, functional, registered=registered, progress=progress) if functional else []
    for slab in slabs:
        compared = {OVERLAY: overlay, **{name: method_for(slab.kind) for name, method_for in methods.items()}}
        for name, fuse in compared.items():
            progress("Fusing in colour", len(rows), len(slabs) * len(compared))
            rgb = fuse(slab.a, slab.b, (slab.spacing, *slab.pixel), TABLE)
            about = {"kind": slab.kind.value, "volume": slab.name, "method": name}
            rows.append({**about, **colour_fidelity(rgb, slab.a, TABLE)})
    progress("Fusing in colour", len(rows), len(rows))
    return pd.DataFrame(rows)


def overlay(uptake: np.ndarray, anatomy: np.ndarray, voxel: tuple[float, float, float], table: str) -> np.ndarray:
    """Return the colour table at 50 % over the grey anatomy; a :data:`ColourMethod`."""
    return 0.5 * apply_colour_table(uptake, table) + 0.5 * anatomy[..., None]
