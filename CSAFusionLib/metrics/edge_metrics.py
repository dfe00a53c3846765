"""Metrics of detail and edges: SF, AG, EPI and QABF.

- Sobel gradients, for the metrics that compare edges.
- SF and AG: how much detail the fused image shows, of whatever origin; noise counts as well.
- EPI: how well the fused image's edges go with those of a source.
- QABF: how much of the sources' gradients the fused image keeps, in strength and direction.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def sobel_gradient(image: Tensor) -> Tensor:
    """Return the gradient down and to the right, (B, 2, H, W), in brightness per pixel times eight.

    Args:
        image: (B, 1, H, W); its edges are replicated.
    """
    padded = functional.pad(image, [1] * 4, mode="replicate")
    smooth = torch.tensor([1.0, 2.0, 1.0], dtype=image.dtype, device=image.device)
    change = torch.tensor([-1.0, 0.0, 1.0], dtype=image.dtype, device=image.device)
    kernels = torch.stack([torch.outer(change, smooth), torch.outer(smooth, change)])[:, None]
    return functional.conv2d(padded, kernels)


def spatial_frequency(fused: np.ndarray) -> float:
    """Return the root of the summed squares of all first differences, along rows and columns, over the pixel count.

    Eskicioglu and Fisher 1995.

    Args:
        fused: (H, W), 0 to 255.
    """
    image = fused.astype(np.float64)
    squares = sum((np.diff(image, axis=axis) ** 2).sum() for axis in (0, 1))
    return float(np.sqrt(squares / image.size))


def average_gradient(fused: np.ndarray) -> float:
    """Return the mean of sqrt((gx^2 + gy^2) / 2) over forward differences, where both of them exist.

    Cui et al. 2015.

    Args:
        fused: (H, W), 0 to 255.
    """
    image = fused.astype(np.float64)
    down, right = np.diff(image, axis=0)[:, :-1], np.diff(image, axis=1)[:-1]
    return float(np.sqrt((down**2 + right**2) / 2).mean())


def epi(fused: Tensor, source: Tensor, epsilon: float = 0.0) -> Tensor:
    """Return the correlation coefficient of the two Laplacian images, (B,), -1 to 1; 0 if one has no edge at all.

    The Laplacian has four neighbours, edges replicated. Sattar et al. 1997.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1].
        epsilon: added, squared, to the product of the variances, so that flat images have a derivative.
    """
    return _correlation(_laplacian(fused), _laplacian(source), epsilon)


def epi_of_gradients(fused: Tensor, source: Tensor) -> Tensor:
    """Return the correlation coefficient of the two Sobel gradient magnitudes, (B,), -1 to 1; 0 if one is flat.

    :func:`epi` with first derivatives: less a matter of the finest grain.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1].
    """
    return _correlation(sobel_gradient(fused).norm(dim=1), sobel_gradient(source).norm(dim=1))


def _correlation(first: Tensor, second: Tensor, epsilon: float = 0.0) -> Tensor:
    x, y = (image.flatten(1) - image.flatten(1).mean(dim=1, keepdim=True) for image in (first, second))
    scale = torch.sqrt(x.square().mean(dim=1) * y.square().mean(dim=1) + epsilon**2)
    return (x * y).mean(dim=1) / torch.where(scale > 0, scale, 1)


def _laplacian(image: Tensor) -> Tensor:
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    neighbours = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return neighbours - 4 * image


_STRENGTH = (0.9994, 15.0, 0.5)
_DIRECTION = (0.9879, 22.0, 0.8)
"""Top, slope and middle of the published sigmoids."""
_ROUNDING = 1e-3


def qabf(fused: Tensor, a: Tensor, b: Tensor, *, smooth: bool = False) -> Tensor:
    """Return the preservation of both sources' gradients, (B,), with their strengths as weights; 0 to 1.

    Sobel gradients, edges replicated. Xydeas and Petrovic 2000, with their constants: a source pixel's strength is
    preserved by the ratio of the weaker to the stronger gradient, its direction by 1 - angle / (pi / 2).

    Args:
        fused: (B, 1, H, W) in [0, 1].
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].
        smooth: give up the published definition where it has no derivative. Gradients far below a grey value are
            rounded off, and directions near the vertical, up and down, are alike and not far apart.
    """
    rounding = _ROUNDING if smooth else 0.0
    angle = _angle_between_lines if smooth else _published_angle
    of_fused = sobel_gradient(fused)
    kept = available = torch.zeros(fused.shape[0], dtype=fused.dtype, device=fused.device)
    for source in (a, b):
        of_source = sobel_gradient(source)
        alike = 1 - angle(of_source, of_fused) / (torch.pi / 2)
        preserved = _perceived(_ratio(of_source, of_fused, rounding), *_STRENGTH) * _perceived(alike, *_DIRECTION)
        strength = of_source.norm(dim=1)
        kept = kept + (preserved * strength).sum(dim=(1, 2))
        available = available + strength.sum(dim=(1, 2))
    return torch.where(available > 0, kept / available.clamp_min(_ROUNDING), 0)


def _ratio(source: Tensor, fused: Tensor, rounding: float) -> Tensor:
    """Return the weaker over the stronger gradient, (B, H, W), 0 where both are flat; both are (B, 2, H, W)."""
    of_source, of_fused = (torch.sqrt(x.square().sum(dim=1) + rounding**2) for x in (source, fused))
    stronger = torch.maximum(of_source, of_fused)
    return torch.minimum(of_source, of_fused) / torch.where(stronger > 0, stronger, 1)


def _published_angle(source: Tensor, fused: Tensor) -> Tensor:
    """Return the difference of the gradients' angles, each from -pi/2 to pi/2, (B, H, W)."""
    first, second = (
        torch.where(x[:, 1] == 0, torch.pi / 2, torch.atan(x[:, 0] / torch.where(x[:, 1] == 0, 1, x[:, 1])))
        for x in (source, fused)
    )
    return (first - second).abs()


def _angle_between_lines(source: Tensor, fused: Tensor) -> Tensor:
    """Return the angle between the lines along both gradients, 0 to pi/2, (B, H, W)."""
    along = (source * fused).sum(dim=1).abs()
    across = (source[:, 0] * fused[:, 1] - source[:, 1] * fused[:, 0]).abs()
    return torch.atan2(across, along + _ROUNDING**2)


def _perceived(preserved: Tensor, top: float, slope: float, middle: float) -> Tensor:
    return top * torch.sigmoid(slope * (preserved - middle))
