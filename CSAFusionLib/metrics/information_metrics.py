"""Metrics of information and structure: SSIM, FMI, QNCIE and VIF.

- Gaussian windows as matrix products, many times faster on a CPU than a convolution of one channel.
- SSIM of the fused image with a source.
- FMI: how much the local structure of the fused image tells of that of a source.
- QNCIE: how much the two sources and the fused image have to do with each other, all three at once.
- VIF: how much of a source's visual information the fused image holds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor


def gaussian_means(images: Tensor, size: int, sigma: float) -> Tensor:
    """Return the Gaussian-weighted means of ``images`` (..., H, W) over every window that lies inside.

    Args:
        images: H and W at least ``size``.
        size: side of the square window, in pixels.
        sigma: of the Gaussian, in pixels.

    Returns:
        (..., H - size + 1, W - size + 1).
    """
    height, width = images.shape[-2:]
    down, across = (_band(length, size, sigma).to(images) for length in (height, width))
    return down @ images @ across.mT


# Kept for the next call, which may want derivatives: a tensor made in inference mode has none.
@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)
def _band(length: int, size: int, sigma: float) -> Tensor:
    """Return the matrix (length - size + 1, length) that slides the window along one axis."""
    distance = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    taps = torch.exp(-(distance**2) / (2 * sigma**2))
    offset = torch.arange(length)[None, :] - torch.arange(length - size + 1)[:, None]
    inside = (offset >= 0) & (offset < size)
    return torch.where(inside, (taps / taps.sum())[offset.clamp(0, size - 1)], 0.0)


_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def ssim(fused: Tensor, source: Tensor) -> Tensor:
    """Return the mean SSIM of each image, (B,), over the windows that lie inside it (Wang et al. 2004).

    MONAI's SSIMLoss has the same values; this takes a fifteenth of its time, which halves that of a training step.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 11x11.
        source: (B, 1, H, W) in [0, 1].
    """
    return ssim_map(fused, source).mean(dim=(1, 2, 3))


def ssim_map(fused: Tensor, source: Tensor) -> Tensor:
    """Return the SSIM of every window that lies inside the image, (B, 1, H - 10, W - 10).

    Gaussian 11x11, sigma 1.5, population covariances.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 11x11.
        source: (B, 1, H, W) in [0, 1].
    """
    moments = torch.stack([fused, source, fused.square(), source.square(), fused * source])
    mean, mean_source, square, square_source, product = gaussian_means(moments, _WINDOW, _SIGMA)
    variance, variance_source = square - mean.square(), square_source - mean_source.square()
    covariance = product - mean * mean_source
    luminance = (2 * mean * mean_source + _C1) / (mean.square() + mean_source.square() + _C1)
    structure = (2 * covariance + _C2) / (variance + variance_source + _C2)
    return luminance * structure


_SIDE = 3
_CELLS = _SIDE**2
_WINDOWS_AT_ONCE = 2048
"""So many windows' joint distributions stay in a processor's cache."""

_POSITIONS = np.arange(_CELLS, dtype=np.float32)
_MOMENTS = np.stack([_POSITIONS, _POSITIONS**2])
_PRODUCTS = np.outer(_POSITIONS, _POSITIONS).ravel()
_CUMULATION = np.tri(_CELLS, dtype=np.float32)


def fmi(source: np.ndarray, fused: np.ndarray) -> float:
    """Return the feature mutual information of the fused image with a source, 1 for a copy.

    The feature is the horizontal gradient. In each 3x3 window the features, stretched to 0..1 and divided by their
    sum, are taken for the distribution of a position, column by column. The joint distribution of the two images'
    positions is mixed of independence and the Frechet bound, upper or lower, so that the positions correlate as the
    features do (Nelsen's method). The window's figure is twice the mutual information over the sum of both entropies,
    1 where both windows are equal; the image's is their mean. The index of a fusion is the mean over both sources.
    Haghighat et al. 2011, in the fast form of Haghighat and Razian 2014.

    In single precision, which on whole grey values changes the seventh decimal and halves the time.

    Args:
        source: (H, W), 0 to 255, at least 3x3.
        fused: (H, W), 0 to 255.
    """
    of_source, of_fused = _feature_windows(source), _feature_windows(fused)
    different = (of_source != of_fused).any(axis=0)
    of_source, of_fused = (windows.compress(different, axis=1) for windows in (of_source, of_fused))
    total = float((~different).sum())
    for start in range(0, of_source.shape[1], _WINDOWS_AT_ONCE):
        some = np.s_[:, start : start + _WINDOWS_AT_ONCE]
        shared = _shared_information(_distributions(of_source[some]), _distributions(of_fused[some]))
        total += shared.sum(dtype=np.float64)
    return float(total / different.size)


def _feature_windows(image: np.ndarray) -> np.ndarray:
    """Return the gradients in every window, (9, windows), column by column."""
    feature = np.gradient(image.astype(np.float32), axis=1)
    windows = sliding_window_view(feature, (_SIDE, _SIDE))
    return windows.transpose(3, 2, 0, 1).reshape(_CELLS, -1)


def _distributions(windows: np.ndarray) -> np.ndarray:
    """Raise each window's least feature to zero and divide by the sum; a flat window becomes uniform."""
    raised = windows - windows.min(axis=0)
    raised += ~raised.any(axis=0)
    return raised / raised.sum(axis=0)


def _shared_information(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return 2 MI / (H + H) of positions distributed as the columns of p and of q, each (9, windows)."""
    correlation = _correlations(p, q)
    # The lower bound is the upper bound with one image's positions counted backwards.
    q = np.where(correlation < 0, q[::-1], q)
    upper = _upper_bound(p, q)
    (mean_p, square_p), (mean_q, square_q) = _MOMENTS @ p, _MOMENTS @ q
    spread = np.sqrt(np.maximum((square_p - mean_p**2) * (square_q - mean_q**2), 0))
    covariance = _PRODUCTS @ upper.reshape(_CELLS**2, -1) - mean_p * mean_q
    weight = _divide(abs(correlation) * spread, covariance)
    joint = ((1 - weight) * p)[:, None] * q
    joint += np.multiply(weight, upper, out=upper)
    apart = _entropies(p) + _entropies(q)
    return _divide(2 * (apart - _entropies(joint.reshape(_CELLS**2, -1))), apart)


def _correlations(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the correlation coefficients of the columns, whose means are known, as they sum to one."""
    pq, pp, qq = (np.einsum("kn,kn->n", *both) - 1 / _CELLS for both in ((p, q), (p, p), (q, q)))
    return _divide(pq, np.sqrt(np.maximum(pp * qq, 0)))


def _upper_bound(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the joint distribution of greatest correlation, (9, 9, windows).

    Laid end to end, the probabilities cut the unit interval in two ways; a cell is as large as its two parts overlap.
    """
    end_p, end_q = _CUMULATION @ p, _CUMULATION @ q
    overlap = np.minimum(end_p[:, None], end_q)
    overlap -= np.maximum((end_p - p)[:, None], end_q - q)
    return np.maximum(overlap, 0, out=overlap)


def _entropies(p: np.ndarray) -> np.ndarray:
    # A weight above one makes some joint "probabilities" negative; the published code takes the logarithm's real part.
    size = np.abs(p)
    size += np.finfo(p.dtype).tiny
    return -np.einsum("kn,kn->n", p, np.log2(size, out=size))


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, with 0 for the result where the denominator is zero but for rounding."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 1e-5)


_GREY_VALUES = 256


def qncie(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """Return the nonlinear correlation information entropy of the three images, 0 to 1; 0.80 to 0.82 in practice.

    Two images' nonlinear correlation is their mutual information, of 256 grey values each, in units of log 256.
    Wang et al. 2008. (Published code stretches each image to 0..255 first, which joins no two grey values and so
    changes nothing.)

    Args:
        a: (H, W), 0 to 255, rounded to whole grey values here as are the others.
        b: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    return _correlation_information(_nonlinear_correlation, *(image.round().astype(np.intp) for image in (a, b, fused)))


def qncie_of_pearson(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """Return :func:`qncie` with Pearson's correlation coefficient in place of the nonlinear one.

    Args:
        a: (H, W), 0 to 255.
        b: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    return _correlation_information(_pearson, a, b, fused)


def _correlation_information(
    correlate: Callable[[np.ndarray, np.ndarray], float], a: np.ndarray, b: np.ndarray, fused: np.ndarray
) -> float:
    """Return 1 + sum of (l / 3) log256 (l / 3) over the eigenvalues l of the correlation matrix."""
    ab, af, bf = correlate(a, b), correlate(a, fused), correlate(b, fused)
    shares = np.linalg.eigvalsh([[1, ab, af], [ab, 1, bf], [af, bf, 1]]) / 3
    return 1 - _entropy(shares)


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation coefficient; 0 if one of them is constant."""
    x, y = (values.ravel() - values.mean() for values in (first, second))
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else 0.0


def _nonlinear_correlation(first: np.ndarray, second: np.ndarray) -> float:
    joint = np.bincount((_GREY_VALUES * first + second).ravel(), minlength=_GREY_VALUES**2) / first.size
    joint = joint.reshape(_GREY_VALUES, _GREY_VALUES)
    return _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1)) - _entropy(joint)


def _entropy(shares: np.ndarray) -> float:
    """Return the entropy of numbers that sum to one, in units of log 256."""
    present = shares[shares > 0]
    return float(-(present * np.log(present)).sum() / np.log(_GREY_VALUES))


_SCALES = 4
_NOISE_VARIANCE = 2 / 255**2
"""Of the visual system: 2 squared grey values, for images in [0, 1]."""
_EPSILON = 1e-10 / 255**2
"""The published code's, which takes grey values from 0 to 255."""


def vif(fused: Tensor, source: Tensor, epsilon: float = _EPSILON) -> Tensor:
    """Return the pixel-domain visual information fidelity of each image, (B,), with the source as its reference.

    Four scales. Sheikh and Bovik 2006, in the authors' simplification to pixels (vifp).

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 41x41.
        source: (B, 1, H, W) in [0, 1].
        epsilon: the variance below which a window is flat; single precision needs more than the published value.

    Returns:
        1 for a perfect copy, 0 for no common information; above 1 where contrast is raised.
    """
    preserved = available = torch.zeros(fused.shape[0], dtype=fused.dtype, device=fused.device)
    for scale in range(_SCALES):
        size = 2 ** (_SCALES - scale) + 1
        if scale > 0:
            fused, source = gaussian_means(torch.stack([fused, source]), size, size / 5)[..., ::2, ::2]
        gain, noise, variance = _channel(fused, source, size, epsilon)
        preserved = preserved + torch.log1p(gain.square() * variance / (noise + _NOISE_VARIANCE)).sum(dim=(1, 2, 3))
        available = available + torch.log1p(variance / _NOISE_VARIANCE).sum(dim=(1, 2, 3))
    return torch.where(available > 0, preserved / available.clamp_min(epsilon), 1)


def _channel(fused: Tensor, source: Tensor, size: int, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gain and noise of the channel from source to fused image, and the source's variance, locally.

    Nothing comes through, and all there is is noise, where one of them is flat or they run against each other.
    """
    moments = torch.stack([fused, source, fused.square(), source.square(), fused * source])
    mean, mean_source, square, square_source, product = gaussian_means(moments, size, size / 5)
    variance_fused = (square - mean.square()).clamp_min(0)
    variance = (square_source - mean_source.square()).clamp_min(0)
    covariance = (product - mean * mean_source).clamp_min(0)
    flat = (variance < epsilon) | (variance_fused < epsilon)
    gain = (covariance / (variance + epsilon)).masked_fill(flat, 0)
    return gain, (variance_fused - gain * covariance).clamp_min(0), variance
