"""The bundled weights on real volumes: do they run as steadily from slice to slice as plain averaging?"""

from __future__ import annotations

from pathlib import Path

import pytest

from CSAFusionLib.evaluation.clinical import slabs
from CSAFusionLib.evaluation.clinical.flicker import flicker_for_detail
from CSAFusionLib.evaluation.contenders import BUNDLED, by_weights
from CSAFusionLib.evaluation.methods import slice_by_slice
from CSAFusionLib.training.pairs import PairKind


@pytest.mark.parametrize("kind", [PairKind.CT_MRI, PairKind.SPECT_MRI, PairKind.PET_MRI])
def test_shared_gains_are_steadier_than_slices_alone_and_at_most_five_percent_above_averaging(
    kind: PairKind, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = [pair for pair in slabs._ALIGNED if not pair.other.startswith("pyapetnet")]
    monkeypatch.setattr(slabs, "_ALIGNED", quick)
    contender = by_weights("CSAFusion", BUNDLED)
    alone = slice_by_slice(contender.method_for(kind))
    for slab in slabs.read_slabs(shared_data / "volumes", [kind], registered=tmp_path):
        a, b = slab.a[:8], slab.b[:8]
        average, shared, own = (
            flicker_for_detail(a, b, fused)
            for fused in (
                (a + b) / 2,
                contender.volume_for(kind)(a, b, slab.spacing),
                alone(a, b, slab.spacing),
            )
        )
        assert shared < own, slab.name
        assert shared <= 1.05 * average, slab.name
