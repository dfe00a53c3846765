from __future__ import annotations

import pytest
import torch

from CSAFusionLib.network.swin import SwinBlock, from_windows, relative_positions, to_windows


def plain_attention(block: SwinBlock, x: torch.Tensor) -> torch.Tensor:
    """Attention inside each true window, one window after the other, on the image as it lies: no roll, no mask."""
    attention, window, shift = block.attention, block.window, block.shift
    _, height, width, channels = x.shape
    result = torch.empty_like(x)
    if height <= window and width <= window:
        shift = 0  # nothing beyond the one window to exchange with
    rows, columns = ([0, *range(shift or window, length, window), length] for length in (height, width))
    for top, bottom in zip(rows[:-1], rows[1:], strict=True):
        for left, right in zip(columns[:-1], columns[1:], strict=True):
            tokens = x[0, top:bottom, left:right].reshape(-1, channels)
            places = [(row, column) for row in range(top, bottom) for column in range(left, right)]
            result[0, top:bottom, left:right] = one_window(attention, tokens, places, window).view(
                bottom - top, right - left, channels
            )
    return result


def one_window(attention, tokens, places, window):  # noqa: ANN001, ANN201
    size = tokens.shape[1] // attention.heads
    query, key, value = attention.qkv(tokens).chunk(3, dim=1)
    heads = []
    for head in range(attention.heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / size**0.5
        for i, (row, column) in enumerate(places):
            for j, (other_row, other_column) in enumerate(places):
                entry = (row - other_row + window - 1) * (2 * window - 1) + column - other_column + window - 1
                scores[i, j] = scores[i, j] + attention.bias_table[entry, head]
        heads.append(scores.softmax(dim=1) @ value[:, part])
    return attention.project(torch.cat(heads, dim=1))


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (4, 4), (8, 12), (4, 8), (12, 16)])
def test_attention_stays_inside_each_true_window(shifted: bool, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = SwinBlock(32, window=4, shifted=shifted).double()
    torch.nn.init.normal_(block.attention.bias_table)
    x = torch.randn(1, *size, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(block._attend(x), plain_attention(block, x))


def test_the_second_sample_of_a_batch_is_treated_as_the_first() -> None:
    torch.manual_seed(0)
    block = SwinBlock(16, window=4, shifted=True)
    x = torch.randn(3, 8, 12, 16)
    torch.testing.assert_close(block(x)[1:2], block(x[1:2]))


def test_an_image_of_one_window_attends_over_all_of_it_even_when_shifted() -> None:
    torch.manual_seed(0)
    block = SwinBlock(16, window=4, shifted=True)
    x = torch.randn(1, 4, 4, 16, requires_grad=True)
    block(x)[0, 0, 0].sum().backward()
    assert x.grad[0, 3, 3].abs().max() > 0


def test_windows_go_back_to_where_they_came_from() -> None:
    x = torch.randn(2, 12, 8, 5)
    torch.testing.assert_close(from_windows(to_windows(x, 4), 4, 12, 8), x)


def test_relative_positions_name_the_offset_of_every_pair() -> None:
    positions = relative_positions(3)
    assert positions.shape == (9, 9)
    assert len(positions.unique()) == 25
    assert (positions.diagonal() == 12).all()  # the offset (0, 0) is the middle of the 5 x 5 table
    assert positions[0, 8] == 0  # offset (-2, -2)
