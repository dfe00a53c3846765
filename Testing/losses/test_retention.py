from __future__ import annotations

import pytest
import torch

from CSAFusionLib.losses.terms import retention_loss

FLAT = torch.full((3, 2, 64, 64), 0.5)


def lesions() -> torch.Tensor:
    """A bright one in the first pair's A, a dark one in the second pair's B, none in the third."""
    images = torch.zeros_like(FLAT)
    images[0, 0, 20:30, 20:30], images[1, 1, 40:44, 10:15] = 0.3, -0.1
    return images


def loss(fused: torch.Tensor, change: torch.Tensor, sources: torch.Tensor = FLAT) -> float:
    return float(retention_loss(fused, fused + change, sources, sources + lesions()))


def both_sources(change: torch.Tensor) -> torch.Tensor:
    return change.sum(dim=1, keepdim=True)


def checkerboard(amplitude: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return amplitude * (1 - 2 * ((rows + columns) % 2)).float()


@pytest.mark.parametrize(("kept", "lost"), [(1.2, 0), (1, 0), (0.7, 0), (0.5, 0.04), (0, 0.49), (-0.5, 0.04)])
def test_it_is_the_shortfall_from_seven_tenths_squared_of_bright_and_dark_ones_alike(kept: float, lost: float) -> None:
    assert loss(FLAT[:, :1], kept * both_sources(lesions())) == pytest.approx(lost, abs=1e-6)


@pytest.mark.parametrize(("target", "lost"), [(1, 0.36), (0.5, 0.01), (0.4, 0)])
def test_the_target_says_how_much_is_enough(target: float, lost: float) -> None:
    change = 0.4 * both_sources(lesions())
    found = retention_loss(FLAT[:, :1], FLAT[:, :1] + change, FLAT, FLAT + lesions(), target)
    assert float(found) == pytest.approx(lost, abs=1e-6)


def test_what_changes_outside_the_lesions_does_not_count() -> None:
    change = torch.where(both_sources(lesions()) == 0, 0.5, both_sources(lesions()))
    assert loss(FLAT[:, :1], change) == 0


@pytest.mark.parametrize(("source", "fused", "stands_out"), [(0, 0.08, 0.25), (0.04, 0.08, 0.5), (0.04, 0, 1)])
def test_texture_that_the_source_has_not_hides_a_lesion_and_less_texture_does_not_help(
    source: float, fused: float, stands_out: float
) -> None:
    short = max(0, 0.7 - stands_out) ** 2
    found = loss(FLAT[:, :1] + checkerboard(fused), both_sources(lesions()), FLAT + checkerboard(source))
    assert found == pytest.approx(short, abs=0.01)


def test_a_lesion_in_both_sources_counts_where_it_stands_out_more() -> None:
    marked = FLAT.clone()
    marked[:, 0, 20:30, 20:30] -= 0.1
    marked[:, 1, 20:30, 20:30] += 0.3
    change = (marked - FLAT).sum(dim=1, keepdim=True)  # two thirds of the better source's contrast are left
    found = retention_loss(FLAT[:, :1], FLAT[:, :1] + change, FLAT, marked)
    assert float(found) == pytest.approx((0.7 - 2 / 3) ** 2, abs=1e-5)


def test_without_any_lesion_it_is_nothing() -> None:
    torch.manual_seed(0)
    assert float(retention_loss(*torch.rand(2, 2, 1, 32, 32), FLAT[:2, :, :32, :32], FLAT[:2, :, :32, :32])) == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_its_gradient_makes_what_little_is_left_of_a_lesion_stand_out_more(sign: int) -> None:
    left = 0.1 * sign * both_sources(lesions())
    fused = (FLAT[:, :1] + left).requires_grad_()
    retention_loss(FLAT[:, :1], fused, FLAT, FLAT + lesions()).backward()
    assert fused.grad is not None
    assert torch.equal(torch.sign(fused.grad), -torch.sign(left))


def test_flat_images_give_a_finite_gradient() -> None:
    fused = FLAT[:, :1].clone().requires_grad_()
    retention_loss(fused, fused + 0, FLAT, FLAT + lesions()).backward()
    assert torch.isfinite(fused.grad).all()


def test_the_better_source_is_where_a_lesion_stands_out_not_where_it_has_more_contrast() -> None:
    sources = FLAT[:1].clone()
    sources[:, 1] += checkerboard(0.12)
    change = torch.zeros_like(sources)
    change[:, 0, 20:30, 20:30], change[:, 1, 20:30, 20:30] = 0.2, -0.22
    fused = sources[:, 1:]
    found = retention_loss(fused, fused + change[:, 1:], sources, sources + change)
    assert float(found) == pytest.approx((0.7 - 1.1 / 6) ** 2, abs=0.01)
