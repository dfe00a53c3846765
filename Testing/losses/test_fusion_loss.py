from __future__ import annotations

import pytest
import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.losses.fusion_loss import (
    LossWeights,
    fusion_loss_terms,
    parse_loss_weights,
    training_loss_terms,
    weighted_sum,
)
from CSAFusionLib.losses.terms import (
    consistency_loss,
    contrast_loss,
    edge_loss,
    retention_loss,
    rmi_loss,
    ssim_loss,
    ssim_parity_loss,
    vif_loss,
)

OF_THE_IMAGE = [name for name in LossWeights().to_dict() if name not in ("retention", "consistency", "clipping")]


class Sum(torch.nn.Module):
    """Adds both sources, each times the same gain."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: torch.Tensor, *, clip: bool = True) -> torch.Tensor:
        fused = (self.gain * x).sum(dim=1, keepdim=True)
        return fused.clamp(0, 1) if clip else fused


def test_each_term_compares_the_fused_image_with_its_own_source() -> None:
    torch.manual_seed(0)
    fused, a, b = torch.rand(3, 2, 1, 44, 44)
    terms = fusion_loss_terms(fused, a, b)
    assert float(terms["ssim_a"]) == float(ssim_loss(fused, a)) != float(terms["ssim_b"]) == float(ssim_loss(fused, b))
    assert float(terms["rmi_a"]) == float(rmi_loss(fused, a)) != float(terms["rmi_b"]) == float(rmi_loss(fused, b))
    assert float(terms["edge_a"]) == float(edge_loss(fused, a)) != float(terms["edge_b"]) == float(edge_loss(fused, b))
    assert float(terms["vif_a"]) == float(vif_loss(fused, a)) != float(terms["vif_b"]) == float(vif_loss(fused, b))
    assert float(terms["ssim_parity"]) == float(ssim_parity_loss(fused, a, b))
    assert float(terms["contrast_a"]) == float(contrast_loss(fused, a, b))
    assert float(terms["contrast_b"]) == float(contrast_loss(fused, b, a))


def test_the_sum_takes_each_weight_for_its_own_term() -> None:
    terms = {name: torch.tensor(10.0**place).double() for place, name in enumerate(LossWeights().to_dict())}
    assert float(weighted_sum(terms, LossWeights(1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2))) == 21987654321


def test_the_weights_of_the_article_are_the_default() -> None:
    assert list(LossWeights().to_dict().values()) == [1, 1, 1, 2.5, 1, 1, *[0] * 12]


def test_descending_the_loss_makes_an_image_like_both_sources() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 1, 44, 44)
    fused = torch.rand(1, 1, 44, 44, requires_grad=True)
    before = [ssim_loss(fused, source).item() for source in (a, b)]
    optimiser = torch.optim.Adam([fused], 0.05)
    for _ in range(40):
        optimiser.zero_grad()
        weighted_sum(fusion_loss_terms(fused, a, b), LossWeights(10, 10, 1, 1, 5, 5)).backward()
        optimiser.step()
    after = [ssim_loss(fused, source).item() for source in (a, b)]
    assert after[0] < before[0] - 0.1
    assert after[1] < before[1] - 0.1


def test_pairs_with_and_without_lesions_count_alike_and_their_difference_is_the_retention() -> None:
    torch.manual_seed(0)
    plain = torch.rand(2, 2, 44, 44) / 2
    marked = plain.clone()
    marked[:, 0, 10:20, 10:20] += 0.4
    average = Sum(0.5)
    terms = training_loss_terms(average, plain, marked)
    assert set(terms) == set(LossWeights().to_dict())
    assert float(terms["retention"]) == float(retention_loss(average(plain), average(marked), plain, marked)) > 0
    assert float(training_loss_terms(average, plain, marked, retention_target=0.9)["retention"]) > float(
        terms["retention"]
    )
    both = torch.cat([plain, marked])
    assert float(terms["consistency"]) == float(consistency_loss(average(both), both))
    weights = parse_loss_weights("ssim=1:0,consistency=2")
    assert set(training_loss_terms(average, plain, marked, weights)) == {"ssim_a", "consistency"}
    assert float(terms["ssim_a"]) == pytest.approx(float(ssim_loss(average(both), both[:, :1])))


def test_what_is_above_white_counts_before_it_is_clipped() -> None:
    plain = torch.full((2, 2, 44, 44), 0.75)
    weights = parse_loss_weights("clipping=1")
    assert float(training_loss_terms(Sum(1), plain, plain, weights)["clipping"]) == 0.25
    assert float(training_loss_terms(Sum(0.5), plain, plain, weights)["clipping"]) == 0


@pytest.mark.parametrize("name", OF_THE_IMAGE)
def test_every_term_pulls_on_the_fused_image(name: str) -> None:
    torch.manual_seed(0)
    fused = torch.rand(1, 1, 44, 44, requires_grad=True)
    fusion_loss_terms(fused, *torch.rand(2, 1, 1, 44, 44))[name].backward()
    assert fused.grad.abs().max() > 0


def test_weights_are_read_from_text() -> None:
    assert parse_loss_weights("ssim=1,rmi=1:2.5,contrast=1") == LossWeights()
    assert parse_loss_weights("ssim=2, edge=0.5:0, ssim_parity=3") == LossWeights(
        2, 2, 0, 0, 0, 0, 0.5, 0, ssim_parity=3
    )


def test_the_former_names_of_terms_still_name_them() -> None:
    assert parse_loss_weights("balance=3,invention=2") == parse_loss_weights("ssim_parity=3,artefacts=2")


@pytest.mark.parametrize("text", ["sharpness=1", "ssim", "ssim=1:2:3", "ssim_parity=1:2", "ssim=a", ""])
def test_text_that_names_no_weights_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_loss_weights(text)
