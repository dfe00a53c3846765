from __future__ import annotations

import torch
from torch.nn import functional

from CSAFusionLib.network import encoder
from CSAFusionLib.network.encoder import AdaptiveConvolution


def by_unfold(layer: AdaptiveConvolution, x: torch.Tensor) -> torch.Tensor:
    """The article's way: unfold, then one matrix product per sample."""
    batch, _, height, width = x.shape
    columns = functional.unfold(x, layer.kernel_size, padding=layer.kernel_size // 2)
    return torch.bmm(layer.kernels(x).flatten(2), columns).view(batch, -1, height, width)


def test_it_equals_unfold_and_batched_matrix_product() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(5, 7).double()
    x = torch.randn(3, 5, 19, 23, dtype=torch.float64)
    torch.testing.assert_close(layer(x), by_unfold(layer, x))


def test_its_gradients_equal_those_of_unfold_and_batched_matrix_product() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(4, 4).double()
    x = torch.randn(2, 4, 12, 12, dtype=torch.float64, requires_grad=True)
    ours = torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])
    reference = torch.autograd.grad(by_unfold(layer, x).square().sum(), [x, *layer.parameters()])
    for gradient, expected in zip(ours, reference, strict=True):
        torch.testing.assert_close(gradient, expected)


def test_each_sample_gets_kernels_of_its_own() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(3, 3)
    kernels = layer.kernels(torch.randn(2, 3, 16, 16))
    assert (kernels[0] - kernels[1]).abs().max() > 1e-3


def test_the_gate_lies_between_zero_and_twice_the_kernel() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(3, 6)
    gate = layer.kernels(torch.randn(4, 3, 16, 16)) / layer.weight
    assert gate.min() > 0
    assert gate.max() < 2
    # It varies over inputs, outputs and positions, not over samples alone.
    for dimension in (1, 2, 3, 4):
        assert gate.std(dim=dimension).max() > 1e-3


def test_one_grouped_call_for_an_accelerator_gives_what_a_call_for_each_sample_gives() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(5, 7).double()
    # In the memory layout of the bundled weights. No accelerator here: the CPU stands for one.
    x = torch.randn(3, 5, 19, 23, dtype=torch.float64).to(memory_format=torch.channels_last)
    grouped = encoder._grouped(x, layer.kernels(x))
    torch.testing.assert_close(grouped, encoder._one_by_one(x, layer.kernels(x)))
