"""The terms of the loss, each of images (B, 1, H, W) in [0, 1].

- The gradient loss: the fused image is to have, at each pixel, the steeper of the two sources' gradients.
- The contrast loss: the fused image is to be as contrasted as the stronger source, no less and no more.
- The clipping loss: by how much the sum of the sources times their gains is above white.
- The highlights loss: what is white in one source is to be white in the fused image.
- The artefact loss: how much of the fused structure neither source explains.
- The consistency loss: how far fused values of pixels with the same two source values lie apart.
- The RMI loss: how little the fused image's neighbourhoods tell about the source's.
- The retention loss: a lesion must stand out in the fused image as it does in the source that shows it better.
- The losses that are a metric turned round: 0 for a fused image that the metric finds perfect.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from CSAFusionLib.metrics.edge_metrics import epi, qabf
from CSAFusionLib.metrics.information_metrics import gaussian_means, ssim, vif


def gradient_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the mean distance between the fused gradient and that of the source which is steeper there.

    Not in the article. Pixel by pixel, with its direction: unlike a correlation over the image it does not fall when
    the fused image turns to one source for the sake of its texture (the form of Ma et al., "SwinFusion", 2022).

    Args:
        fused: (B, 1, H, W) in [0, 1].
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].

    Returns:
        The mean over the batch, a scalar, at least 0, in brightness per pixel.
    """
    of_fused, of_a, of_b = _gradient(fused), _gradient(a), _gradient(b)
    a_is_steeper = of_a.square().sum(dim=1, keepdim=True) >= of_b.square().sum(dim=1, keepdim=True)
    return (of_fused - torch.where(a_is_steeper, of_a, of_b)).abs().mean()


def _gradient(image: Tensor) -> Tensor:
    """Return the differences to the next pixel down and to the right, (B, 2, H - 1, W - 1)."""
    corner = image[..., :-1, :-1]
    return torch.cat([image[..., 1:, :-1] - corner, image[..., :-1, 1:] - corner], dim=1)


CONTRAST_WINDOW = 7
"""Side of the local neighbourhood, in pixels."""
CONTRAST_OMEGA = 0.1
"""Added to the local mean, so that the dark background does not divide by nearly zero."""


def local_contrast(image: Tensor) -> Tensor:
    """Return the local contrast sqrt(mean((x_j - mean)^2) / (mean + omega)) of ``image`` (B, 1, H, W) in [0, 1].

    The article's term is the sum in place of the mean, which differs by a constant factor; the root brings weak
    texture and strong edges to comparable size, as a standard deviation does for a variance.
    """
    mean = functional.avg_pool2d(image, CONTRAST_WINDOW, stride=1)
    variance = (functional.avg_pool2d(image.square(), CONTRAST_WINDOW, stride=1) - mean.square()).clamp_min(0)
    return torch.sqrt(variance / (mean + CONTRAST_OMEGA) + 1e-6) - 1e-3


def contrast_loss(fused: Tensor, source: Tensor, other: Tensor) -> Tensor:
    """Return how far the fused contrast is from that of ``source``, wherever ``source`` is the stronger one.

    Falling short (over-smoothing) and overshooting (noise) both count, locally and over the whole image.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1]; the source this term speaks for.
        other: (B, 1, H, W) in [0, 1]; the other source.

    Returns:
        The mean over the batch, a scalar, at least 0.
    """
    of_fused, of_source, of_other = local_contrast(fused), local_contrast(source), local_contrast(other)
    stronger = (of_source >= of_other).to(of_fused.dtype)
    difference = stronger * (of_fused - of_source)
    local = difference.abs().mean()
    overall = difference.mean(dim=(1, 2, 3)).abs().mean()
    return local + overall


def clipping_loss(unclipped: Tensor) -> Tensor:
    """Return by how much the fused image is above white before it is clipped, squared.

    Not in the article. What is clipped is lost, and with it the derivative of every other term there: none of them
    tells a network that burns out a brain, bright in both sources, to hold back.

    Args:
        unclipped: the sources times their gains, added, (B, 1, H, W), at least 0.

    Returns:
        The mean over the batch, a scalar, at least 0; 0 where nothing is clipped.
    """
    return (unclipped - 1).clamp_min(0).square().mean()


_POWER = 4


