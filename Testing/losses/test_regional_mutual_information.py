from __future__ import annotations

import numpy as np
import pytest
import torch

from CSAFusionLib.losses.terms import REGULARISATION, rmi_loss


def by_hand(fused: np.ndarray, source: np.ndarray) -> float:
    """Half the log-determinant of the posterior covariance per dimension, through numpy's joint covariance."""
    height, width = fused.shape
    places = [(row, column) for row in range(1, height - 1) for column in range(1, width - 1)]
    regions = [
        np.array([image[r - 1 : r + 2, c - 1 : c + 2].ravel() for r, c in places]).T for image in (source, fused)
    ]
    joint = np.cov(np.vstack(regions), bias=True)
    of_source, across, of_fused = joint[:9, :9], joint[:9, 9:], joint[9:, 9:] + REGULARISATION * np.eye(9)
    posterior = of_source - across @ np.linalg.inv(of_fused) @ across.T + REGULARISATION * np.eye(9)
    return 0.5 * np.linalg.slogdet(posterior)[1] / 9


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.tensor(image)[None, None]


def test_it_equals_the_posterior_covariance_worked_out_with_numpy() -> None:
    random = np.random.default_rng(0)
    source = random.random((14, 17))
    fused = 0.6 * source + 0.4 * random.random((14, 17))
    assert float(rmi_loss(as_tensor(fused), as_tensor(source))) == pytest.approx(by_hand(fused, source), abs=1e-9)


def test_it_is_the_mean_over_the_batch() -> None:
    random = np.random.default_rng(1)
    fused, source = torch.tensor(random.random((2, 3, 1, 12, 12)))
    each = [float(rmi_loss(fused[i : i + 1], source[i : i + 1])) for i in range(3)]
    assert float(rmi_loss(fused, source)) == pytest.approx(np.mean(each), abs=1e-12)


def test_it_is_lower_the_more_the_fused_image_tells() -> None:
    random = np.random.default_rng(2)
    source, noise = random.random((2, 24, 24))
    losses = [float(rmi_loss(as_tensor((1 - t) * source + t * noise), as_tensor(source))) for t in (0, 0.3, 1)]
    assert losses == sorted(losses)
    # A copy leaves nothing open but the regularisation, counted once in the given and once in the posterior.
    assert losses[0] == pytest.approx(0.5 * np.log(2 * REGULARISATION), abs=0.01)


def test_an_inverted_copy_tells_as_much_as_a_copy() -> None:
    source = np.random.default_rng(3).random((16, 16))
    copy, inverted = (float(rmi_loss(as_tensor(image), as_tensor(source))) for image in (source, 1 - source))
    assert copy == pytest.approx(inverted, abs=1e-9)


def test_flat_images_give_a_finite_loss_and_gradient() -> None:
    fused = torch.zeros(1, 1, 16, 16, requires_grad=True)
    loss = rmi_loss(fused, torch.zeros(1, 1, 16, 16))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(fused.grad).all()


def test_its_gradient_is_right() -> None:
    torch.manual_seed(0)
    fused = torch.rand(1, 1, 8, 9, dtype=torch.float64, requires_grad=True)
    source = torch.rand(1, 1, 8, 9, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: rmi_loss(f, source), fused)
