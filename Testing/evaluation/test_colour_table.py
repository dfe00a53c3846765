"""CSAFusionLib.evaluation.colour_table"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.evaluation import colour_table
from CSAFusionLib.evaluation.colour_table import OVERLAY, TABLE, measure_colour
from CSAFusionLib.evaluation.compared_methods import NetworkMethod
from CSAFusionLib.evaluation.fusion_methods import average, slice_by_slice, with_chrominance
from CSAFusionLib.fusion.colour import apply_colour_table
from CSAFusionLib.intensity.voxel_values import rgb_to_yuv
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.training.volume_pairs import Slab

RAMP = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (3, 32, 1))
ANATOMY = np.random.default_rng(0).uniform(0.3, 0.6, RAMP.shape).astype(np.float32)


@pytest.fixture
def slabs(monkeypatch: pytest.MonkeyPatch) -> list[list[PairKind]]:
    """One volume of PET; what kinds were asked for."""
    asked: list[list[PairKind]] = []

    def read(dataset: DataSet, kinds: list[PairKind], **options: object) -> list[Slab]:
        asked.append(kinds)
        return [Slab(PairKind.PET_MRI, "one", RAMP, ANATOMY, 2.0, (1.5, 1.5))]

    monkeypatch.setattr(colour_table, "read_slabs", read)
    return asked


def test_the_table_s_own_colours_err_least_and_the_overlay_is_always_there(slabs: list[list[PairKind]]) -> None:
    methods = {"own": lambda kind: lambda uptake, anatomy, voxel, table: apply_colour_table(uptake, table)}
    rows = measure_colour(methods, list(PairKind), DataSet(), registered=Path()).set_index("method")
    assert slabs == [[PairKind.SPECT_MRI, PairKind.PET_MRI]]
    assert rows.loc["own", "read-back error"] < 0.005 < rows.loc[OVERLAY, "read-back error"]
    assert rows.loc["own", "colour of nothing"] < 0.03 < rows.loc[OVERLAY, "read-back error"]


def test_kinds_without_uptake_are_not_even_read(slabs: list[list[PairKind]]) -> None:
    assert measure_colour({}, [PairKind.CT_MRI], DataSet(), registered=Path()).empty
    assert not slabs


def test_a_plain_method_takes_the_chrominance_of_the_table() -> None:
    rgb = with_chrominance(slice_by_slice(average))(RAMP, ANATOMY, (2.0, 1.0, 1.0), TABLE)
    own = rgb_to_yuv(apply_colour_table(RAMP, TABLE))
    inside = ((rgb > 0) & (rgb < 1)).all(axis=-1)
    np.testing.assert_allclose(rgb_to_yuv(rgb)[inside][:, 1:], own[inside][:, 1:], atol=1e-4)
    np.testing.assert_allclose(rgb_to_yuv(rgb)[inside][:, 0], ((own[..., 0] + ANATOMY) / 2)[inside], atol=1e-4)


def test_a_network_s_colour_is_bound_to_uptake() -> None:
    network = CSAFusion(NetworkConfiguration(channels=8)).eval()
    rgb = NetworkMethod(network).fuse_in_colour(RAMP, ANATOMY, (2.0, 1.0, 1.0), TABLE)
    assert np.abs(colour_table.colour_fidelity(rgb, RAMP, TABLE)["hue error"]) < 3
    assert np.ptp(rgb[RAMP < 0.02], axis=-1).max() < 0.02
