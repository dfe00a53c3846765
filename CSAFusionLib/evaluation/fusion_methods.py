"""The baselines that the network is compared with, by their names in the tables, and the type of a method.

- Baselines that look at one pixel at a time: average, brighter average and maximum.
- Fusion in the discrete wavelet transform (DWT): the larger coefficient of detail, the mean approximation.
- Fusion in the Laplacian pyramid: the stronger detail of each scale, the mean of what is left.
- Guided filter fusion (GFF): base and detail, weighted by saliency whose maps follow the edges of the sources.
- INS, reimplemented: layers split by a joint bilateral filter, fused by local gradient energy.

INS: Li, Zhou, Tan, Zhang and Zhao 2021, "Multimodal medical image fusion based on joint bilateral filter and local
gradient energy", Information Sciences 569, 302-325. Written anew from descriptions: the article's abstract and the
accounts in later articles say that a joint bilateral filter splits each source into an energy and a structure layer,
that structure layers are fused by a local gradient energy made of structure tensor and neighbourhood energy, energy
layers by the larger l1 norm, and that the sum of both is the result. The authors' program (for research only) was not
read, so the following are assumptions:

- the filter's guide is the source smoothed by a Gaussian, sharpened again in three passes, each guided by the one
  before (Zhang et al. 2014), with a spatial sigma of 3 pixels and a range sigma of 0.05;
- the gradient energy is sqrt((l1 + l2)^2 + (l1 - l2)^2 / 2) of the structure tensor's eigenvalues, times the sum of
  squares in 3x3 pixels; the choice that most of 7x7 pixels make holds for all of them;
- the l1 norm is taken over 7x7 pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pywt
from scipy import ndimage
from skimage.feature import structure_tensor

from CSAFusionLib.errors import InputError

FusionMethod = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes two slices (H, W) float32 in [0, 1] and returns the fused one, alike."""

VolumeMethod = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""Takes the slices (S, H, W) float32 in [0, 1] of two volumes and their spacing in mm, and returns the fused ones."""


ColourMethod = Callable[[np.ndarray, np.ndarray, tuple[float, float, float], str], np.ndarray]
"""Takes uptake and anatomy (S, H, W) float32 in [0, 1], the sides of a voxel along slices, rows and columns in mm, and
the name of a colour table; returns RGB (S, H, W, 3) from 0 to 1."""


def slice_by_slice(method: FusionMethod) -> VolumeMethod:
    """Return what fuses every slice of two volumes on its own."""
    return lambda a, b, spacing: np.stack([method(*slices) for slices in zip(a, b, strict=True)])


def with_chrominance(method: VolumeMethod) -> ColourMethod:
    """Return what colours the result of a method as the article does: U and V of the colour table, Y fused."""
    from CSAFusionLib.fusion.colour import apply_colour_table
    from CSAFusionLib.intensity.voxel_values import rgb_to_yuv, yuv_to_rgb

    def fuse(uptake: np.ndarray, anatomy: np.ndarray, voxel: tuple[float, float, float], table: str) -> np.ndarray:
        yuv = rgb_to_yuv(apply_colour_table(uptake, table))
        fused = method(yuv[..., 0].astype(np.float32), anatomy, voxel[0])
        return np.clip(yuv_to_rgb(np.concatenate([fused[..., None], yuv[..., 1:]], axis=-1)), 0, 1)

    return fuse


TABLE = "hot-iron"
"""The colour table that all methods are compared in."""
OVERLAY = "overlay 50 %"


def overlay(uptake: np.ndarray, anatomy: np.ndarray, voxel: tuple[float, float, float], table: str) -> np.ndarray:
    """Return the colour table at 50 % over the grey anatomy, as viewers show it; a :data:`ColourMethod`."""
    from CSAFusionLib.fusion.colour import apply_colour_table

    return 0.5 * apply_colour_table(uptake, table) + 0.5 * anatomy[..., None]


_FACTOR = np.float32(0.7)


def average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the mean of two slices (H, W) in [0, 1]: the overlay at 50 %, which users of Slicer have today."""
    return (a + b) / 2


def brighter_average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return 0.7 of each of two slices (H, W) in [0, 1], added and clipped at 1.

    The literature has no such method. It is in the tables because it holds most indicators at once and keeps lesions
    besides: a network that does no more than this would look good without it.
    """
    return np.minimum(_FACTOR * (a + b), 1)


def maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the larger of two slices (H, W) in [0, 1], pixel by pixel; hard to beat on the usual metrics."""
    return np.maximum(a, b)


_WAVELET = "bior2.2"
_WAVELET_LEVELS = 4


