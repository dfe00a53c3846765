"""The whole network for one slice on a CPU."""

from __future__ import annotations

import platform
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from CSAFusionLib.network.csafusion import CSAFusion, DecoderStage, local_activation
from CSAFusionLib.network.inference.attention import attention_for_strips
from CSAFusionLib.network.inference.convolution import (
    Excitation,
    FoldedAdaptiveEncoder,
    FoldedConvolutions,
    FoldedFusion,
    FoldedParallelEncoder,
    OutputHead,
    PointwiseConvolution,
    PointwiseMap,
    halve,
)

_LARGEST_HEAP_BLOCK = 31 * 2**20
"""In bytes; glibc never takes a block of 32 MiB or more from the heap."""


class SliceNetwork:
    """What a trained network computes, for one slice at a time: the same within 1e-5, in a third of the time.

    Its weights are those of the network when it was made. It keeps nothing between calls, so threads can share it.
    """

    def __init__(self, network: CSAFusion) -> None:
        """Fold the weights of ``network``, which is on the CPU, in evaluation mode, and one that :func:`fits`."""
        self.configuration = network.configuration
        self.pad = network.pad
        with torch.inference_mode():
            inc = network.inc
            self.inc = FoldedConvolutions((inc[0], inc[1]), (inc[3], inc[4]))
            self.level1 = FoldedAdaptiveEncoder(network.level1)
            self.level2, self.level3 = FoldedParallelEncoder(network.level2), FoldedParallelEncoder(network.level3)
            self.decoder2, self.decoder1 = FoldedDecoder(network.decoder2), FoldedDecoder(network.decoder1)
            self.head = OutputHead(network.spatial_attention, network.output)
        self.pointwise = PointwiseMap(network) if network.configuration.pointwise else None
        _keep_freed_memory()

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """Fuse ``x`` (1, 2, H, W) as :meth:`CSAFusion.forward` does."""
        if not self.configuration.gains:
            return self._outputs(x, Tensor.sigmoid_)
        return (self.gains(x) * x).sum(dim=1, keepdim=True).clamp_(0, 1)

    @torch.inference_mode()
    def gains(self, x: Tensor) -> Tensor:
        """Return the gains of ``x`` (1, 2, H, W) as :meth:`CSAFusion.gains` does."""
        local = self.local_gains(x)
        return local if self.pointwise is None else self.pointwise.gains(local[0], x[0])[None]

    @torch.inference_mode()
    def local_gains(self, x: Tensor) -> Tensor:
        """Return what neighbours may share of the gains of ``x`` (1, 2, H, W) as :meth:`CSAFusion.local_gains` does."""
        return self._outputs(x, local_activation(self.configuration))

    def _outputs(self, x: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
        height, width = x.shape[2:]
        skip1 = self.level1(self.inc(self.pad(x)))
        skip2 = self.level2(halve(skip1))
        bottom = self.level3(halve(skip2))
        features = self.decoder1(self.decoder2(bottom, skip2), skip1)
        return activation(self.head(features))[:, :, :height, :width]


class FoldedDecoder:
    """A :class:`CSAFusionLib.network.csafusion.DecoderStage` for one slice."""

    def __init__(self, stage: DecoderStage) -> None:
        self.up = PointwiseConvolution(stage.up[1])
        self.attend = attention_for_strips(stage.attend)
        self.fusion = FoldedFusion(stage.fusion)
        self.excite = Excitation([stage.channel_attention])

    def __call__(self, x: Tensor, skip: Tensor) -> Tensor:
        """Bring ``x`` (1, 2C, H/2, W/2) to the resolution of ``skip`` (1, C, H, W) and fuse the two."""
        # A 1x1 convolution and an interpolation can change places; before it there is a quarter of the pixels.
        x = functional.interpolate(self.up(x), scale_factor=2, mode="bilinear", align_corners=False)
        return self.excite(self.fusion(self.attend(x[0])[None], skip))


def fits(network: nn.Module) -> bool:
    """Tell whether a network has the parts that this one knows: those of the article, with or without gains."""
    if not isinstance(network, CSAFusion):
        return False
    parts = network.configuration
    return parts.dual_fusion and parts.attention and parts.adaptive


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed, up to a few slices' worth, and give it out again; a no-op elsewhere.

    By default it hands every freed block above 128 KiB back to the system, whose page faults when the next slice asks
    for it anew took a third of the time. It raises that limit to the largest block it has seen freed. This one is
    never written to, so it costs no memory.
    """
    if platform.system() == "Linux":
        torch.empty(_LARGEST_HEAP_BLOCK, dtype=torch.uint8)
