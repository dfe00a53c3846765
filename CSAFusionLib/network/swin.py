"""Swin transformer blocks: attention inside windows, then inside windows shifted by half (Liu et al., ICCV 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CHANNELS_PER_HEAD = 16


def to_windows(x: Tensor, window: int) -> Tensor:
    """Cut ``x`` (B, H, W, C), H and W multiples of ``window``, into (B * windows, window**2, C)."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(-1, window * window, channels)


def from_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Put (B * windows, window**2, C) together again: the inverse of :func:`to_windows`, (B, H, W, C)."""
    x = windows.view(-1, height // window, width // window, window, window, windows.shape[-1])
    return x.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


def relative_positions(window: int) -> Tensor:
    """Return, for each pair of tokens of a window, the row of the bias table that holds their offset.

    Shape (window**2, window**2), values from 0 to (2 * window - 1)**2 - 1.
    """
    axis = torch.arange(window)
    rows, columns = (grid.flatten() for grid in torch.meshgrid(axis, axis, indexing="ij"))
    row_offsets = rows[:, None] - rows[None, :] + window - 1
    column_offsets = columns[:, None] - columns[None, :] + window - 1
    return row_offsets * (2 * window - 1) + column_offsets


def shift_mask(height: int, width: int, window: int, shift: int, device: torch.device) -> Tensor:
    """Return the mask that keeps tokens rolled in from the other side apart, (windows, 1, window**2, window**2).

    Added to the attention scores: 0 between neighbours in the image, minus infinity between tokens that only the
    cyclic shift brought into one window.
    """

    def regions(length: int) -> Tensor:
        position = torch.arange(length, device=device)
        return (position >= length - window).int() + (position >= length - shift).int()

    label = regions(height)[:, None] * 3 + regions(width)[None, :]
    label = to_windows(label[None, :, :, None], window).squeeze(-1)
    apart = label[:, :, None] != label[:, None, :]
    return torch.zeros(apart.shape, device=device).masked_fill(apart, float("-inf")).unsqueeze(1)


class WindowAttention(nn.Module):
    """Multi-head self-attention among the tokens of each window, with a learned bias for their relative position."""

    def __init__(self, channels: int, window: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)
        self.bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias_table, std=0.02)
        self.positions: Tensor
        self.register_buffer("positions", relative_positions(window), persistent=False)

    def position_bias(self) -> Tensor:
        """Return the bias added to the attention scores, (heads, window**2, window**2)."""
        return self.bias_table[self.positions].permute(2, 0, 1)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attend inside ``windows`` (B * n, window**2, C); ``mask`` (n, 1, window**2, window**2) or None."""
        count, tokens, channels = windows.shape
        qkv = self.qkv(windows).view(count, tokens, 3, self.heads, channels // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        # Plain products: torch's fused attention would need the bias repeated for every window, and is slower for it.
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        bias = self.position_bias()
        if mask is not None:
            bias = bias + mask
            scores = scores.unflatten(0, (-1, mask.shape[0]))
        weights = (scores + bias).softmax(dim=-1).view(count, self.heads, tokens, tokens)
        result = weights @ value
        return self.project(result.transpose(1, 2).reshape(count, tokens, channels))


class SwinBlock(nn.Module):
    """Window attention and a two-layer perceptron, each after layer norm and beside a skip connection."""

    def __init__(self, channels: int, window: int, *, shifted: bool, expansion: int = 2) -> None:
        super().__init__()
        self.window = window
        self.shift = window // 2 if shifted else 0
        self.norm_attention = nn.LayerNorm(channels)
        self.attention = WindowAttention(channels, window, heads=max(1, channels // _CHANNELS_PER_HEAD))
        self.norm_perceptron = nn.LayerNorm(channels)
        self.perceptron = nn.Sequential(
            nn.Linear(channels, expansion * channels), nn.GELU(), nn.Linear(expansion * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to the same shape; H and W are multiples of the window."""
        x = x + self._attend(self.norm_attention(x))
        return x + self.perceptron(self.norm_perceptron(x))

    def _attend(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        # One window that holds the whole image has no neighbours to exchange with.
        if not self.shift or (height <= self.window and width <= self.window):
            attended = self.attention(to_windows(x, self.window), None)
            return from_windows(attended, self.window, height, width)
        mask = shift_mask(height, width, self.window, self.shift, x.device)
        rolled = torch.roll(x, (-self.shift, -self.shift), dims=(1, 2))
        attended = self.attention(to_windows(rolled, self.window), mask)
        rolled = from_windows(attended, self.window, height, width)
        return torch.roll(rolled, (self.shift, self.shift), dims=(1, 2))


class SwinPair(nn.Module):
    """W-MSA, then SW-MSA: the two blocks that every decoder stage runs."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            SwinBlock(channels, window, shifted=False), SwinBlock(channels, window, shifted=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape; H and W are multiples of the window."""
        return self.blocks(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TokenSwinPair(nn.Module):
    """A pair of Swin blocks on tokens of several pixels, beside a skip connection, as Swin itself attends to patches.

    A strided convolution makes the tokens; a 1x1 convolution and a shuffle turn each back into its pixels.
    """

    def __init__(self, channels: int, window: int, token: int) -> None:
        super().__init__()
        self.merge = nn.Conv2d(channels, channels, token, stride=token)
        self.pair = SwinPair(channels, window)
        self.split = nn.Sequential(nn.Conv2d(channels, channels * token**2, 1), nn.PixelShuffle(token))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape; H and W are multiples of the window times the token."""
        return x + self.split(self.pair(self.merge(x)))