def wavelet(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Fuse two slices (H, W) in [0, 1] of any size: choose-max of the details, averaged approximations.

    Li, Manjunath and Mitra 1995, in four levels, less for small slices. The symmetric wavelet bior2.2 is the one often
    taken in comparisons; on both CT-MRI and SPECT-MRI it leaves fewer ghosts of strong edges than sym4 does.
    """
    levels = min(_WAVELET_LEVELS, pywt.dwtn_max_level(a.shape, _WAVELET))
    (base_a, *details_a), (base_b, *details_b) = (pywt.wavedec2(image, _WAVELET, level=levels) for image in (a, b))
    details = [
        tuple(_larger(*bands) for bands in zip(of_a, of_b, strict=True))
        for of_a, of_b in zip(details_a, details_b, strict=True)
    ]
    height, width = a.shape
    fused = pywt.waverec2([(base_a + base_b) / 2, *details], _WAVELET)[:height, :width]
    return np.clip(fused, 0, 1).astype(np.float32)


def _larger(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(np.abs(a) >= np.abs(b), a, b)


_PYRAMID_LEVELS = 4
_KERNEL = np.array([1, 4, 6, 4, 1]) / 16
_WINDOW = 3


def laplacian_pyramid(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Fuse two slices (H, W) in [0, 1] of any size in four levels of detail.

    The pyramid is that of Burt and Adelson 1983 (generating kernel with a = 0.375). At each level, each pixel of detail
    comes from the source with the larger energy in 3x3 pixels (Burt and Kolczynski 1993); the base is averaged.
    """
    details_a, base_a = _decompose(a)
    details_b, base_b = _decompose(b)
    fused = (base_a + base_b) / 2
    for detail_a, detail_b in zip(reversed(details_a), reversed(details_b), strict=True):
        fused = _expand(fused, detail_a.shape) + np.where(_energy(detail_a) >= _energy(detail_b), detail_a, detail_b)
    return np.clip(fused, 0, 1).astype(np.float32)


def _decompose(image: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the details, the finest first, and the base."""
    details, base = [], image.astype(np.float64)
    for _ in range(_PYRAMID_LEVELS):
        reduced = _smooth(base)[::2, ::2]
        details.append(base - _expand(reduced, base.shape))
        base = reduced
    return details, base


def _expand(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    spread = np.zeros(shape)
    spread[::2, ::2] = image
    return 4 * _smooth(spread)


def _smooth(image: np.ndarray) -> np.ndarray:
    # Mirrored at the border pixel, so that the zeros between spread samples go on in step beyond it.
    rows = ndimage.correlate1d(image, _KERNEL, axis=0, mode="mirror")
    return ndimage.correlate1d(rows, _KERNEL, axis=1, mode="mirror")


def _energy(detail: np.ndarray) -> np.ndarray:
    return ndimage.uniform_filter(detail**2, _WINDOW)


_BASE_SIZE = 31
_SALIENCY_RADIUS = 5
_SALIENCY_SIGMA = 5.0
_BASE_RADIUS, _BASE_EPSILON = 45, 0.3
_DETAIL_RADIUS, _DETAIL_EPSILON = 7, 1e-6
_TINY = 1e-12


def guided_filter(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Fuse two slices (H, W) in [0, 1].

    Li, Kang and Hu 2013, "Image fusion with guided filtering", with the article's parameters: base by a 31x31 mean,
    saliency as the Laplacian's magnitude smoothed over 11x11 pixels (sigma 5), weight maps filtered with radius 45 and
    epsilon 0.3 for the base, 7 and 1e-6 for the detail.
    """
    sources = np.stack([a, b]).astype(np.float64)
    bases = ndimage.uniform_filter(sources, (0, _BASE_SIZE, _BASE_SIZE), mode="nearest")
    saliency = _saliency(sources)
    chosen = (saliency == saliency.max(axis=0)).astype(np.float64)
    fused = _weighted(bases, _refined(chosen, sources, _BASE_RADIUS, _BASE_EPSILON)) + _weighted(
        sources - bases, _refined(chosen, sources, _DETAIL_RADIUS, _DETAIL_EPSILON)
    )
    return np.clip(fused, 0, 1).astype(np.float32)


def _saliency(sources: np.ndarray) -> np.ndarray:
    strength = np.abs([ndimage.laplace(source, mode="nearest") for source in sources])
    return ndimage.gaussian_filter(strength, (0, _SALIENCY_SIGMA, _SALIENCY_SIGMA), radius=(0, *[_SALIENCY_RADIUS] * 2))


def _weighted(layers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (layers * weights).sum(axis=0) / weights.sum(axis=0)


def _refined(weights: np.ndarray, guides: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Return weight maps (2, H, W) that vary as the guides do within a window: He, Sun and Tang 2013."""
    mean_guide, mean_weight = _mean(guides, radius), _mean(weights, radius)
    covariance = _mean(guides * weights, radius) - mean_guide * mean_weight
    slope = covariance / (_mean(guides**2, radius) - mean_guide**2 + epsilon)
    offset = mean_weight - slope * mean_guide
    # The linear model overshoots at strong edges; a weight cannot be negative.
    return np.maximum(_mean(slope, radius) * guides + _mean(offset, radius), _TINY)


def _mean(images: np.ndarray, radius: int) -> np.ndarray:
    """Return the mean over a square window, over its part inside the image at the borders."""
    size = (0, 2 * radius + 1, 2 * radius + 1)
    inside = ndimage.uniform_filter(np.ones_like(images[:1]), size, mode="constant")
    return ndimage.uniform_filter(images, size, mode="constant") / inside


_SIGMA_SPACE = 3.0
_SIGMA_RANGE = 0.05
_RADIUS = 6
_PASSES = 3
_TENSOR_SIGMA = 1.0
_NEIGHBOURHOOD = 3
_CONSISTENCY = 7


def joint_bilateral(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Fuse two slices (H, W) in [0, 1] as the module describes."""
    energy_a, energy_b = _energy_layer(a), _energy_layer(b)
    structure = _fuse_structure(a - energy_a, b - energy_b)
    return np.clip(structure + _fuse_energy(energy_a, energy_b), 0, 1).astype(np.float32)


def _energy_layer(image: np.ndarray) -> np.ndarray:
    """Return the image without its small structures, its large edges sharp."""
    guide = ndimage.gaussian_filter(image, _SIGMA_SPACE, mode="nearest", radius=_RADIUS)
    for _ in range(_PASSES):
        guide = _filter_jointly(image, guide)
    return guide


def _filter_jointly(image: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """Return the mean of the neighbours that are near in space and, in the guide, near in brightness."""
    height, width = image.shape
    wide_image, wide_guide = (np.pad(each, _RADIUS, mode="edge") for each in (image, guide))
    total, weights = np.zeros_like(image), np.zeros_like(image)
    offsets = range(-_RADIUS, _RADIUS + 1)
    for down in offsets:
        for right in offsets:
            window = np.s_[_RADIUS + down : _RADIUS + down + height, _RADIUS + right : _RADIUS + right + width]
            distance = (down**2 + right**2) / (2 * _SIGMA_SPACE**2)
            weight = wide_guide[window] - guide
            weight *= weight
            weight *= -1 / (2 * _SIGMA_RANGE**2)
            weight -= distance
            np.exp(weight, out=weight)
            weights += weight
            weight *= wide_image[window]
            total += weight
    return total / weights


def _fuse_structure(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from_a = (_gradient_energy(a) >= _gradient_energy(b)).astype(np.float64)
    return np.where(ndimage.uniform_filter(from_a, _CONSISTENCY) > 0.5, a, b)


def _gradient_energy(structure: np.ndarray) -> np.ndarray:
    rr, rc, cc = structure_tensor(structure, sigma=_TENSOR_SIGMA)
    # The eigenvalues' sum is the trace; the square of their difference follows from the tensor's entries.
    salience = np.sqrt((rr + cc) ** 2 + ((rr - cc) ** 2 + 4 * rc**2) / 2)
    return salience * ndimage.uniform_filter(structure**2, _NEIGHBOURHOOD)


def _fuse_energy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    norm_a, norm_b = (ndimage.uniform_filter(np.abs(layer), _CONSISTENCY) for layer in (a, b))
    return np.where(norm_a >= norm_b, a, b)


BASELINES: dict[str, FusionMethod] = {
    "average": average,
    "brighter average": brighter_average,
    "maximum": maximum,
    "Laplacian pyramid": laplacian_pyramid,
    "DWT": wavelet,
    "guided filter": guided_filter,
    "INS (reimplemented)": joint_bilateral,
}

_FORMER_NAMES = {"INS": "INS (reimplemented)"}


def baselines_named(names: list[str]) -> dict[str, FusionMethod]:
    """Return the baselines of these names.

    Raises:
        InputError: naming the first unknown baseline.
    """
    names = [_FORMER_NAMES.get(name, name) for name in names]
    for name in names:
        if name not in BASELINES:
            raise InputError(f"There is no baseline named '{name}'; choose from {', '.join(BASELINES)}.")
    return {name: BASELINES[name] for name in names}
