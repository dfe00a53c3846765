from __future__ import annotations

import pytest
import torch

from CSAFusionLib.losses.retention import retention_loss


def lesions() -> torch.Tensor:
    """A bright one in the first image, a dark one in the second, none in the third."""
    images = torch.zeros(3, 1, 20, 20)
    images[0, 0, 4:9, 4:9], images[1, 0, 10:14, 3:5] = 0.3, -0.1
    return images


def test_a_lesion_shown_as_in_its_source_costs_nothing() -> None:
    assert float(retention_loss(lesions(), lesions())) == 0


@pytest.mark.parametrize(("kept", "lost"), [(0, 1), (0.25, 0.75), (1.25, 0.25), (-1, 2)])
def test_it_is_the_share_that_is_lost_of_bright_and_dark_ones_alike(kept: float, lost: float) -> None:
    assert float(retention_loss(kept * lesions(), lesions())) == pytest.approx(lost)


def test_what_changes_outside_the_lesions_does_not_count() -> None:
    change = torch.where(lesions() == 0, 0.5, lesions())
    assert float(retention_loss(change, lesions())) == 0


def test_without_any_lesion_it_is_nothing() -> None:
    assert float(retention_loss(torch.rand(2, 1, 20, 20), torch.zeros(2, 1, 20, 20))) == 0


def test_its_gradient_pulls_towards_the_lesion() -> None:
    change = torch.zeros(3, 1, 20, 20, requires_grad=True)
    retention_loss(change, lesions()).backward()
    assert torch.equal(torch.sign(change.grad), -torch.sign(lesions()))
