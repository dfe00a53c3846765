"""CSAFusionLib.network.inference.attention"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from CSAFusionLib.network.inference import attention
from CSAFusionLib.network.inference.attention import StripSwinPair
from CSAFusionLib.network.swin import SwinPair

Stir = Callable[[torch.nn.Module, float], None]


def an_image(channels: int, height: int = 20, width: int = 24) -> torch.Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [8, 16, 32])
@pytest.mark.parametrize("size", [(8, 8), (8, 24), (24, 8), (32, 40)])
@pytest.mark.parametrize("at_once", [1, 3, 64])
@torch.inference_mode()
def test_strips_of_windows_give_what_all_windows_together_give(
    channels: int, size: tuple[int, int], at_once: int, stir: Stir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_WINDOWS_AT_ONCE", at_once)
    pair = SwinPair(channels, 8)
    stir(pair, 0.2)
    x = an_image(channels, *size)
    torch.testing.assert_close(StripSwinPair(pair)(x[0]), pair(x)[0], atol=2e-5, rtol=1e-5)


@torch.inference_mode()
def test_the_input_is_left_as_it_was(stir: Stir) -> None:
    pair = SwinPair(8, 4)
    stir(pair, 0.3)
    x = an_image(8, 12, 16)
    before = x.clone()
    StripSwinPair(pair)(x[0])
    assert torch.equal(x, before)


@pytest.mark.parametrize(("size_of_scores", "as_powers"), [(1.0, True), (30.0, False)])
@torch.inference_mode()
def test_scores_too_large_for_powers_of_two_go_through_a_softmax(
    size_of_scores: float, as_powers: bool, stir: Stir
) -> None:
    pair = SwinPair(8, 8)
    stir(pair, 0.3)
    for block in pair.blocks:
        # Queries, the first third of the projection.
        block.attention.qkv.weight[:8] *= size_of_scores
    strips = StripSwinPair(pair)
    assert strips.plain.sums_powers is as_powers
    x = an_image(8, 16, 24)
    torch.testing.assert_close(strips(x[0]), pair(x)[0], atol=1e-3, rtol=1e-4)


@torch.inference_mode()
def test_no_array_is_larger_than_the_image_and_one_strip_s_scores(stir: Stir) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        """Remembers how many numbers the largest result held."""

        numbers = 0

        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):  # noqa: ANN001, ANN204
            result = function(*arguments, **(keywords or {}))
            if isinstance(result, torch.Tensor):
                self.numbers = max(self.numbers, result.untyped_storage().nbytes() // 4)
            return result

    pair = SwinPair(8, 8)
    stir(pair, 0.3)
    strips, x = StripSwinPair(pair), an_image(8, 256, 256)
    with Largest() as seen:
        strips(x[0])
    # The image, with half a window more on two sides, has 541,000; the scores of all windows have 4.2 million.
    assert seen.numbers == 8 * 260 * 260
