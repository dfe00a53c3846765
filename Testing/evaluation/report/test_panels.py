from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.report.panels import panels_of
from CSAFusionLib.evaluation.table import to_picture
from CSAFusionLib.training.pairs import ImagePair, PairKind, read_luminance
from CSAFusionLib.volumes.pictures import write_picture


def test_the_median_and_the_worst_pair_of_our_method_are_shown(comparison: Comparison) -> None:
    titles = [panel.title for panel in panels_of(comparison, PairKind.CT_MRI)]
    assert titles == ["CT-MRI 33002: median SSIM sum of ours", "CT-MRI 33000: lowest SSIM sum of ours"]


def test_a_pair_that_is_both_is_shown_once(comparison: Comparison) -> None:
    alone = Comparison("ours", comparison.pairs, comparison.fused, comparison.results.loc[[5]])
    assert len(panels_of(alone, PairKind.T1_T2)) == 1


def test_a_panel_has_the_sources_and_every_result_whole_and_close_up(comparison: Comparison) -> None:
    tiles = panels_of(comparison, PairKind.CT_MRI)[0].tiles
    assert [tile.title for tile in tiles] == ["CT", "MRI", "average", "maximum", "ours"]
    np.testing.assert_array_equal(tiles[1].whole, to_picture(comparison.pairs[2].b))
    np.testing.assert_array_equal(tiles[4].whole, comparison.fused[2]["ours"])
    assert {tile.close_up.shape for tile in tiles} == {(80, 80)}


def test_the_close_up_shows_where_both_sources_have_detail() -> None:
    a, b = np.random.default_rng(0).random((2, 200, 200), dtype=np.float32)
    shown = np.zeros_like(b)
    shown[110:190, 20:100] = 1
    b *= shown
    pair = ImagePair(a=a, b=b, kind=PairKind.CT_MRI, name="33001")
    results = pd.DataFrame([{"kind": "CT-MRI", "method": "ours", "SSIM sum": 1.0}])
    (panel,) = panels_of(Comparison("ours", [pair], [{}], results), PairKind.CT_MRI)
    assert (panel.tiles[1].close_up > 0).mean() > 0.9


def test_functional_pairs_are_shown_in_their_colours(tmp_path: Path) -> None:
    rgb = np.zeros((100, 100, 3), np.uint8)
    rgb[20:80, 20:80] = (200, 80, 40)
    path = tmp_path / "PET-MRI" / "PET" / "30085.png"
    path.parent.mkdir(parents=True)
    write_picture(rgb, path)
    luminance = read_luminance(path)
    pair = ImagePair(a=luminance, b=luminance / 2, kind=PairKind.PET_MRI, name="30085", source=path)
    results = pd.DataFrame([{"kind": "PET-MRI", "method": "ours", "SSIM sum": 1.0}])
    comparison = Comparison("ours", [pair], [{"ours": to_picture(luminance)}], results)
    (panel,) = panels_of(comparison, PairKind.PET_MRI)
    pet, mri, ours = (tile.whole.astype(int) for tile in panel.tiles)
    assert np.abs(pet - rgb).max() <= 2
    assert mri.ndim == 2
    assert np.abs(ours - rgb).max() <= 2