def highlights_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return by how much the fused image falls short of the brighter source, squared, where that source is bright.

    Not in the article. White identifies bone; an average with a source where it is black makes it grey, which
    costs SSIM and contrast little. The weight is the fourth power of the brightness, so grey tissue hardly counts.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].

    Returns:
        The mean over the batch, a scalar, 0 to 1.
    """
    brighter = torch.maximum(a, b)
    return (brighter**_POWER * (brighter - fused).clamp_min(0).square()).mean()


_ARTEFACT_WINDOW, _ARTEFACT_SIGMA = 11, 2.0
_ARTEFACT_RIDGE = 1e-5
_ARTEFACT_EPSILON = 1e-6


def artefact_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the spread of what a regression of the fused image on both sources leaves, window by window.

    Not in the article: RMI, visual information and edge correlation are highest for a patchwork of the sources. A
    mixture that changes slowly leaves nothing here, whatever it is; a turn from one source to the other inside the
    window does (:mod:`CSAFusionLib.evaluation.clinical.fidelity` measures the same on finished images).

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 11x11.
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].

    Returns:
        The mean standard deviation of the residual, a scalar, at least 0, in brightness.
    """
    images = torch.stack([fused, a, b])
    mean_f, mean_a, mean_b = gaussian_means(images, _ARTEFACT_WINDOW, _ARTEFACT_SIGMA)
    products = torch.stack([fused * fused, a * a, b * b, a * b, fused * a, fused * b])
    ff, aa, bb, ab, fa, fb = gaussian_means(products, _ARTEFACT_WINDOW, _ARTEFACT_SIGMA)
    ff, fa, fb = ff - mean_f.square(), fa - mean_f * mean_a, fb - mean_f * mean_b
    aa, bb, ab = aa - mean_a.square() + _ARTEFACT_RIDGE, bb - mean_b.square() + _ARTEFACT_RIDGE, ab - mean_a * mean_b
    explained = (fa.square() * bb + fb.square() * aa - 2 * fa * fb * ab) / (aa * bb - ab.square())
    return (torch.sqrt((ff - explained).clamp_min(0) + _ARTEFACT_EPSILON) - _ARTEFACT_EPSILON**0.5).mean()


_BINS = 32
_LEAST_PIXELS = 8
"""Bins with fewer pixels have no spread worth counting."""
_BACKGROUND = 0.05


def consistency_loss(fused: Tensor, sources: Tensor) -> Tensor:
    """Return the variance of the fused value given both source values, over a batch of patches from one volume.

    Not in the article. The other terms reward a network that decides place by place which source to show, and the same
    tissue then looks different from place to place. The measure is that of
    :mod:`CSAFusionLib.evaluation.clinical.consistency`, with fewer bins: 32 x 32 in the joint histogram, those with 8
    pixels and more, above the background.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        sources: (B, 2, H, W) in [0, 1], all of one volume, or of slices with the same scale of grey.

    Returns:
        A scalar, at least 0; 0 also where no bin has enough pixels.
    """
    index = (sources * _BINS).long().clamp(0, _BINS - 1)
    bins = (index[:, 0] * _BINS + index[:, 1]).flatten()
    values = fused.flatten()
    empty = values.new_zeros(_BINS**2)
    count = empty.index_add(0, bins, torch.ones_like(values))
    mean = empty.index_add(0, bins, values) / count.clamp_min(1)
    counted = (sources.amax(dim=1).flatten() > _BACKGROUND) & (count[bins] >= _LEAST_PIXELS)
    spread = (values - mean[bins]).square() * counted
    return spread.sum() / counted.sum().clamp_min(1)


NEIGHBOURHOOD = 3
"""Side of the region around a pixel, in pixels."""
REGULARISATION = 5e-4
"""Multiple of the identity that keeps the covariances of flat images invertible."""


