from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.metrics.gradients import sobel_gradient


def test_a_slope_has_the_same_gradient_everywhere_inside() -> None:
    rows, columns = np.mgrid[:5, :6]
    down, right = sobel_gradient(2 * rows + 3 * columns)
    # Over two pixels, with weights 1, 2, 1 across.
    assert (down[1:-1, 1:-1] == 2 * 2 * 4).all()
    assert (right[1:-1, 1:-1] == 3 * 2 * 4).all()


def test_the_border_of_the_image_is_no_edge() -> None:
    for gradient in sobel_gradient(np.full((4, 5), 200)):
        assert not gradient.any()
