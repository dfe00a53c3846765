"""The bundled weights on real volumes: do they run as steadily from slice to slice as plain averaging?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from CSAFusionLib.evaluation.clinical.consistency import flicker_for_detail, read_slabs
from CSAFusionLib.evaluation.compared_methods import BUNDLED, by_weights, weights_for
from CSAFusionLib.evaluation.fusion_methods import slice_by_slice
from CSAFusionLib.training.dataset import read_dataset
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.weights.catalogue import load_network


@pytest.mark.parametrize("kind", [PairKind.CT_MRI, PairKind.SPECT_MRI, PairKind.PET_MRI])
def test_shared_gains_are_steadier_than_slices_alone_and_at_most_five_percent_above_averaging(
    kind: PairKind, shared_data: Path, tmp_path: Path
) -> None:
    dataset = read_dataset(shared_data)
    quick = replace(dataset, volumes=[pair for pair in dataset.volumes if not pair.name.startswith("pyapetnet")])
    method = by_weights("CSAFusion", BUNDLED)
    pointwise = load_network(weights_for(BUNDLED, kind))[0].configuration.pointwise
    alone = slice_by_slice(method.method_for(kind))
    for slab in read_slabs(quick, [kind], registered=tmp_path):
        a, b = slab.a[:8], slab.b[:8]
        average, shared, own = (
            flicker_for_detail(a, b, fused)
            for fused in (
                (a + b) / 2,
                method.volume_for(kind)(a, b, slab.spacing),
                alone(a, b, slab.spacing),
            )
        )
        # Of a pointwise network only the little that is local is shared, which may go either way.
        assert shared < own or pointwise, slab.name
        assert shared <= 1.05 * average, slab.name