def rmi_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return half the log-determinant of the posterior covariance of the source given the fused image, per dimension.

    Every pixel with its 3x3 neighbourhood is one 9-vector; minimising the bound maximises their mutual information.
    Zhao et al., NeurIPS 2019, equations 10 to 15, divided as there by the nine dimensions.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1].

    Returns:
        The mean over the batch, a scalar; lower is better, and its lowest value is 0.5 * log(REGULARISATION).
    """
    given, wanted = _regions(fused), _regions(source)
    dimensions, positions = given.shape[1:]
    identity = REGULARISATION * torch.eye(dimensions, dtype=given.dtype, device=given.device)
    covariance_given = given @ given.mT / positions + identity
    covariance_wanted = wanted @ wanted.mT / positions
    across = wanted @ given.mT / positions
    explained = across @ torch.linalg.solve(covariance_given, across.mT)
    posterior = covariance_wanted - explained + identity
    return (0.5 / dimensions) * torch.logdet(posterior).mean()


def _regions(image: Tensor) -> Tensor:
    """Return the centred 9-vectors of ``image`` (B, 1, H, W) as (B, 9, positions), in double precision.

    The covariances of neighbouring pixels are nearly singular; single precision would make their determinant negative.
    """
    regions = functional.unfold(image.double(), NEIGHBOURHOOD)
    return regions - regions.mean(dim=2, keepdim=True)


RETENTION_TARGET = 0.7
"""A lesion that stands out this much, next to its source, costs nothing: the loss is about those that get lost."""
_LEAST_NOISE = 0.02
"""Five grey values of 256: less than that between a lesion and its surroundings is not seen anyway."""
_NOISE_WINDOW, _NOISE_SIGMA = 21, 5.0
_TINY = 1e-8


def retention_loss(
    fused: Tensor, fused_marked: Tensor, sources: Tensor, marked: Tensor, target: float = RETENTION_TARGET
) -> Tensor:
    """Return by how much the contrast-to-noise of lesions falls short, squared, in the lesions themselves.

    Not in the article. The other terms ask for the stronger texture, so the network learns to leave out a flat source
    beside a textured one, and a lesion that only the flat one shows goes with it; and where one source is dark and the
    other bright, a sum of both shows neither. The measure is contrast in the fused image over that in the source where
    the lesion stands out more, and that source's local deviation over the fused image's, pixel by pixel. Bright or
    dark in the fused image counts alike: with sources of opposite signs no sign is the right one. Squared, so that the
    worst ones count most.

    Args:
        fused: the sources fused, (B, 1, H, W) in [0, 1], at least 21x21.
        fused_marked: the sources with lesions fused, (B, 1, H, W) in [0, 1].
        sources: (B, 2, H, W) in [0, 1].
        marked: the same with lesions in one source or in both, (B, 2, H, W) in [0, 1].
        target: how much is enough, over 0 to 1.

    Returns:
        The mean over the images that have lesions, weighted by the lesions' contrast, a scalar: 0 when all stand out,
        target squared when they are gone; 0 if no image has any.
    """
    lesions = (marked - sources).abs()
    noise = _local_deviation(sources)
    better = (lesions / noise).argmax(dim=1, keepdim=True)
    weight, noise = lesions.gather(1, better), noise.gather(1, better)
    noise_in_fused = torch.maximum(_local_deviation(fused), noise)
    contrast = (fused_marked - fused).abs() * noise / noise_in_fused
    short = (target * weight - contrast).clamp_min(0)
    lost = (short.square() / weight.clamp_min(_TINY) * (weight > 0)).sum(dim=(1, 2, 3))
    put_in = weight.sum(dim=(1, 2, 3))
    has_lesions = (put_in > 0).to(lost.dtype)
    return (lost / put_in.clamp_min(_TINY)).sum() / has_lesions.sum().clamp_min(1)


def _local_deviation(images: Tensor) -> Tensor:
    """Return the standard deviation of the surroundings of each pixel, (B, C, H, W), and no less than is seen."""
    padded = functional.pad(images, [_NOISE_WINDOW // 2] * 4, mode="reflect")
    mean, square = gaussian_means(torch.stack([padded, padded.square()]), _NOISE_WINDOW, _NOISE_SIGMA)
    return torch.sqrt((square - mean.square()).clamp_min(_LEAST_NOISE**2))


# Single precision and derivatives of flat images need more than the metrics do in double precision.
_EDGE_EPSILON = 1e-6
_VIF_EPSILON = 1e-10


def ssim_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return 1 - SSIM, the mean over the batch.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 11x11.
        source: (B, 1, H, W) in [0, 1].
    """
    return 1 - ssim(fused, source).mean()


def ssim_parity_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the squared difference of the SSIM with both sources, the mean over the batch.

    Not in the article. RMI, visual information and edge correlation all reward a plain copy of the source with more
    texture, mostly the MR. Their sum with SSIM has a minimum there; this term makes that minimum expensive.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 11x11.
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].
    """
    return (ssim(fused, a) - ssim(fused, b)).square().mean()


def edge_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return 1 - EPI, the mean over the batch.

    Not in the article. SSIM, RMI and contrast leave open which of two edges is kept where both sources have one.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1].
    """
    return (1 - epi(fused, source, _EDGE_EPSILON)).mean()


def vif_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return 1 - VIF, the mean over the batch; below 0 where contrast is raised.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 41x41.
        source: (B, 1, H, W) in [0, 1].
    """
    return (1 - vif(fused, source, _VIF_EPSILON)).mean()


def transfer_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - QABF, in the form that has a derivative everywhere, the mean over the batch, 0 to 1.

    Not in the article.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].
    """
    return (1 - qabf(fused, a, b, smooth=True)).mean()
