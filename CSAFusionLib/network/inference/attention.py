"""A pair of Swin blocks on one slice, a strip of windows at a time, so that the scores never leave the cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from CSAFusionLib.network.inference.convolution import PointwiseConvolution, known
from CSAFusionLib.network.swin import SwinBlock, SwinPair, TokenSwinPair

_WINDOWS_AT_ONCE = 64
"""With windows of 8 x 8 tokens, their scores take 1 MiB: about what a core has of cache for itself."""

_LARGEST_EXPONENT = 90.0
"""Scores up to here, as powers of two, can neither overflow nor vanish when a window's exponentials are summed."""


@dataclass(frozen=True)
class _Head:
    """One head of attention as linear maps of normalised tokens (C + 1, T), with what no softmax can see left out.

    The last row of the tokens is ones, and so the last column of each map what it adds.
    Scores are ``tokens^T queries + bias``: the product of the two projections is one matrix, and what depends on the
    query alone cancels. ``values`` holds the projection of the result too, and a last row that makes ones, whose
    weighted sum is what the softmax divides by.
    """

    queries: Tensor
    values: Tensor
    bias: Tensor


class StripSwinBlock:
    """A :class:`CSAFusionLib.network.swin.SwinBlock` for windows of one slice."""

    def __init__(self, block: SwinBlock) -> None:
        self.window, self.shift = block.window, block.shift
        self.epsilon = block.norm_attention.eps, block.norm_perceptron.eps
        heads = _folded_heads(block)
        self.sums_powers = max(_largest_exponent(head) for head in heads) < _LARGEST_EXPONENT
        # Powers of two cost half of what powers of e do.
        self.heads = [_in_powers_of_two(head) for head in heads] if self.sums_powers else heads
        self.masks = _border_masks(self.window, self.shift)
        norm = block.norm_perceptron
        expand, shrink = (known(block.perceptron[layer], nn.Linear) for layer in (0, 2))
        scaled = expand.weight * norm.weight * math.sqrt(len(norm.weight))
        self.expand = torch.cat([scaled, (expand.bias + expand.weight @ norm.bias)[:, None]], dim=1)
        self.shrink, self.shrink_bias = shrink.weight.clone(), shrink.bias[:, None].clone()

    def __call__(self, source: Tensor, target: Tensor, *, shifted: bool) -> None:
        """Run the block on ``source`` (C, H, W) and put the result into ``target``, which may be the source itself.

        H and W are multiples of the window. ``shifted``: the two are what the shift brought from the other side at
        the bottom and at the right, so that attention is kept from the windows' other parts.
        """
        for strip, is_last in _strips(source.shape, self.window):
            tokens = _to_strip(source[:, strip], self.window)
            self._attend(tokens, source.shape[2] // self.window, shifted=shifted, at_bottom=shifted and is_last)
            self._perceive(tokens)
            _from_strip(tokens, target[:, strip], self.window)

    def _attend(self, tokens: Tensor, columns: int, *, shifted: bool, at_bottom: bool) -> None:
        normal = _to_unit_length(tokens, self.epsilon[0])
        keys = _by_window(normal[:-1], self.window).transpose(1, 2)
        for head in self.heads:
            queries = _by_window(head.queries @ normal, self.window)
            values = _by_window(head.values @ normal, self.window)
            # Keys run down and queries across; scores are added to where the bias was.
            scores = torch.baddbmm(head.bias, keys, queries)
            if shifted:
                self._keep_apart(scores, columns, at_bottom=at_bottom)
            weights = scores.exp2_() if self.sums_powers else torch.softmax(scores, dim=1, out=scores)
            sums = torch.bmm(values, weights)
            into = _by_window(tokens, self.window)
            torch.addcdiv(into, sums[:, :-1], sums[:, -1:], out=into)

    def _keep_apart(self, scores: Tensor, columns: int, *, at_bottom: bool) -> None:
        right, bottom = self.masks
        by_row = scores.view(-1, columns, *scores.shape[1:])
        by_row[:, -1] += right
        if at_bottom:
            by_row[-1] += bottom

    def _perceive(self, tokens: Tensor) -> None:
        hidden = self.expand @ _to_unit_length(tokens, self.epsilon[1])
        tokens.addmm_(self.shrink, functional.gelu(hidden)).add_(self.shrink_bias)


class StripSwinPair:
    """A :class:`CSAFusionLib.network.swin.SwinPair` for one slice."""

    def __init__(self, module: nn.Module) -> None:
        blocks = known(module, SwinPair).blocks
        self.plain, self.shifted = (StripSwinBlock(known(block, SwinBlock)) for block in blocks)

    def __call__(self, x: Tensor) -> Tensor:
        """Map (C, H, W), H and W multiples of the window, to the same shape; a view of a slightly larger array."""
        channels, height, width = x.shape
        window, shift = self.shifted.window, self.shifted.shift
        if height <= window and width <= window:
            shift = 0
        canvas = x.new_empty(channels, height + shift, width + shift)
        inner = canvas[:, :height, :width]
        self.plain(x, inner, shifted=False)
        if not shift:
            self.shifted(inner, inner, shifted=False)
            return inner
        # What a cyclic shift brings to the end lies beyond the end already, so nothing is rolled.
        canvas[:, height:, :width] = canvas[:, :shift, :width]
        canvas[:, :, width:] = canvas[:, :, :shift]
        moved = canvas[:, shift:, shift:]
        self.shifted(moved, moved, shifted=True)
        canvas[:, :shift] = canvas[:, height:]
        canvas[:, :, :shift] = canvas[:, :, width:]
        return inner


class TokenStripSwinPair:
    """A :class:`CSAFusionLib.network.swin.TokenSwinPair` for one slice."""

    def __init__(self, module: TokenSwinPair) -> None:
        self.merge, self.pair = module.merge, StripSwinPair(module.pair)
        self.split = PointwiseConvolution(module.split[0])
        self.side = known(module.split[1], nn.PixelShuffle).upscale_factor

    def __call__(self, x: Tensor) -> Tensor:
        """Map (C, H, W), H and W multiples of the window times the token, to the same shape, in place."""
        tokens = self.pair(self.merge(x[None])[0])
        parts = self.split(tokens[None])[0]
        # Each part is a pixel of every token.
        by_token = x.view(len(x), tokens.shape[1], self.side, tokens.shape[2], self.side)
        by_token += parts.view(len(x), self.side, self.side, *tokens.shape[1:]).permute(0, 3, 1, 4, 2)
        return x


def attention_for_strips(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return what computes a decoder stage's attention for one slice; a stage without any hands it on."""
    if isinstance(module, nn.Identity):
        return module
    return TokenStripSwinPair(module) if isinstance(module, TokenSwinPair) else StripSwinPair(module)


def _folded_heads(block: SwinBlock) -> list[_Head]:
    attention, norm = block.attention, block.norm_attention
    heads = attention.heads
    # (3, heads, C / heads, C), of the tokens before their affine layer norm.
    weight = (attention.qkv.weight * norm.weight * math.sqrt(len(norm.weight))).unflatten(0, (3, heads, -1))
    bias = (attention.qkv.bias + attention.qkv.weight @ norm.bias).unflatten(0, (3, heads, -1))
    project = attention.project.weight.unflatten(1, (heads, -1))
    folded = []
    for index, position_bias in enumerate(attention.position_bias()):
        query, key, value = weight[:, index]
        scaled = key.T * query.shape[0] ** -0.5
        offset = project[:, index] @ bias[2, index]
        if index == 0:
            offset = offset + attention.project.bias
        offset = functional.pad(offset, (0, 1), value=1.0)[:, None]
        folded.append(
            _Head(
                queries=torch.cat([scaled @ query, (scaled @ bias[0, index])[:, None]], dim=1),
                values=torch.cat([functional.pad(project[:, index] @ value, (0, 0, 0, 1)), offset], dim=1),
                bias=position_bias.T.contiguous(),
            )
        )
    return folded


def _largest_exponent(head: _Head) -> float:
    """No score of tokens of unit length is further from 0, in powers of two."""
    queries, shift = head.queries[:, :-1], head.queries[:, -1]
    reach = torch.linalg.matrix_norm(queries, 2) + torch.linalg.vector_norm(shift) + head.bias.abs().max()
    return float(reach) * math.log2(math.e)


def _in_powers_of_two(head: _Head) -> _Head:
    scale = math.log2(math.e)
    return _Head(head.queries * scale, head.values, head.bias * scale)


def _border_masks(window: int, shift: int) -> tuple[Tensor, Tensor]:
    """What is added to the scores (window**2, window**2) of the windows at the right and at the bottom border."""
    brought = torch.arange(window) >= window - shift
    columns, rows = brought.repeat(window), brought.repeat_interleave(window)
    right, bottom = (
        torch.zeros(window**2, window**2).masked_fill(side[:, None] != side, -math.inf) for side in (columns, rows)
    )
    return right, bottom


def _strips(shape: torch.Size, window: int) -> Iterator[tuple[slice, bool]]:
    """The rows (as a slice) of each strip, and whether it is the last one."""
    _, height, width = shape
    rows = max(1, _WINDOWS_AT_ONCE * window // width) * window
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height)), start + rows >= height


def _to_strip(rows: Tensor, window: int) -> Tensor:
    """Copy (C, H, W) into tokens (C, T), window after window."""
    channels, height, width = rows.shape
    tokens = rows.new_empty(channels, height // window, width // window, window, window)
    return tokens.copy_(_windows_of(rows, window)).flatten(1)


def _from_strip(tokens: Tensor, rows: Tensor, window: int) -> None:
    """Copy tokens (C, T), window after window, to where they belong in (C, H, W)."""
    windows = _windows_of(rows, window)
    windows.copy_(tokens.view(windows.shape))


def _windows_of(rows: Tensor, window: int) -> Tensor:
    """See (C, H, W) as (C, rows of windows, columns of windows, window, window)."""
    return rows.unflatten(2, (-1, window)).unflatten(1, (-1, window)).transpose(2, 3)


def _by_window(tokens: Tensor, window: int) -> Tensor:
    """See (C, T) as (windows, C, window**2)."""
    return tokens.view(len(tokens), -1, window * window).transpose(0, 1)


def _to_unit_length(tokens: Tensor, epsilon: float) -> Tensor:
    """Layer norm over the channels of (C, T) without its affine part, and divided by the root of C; then ones.

    (C + 1, T): a product with it adds what a map adds, in place of a pass over the result.
    """
    count = len(tokens)
    normal = tokens.new_empty(count + 1, tokens.shape[1])
    normal[count] = 1
    centred = torch.sub(tokens, tokens.sum(dim=0, keepdim=True), alpha=1 / count, out=normal[:count])
    centred.mul_((centred * centred).sum(dim=0, keepdim=True).add_(count * epsilon).rsqrt_())
    return normal
