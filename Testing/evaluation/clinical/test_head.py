from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.clinical.head import find_head


def test_the_head_is_the_largest_bright_region_with_its_dark_inside() -> None:
    skull = np.zeros((30, 40))
    skull[5:25, 5:30] = 0.8
    head = skull > 0
    skull[8:22, 8:27] = 0.02
    skull[2:28, 35:37] = 0.9  # the headrest
    np.testing.assert_array_equal(find_head(skull), head)


def test_air_holds_no_head() -> None:
    assert not find_head(np.full((8, 9), 0.05)).any()
