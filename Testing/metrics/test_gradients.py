from __future__ import annotations

import torch

from CSAFusionLib.metrics.gradients import sobel_gradient


def test_a_slope_has_the_same_gradient_everywhere_inside() -> None:
    rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    down, right = sobel_gradient((2 * rows + 3 * columns)[None, None])[0]
    # Over two pixels, with weights 1, 2, 1 across.
    assert (down[1:-1, 1:-1] == 2 * 2 * 4).all()
    assert (right[1:-1, 1:-1] == 3 * 2 * 4).all()


def test_the_border_of_the_image_is_no_edge() -> None:
    assert not sobel_gradient(torch.full((1, 1, 4, 5), 200.0)).any()
