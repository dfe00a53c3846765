"""How well two images agree: once, and fast enough to be asked a thousand times.

- Figures say how well two volumes agree under a transform.
- A rigid perturbation is a small change of an alignment: it turns a head about its centre, shifts it, or mirrors it.
  The similarity says how well the images agree under it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.field_of_view import field_of_view
from CSAFusionLib.geometry.grid import coarsen, points_of, volume_of
from CSAFusionLib.geometry.transform_algebra import is_identity, linear_part, rotation
from CSAFusionLib.intensity.voxel_values import foreground
from CSAFusionLib.registration.registration import NO_MASKS, RegistrationMasks

_BINS = 32
_SPACING_MM = 3.0
# A body is measured more coarsely than a head: on as many voxels as a large head has.
_MOST_VOXELS = 1_000_000
_SSIM_SIGMA_VOXELS = 1.5
_SHORTEST_FILTERED = 4
_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)


class Comparison:
    """Measures how well two scalar images agree under any transform; what does not depend on it is computed once."""

    def __init__(self, fixed: sitk.Image, moving: sitk.Image) -> None:
        spacing = max(_SPACING_MM, (volume_of(fixed) / _MOST_VOXELS) ** (1 / 3))
        self._fixed, self._moving = coarsen(fixed, spacing), coarsen(moving, spacing)
        self._voxels = sitk.GetArrayFromImage(self._fixed)
        self._before: dict[str, float] | None = None

    def __call__(self, transform: sitk.Transform) -> dict[str, float]:
        """Measure the agreement before (by their headers) and after a registration.

        transform: from fixed to moving points, LPS mm.
        Returns, each with ``_before`` and ``_after``: ``mutual_information`` (nats, where both have voxels);
        ``correlation`` and ``ssim`` (-1 to 1) of the fixed image and of what the moving image's intensities predict of
        it, so that two modalities can be compared; ``overlap`` (share of the fixed field of view that is covered, 0 to
        1).
        """
        if self._before is None:
            self._before = self._measure(_IDENTITY)
        before = self._before
        after = before if is_identity(transform) else self._measure(transform)
        return {f"{name}_{when}": of[name] for when, of in (("before", before), ("after", after)) for name in of}

    def _measure(self, transform: sitk.Transform) -> dict[str, float]:
        resampled, inside = _brought(self._fixed, self._moving, transform)
        a, b = self._voxels[inside], resampled[inside]
        predicted = _predicted(a, b)
        return {
            "mutual_information": mutual_information(a, b),
            "correlation": _correlation(a, predicted),
            "ssim": self._structural_similarity(predicted, inside),
            "overlap": float(inside.mean()),
        }

    def _structural_similarity(self, predicted: np.ndarray, inside: np.ndarray) -> float:
        """Mean SSIM (Wang et al. 2004) of the fixed image and what is predicted of it, where it is covered; else 0."""
        fixed, spread = self._voxels, float(np.ptp(self._voxels))
        if not inside.any() or spread == 0:
            return 0.0
        # Outside, both are the same, so that the window sees a border in neither.
        other = fixed.astype(np.float32)
        other[inside] = predicted
        mean_a, var_a = self._moments
        mean_b = _smooth(other)
        var_b = _smooth(other * other) - mean_b**2
        covariance = _smooth(fixed * other) - mean_a * mean_b
        c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
        luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        structure = (2 * covariance + c2) / (var_a + var_b + c2)
        return float((luminance * structure)[inside].mean())

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the fixed image around each voxel."""
        mean = _smooth(self._voxels)
        return mean, _smooth(self._voxels * self._voxels) - mean**2


def agreement(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, masks: RegistrationMasks = NO_MASKS
) -> float:
    """Return mutual information times overlap: one number to rank alignments, by which no sliver wins."""
    resampled, inside = _brought(fixed, moving, transform)
    if masks:
        inside &= masks.inside(fixed, transform)
    return mutual_information(sitk.GetArrayViewFromImage(fixed)[inside], resampled[inside]) * float(inside.mean())


def mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mutual information of two equally long (N,) samples in nats, from a 32 by 32 joint histogram.

    0 if one tells nothing about the other, and for empty samples.
    """
    if a.size == 0:
        return 0.0
    counts = np.bincount(_bins(a) * _BINS + _bins(b), minlength=_BINS**2)
    joint = counts.reshape(_BINS, _BINS) / a.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / independent[seen])))


def _bins(values: np.ndarray) -> np.ndarray:
    """The bin of each value, of ``_BINS`` equally wide ones from the least value to the greatest."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.zeros(values.size, np.intp)
    return np.minimum((values - low) * (_BINS / (high - low)), _BINS - 1).astype(np.intp)


def _brought(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> tuple[np.ndarray, np.ndarray]:
    """The moving image on the fixed grid, and where it reaches (bool)."""
    resampled = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32, True)
    inside = sitk.GetArrayFromImage(field_of_view(moving, fixed, transform)) > 0
    return sitk.GetArrayFromImage(resampled), inside


def _predicted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The mean of ``a`` over all places with the same class of ``b`` (Roche et al. 1998, correlation ratio), (N,)."""
    borders = np.unique(np.quantile(b, np.linspace(0, 1, _BINS + 1)[1:-1])) if b.size else b
    classes = np.searchsorted(borders, b)
    counts = np.bincount(classes, minlength=1)
    return (np.bincount(classes, a, minlength=1) / np.maximum(counts, 1))[classes]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of the two is constant or empty."""
    if a.size == 0 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _smooth(array: np.ndarray) -> np.ndarray:
    """A Gaussian window around each voxel; an axis too short for the filter is left as it is."""
    image = sitk.GetImageFromArray(array)
    for axis, length in enumerate(image.GetSize()):
        if length >= _SHORTEST_FILTERED:
            image = sitk.RecursiveGaussian(
                image, _SSIM_SIGMA_VOXELS, False, sitk.RecursiveGaussianImageFilter.ZeroOrder, axis
            )
    return sitk.GetArrayFromImage(image)


LEFT_RIGHT = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class RigidPerturbation:
    """Takes a point at ``p`` from the head's centre to ``matrix @ p + shift`` from it, LPS mm.

    matrix: (3, 3) rotation, with a mirroring or not, or that of an affine transform. shift: (3,) mm.
    """

    matrix: np.ndarray = field(default_factory=lambda: np.eye(3))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return where (N, 3) points, given from the head's centre, are taken."""
        return points @ self.matrix.T + self.shift

    def shifted(self, axis: int, millimetres: float) -> RigidPerturbation:
        """This perturbation, then a shift along an axis."""
        return RigidPerturbation(self.matrix, self.shift + millimetres * np.eye(3)[axis])

    def turned(self, axis: int, degrees: float) -> RigidPerturbation:
        """This perturbation with a turn about an axis through where it takes the centre."""
        return RigidPerturbation(rotation(axis, degrees) @ self.matrix, self.shift)

    def further(self, since: RigidPerturbation) -> RigidPerturbation:
        """This perturbation and once more what it adds to an earlier one."""
        return RigidPerturbation(self.matrix @ since.matrix.T @ self.matrix, 2 * self.shift - since.shift)


def perturbation_of(transform: sitk.Transform, centre: np.ndarray) -> RigidPerturbation:
    """Return a linear transform as a perturbation of a head with this centre, (3,) LPS mm."""
    matrix, taken = linear_part(transform, centre)
    return RigidPerturbation(matrix, taken - centre)


_CLASSES = 16
_PLACES = 12_000
_FEWEST_PLACES = 50
_BLOCK_MM = 20.0

# Of the head's radius: how fine the grid is, and how far it reaches beyond the head.
_SPACING_SHARE = 1 / 30
# A body is compared as finely as its voxels allow, so that a few millimetres show in it too.
_COARSEST_SPACING_MM = 5.5
_MARGIN_SHARE = 0.6
_ROUGHER = 3

# Of a head it has some two million nodes, of a body fifty.
_MOST_NODES = 1e8

_HEAD_SPACING_MM = 4.0
# Air next to the skin tells where the head ends.
_RING_MM = 10.0

# Columns are the grid's axes: oblique to any scanner's.
_AXES = rotation(0, 19.0) @ rotation(1, 26.0) @ rotation(2, 34.0)


@dataclass(frozen=True)
class HeadSample:
    """Places of the head in one image, at which it is compared with another one.

    centre: of the head, (3,) LPS mm. radius: root mean square distance of the head's points from it, mm.
    spacing: how fine the images are compared, mm.
    places: (N, 3) float32 mm from the centre, in random order. classes: of the intensities there, (N,).
    blocks: the number of the block of the head in which each place lies, (N,).
    grid: an empty image around the head, on which the other image is looked up. rough_grid: one over the same box that
        is as fine as a centroid needs.
    """

    centre: np.ndarray
    radius: float
    spacing: float
    places: np.ndarray
    classes: np.ndarray
    blocks: np.ndarray
    grid: sitk.Image
    rough_grid: sitk.Image

    @classmethod
    def of(cls, fixed: sitk.Image, *, seed: int, mask: sitk.Image | None = None) -> HeadSample:
        """Sample an image. fixed: scalar float32. seed: of the places, 0 or more. mask: its :func:`head_mask`."""
        mask = head_mask(fixed) if mask is None else mask
        head = _points(mask)
        centre = head.mean(axis=0)
        radius = float(np.sqrt(np.mean(np.sum((head - centre) ** 2, axis=1))))
        spacing = min(radius * _SPACING_SHARE, _COARSEST_SPACING_MM)
        places, classes = _places_of(coarsen(fixed, spacing), mask, centre, np.random.default_rng(seed))
        blocks = np.unique(places // _BLOCK_MM, axis=0, return_inverse=True)[1].ravel()
        along = head @ _AXES
        ends = along.min(axis=0), along.max(axis=0)
        grids = (_grid(ends, width, radius * _MARGIN_SHARE) for width in (spacing, _ROUGHER * spacing))
        return cls(centre, radius, spacing, places, classes, blocks, *grids)


@dataclass(frozen=True)
class ComparedImage:
    """The other image, ready to be brought under any transform.

    image: averaged to the spacing of the comparison. borders: of its classes, (``_CLASSES`` - 1,).
    bright: its foreground, uint8.
    """

    image: sitk.Image
    borders: np.ndarray
    bright: sitk.Image

    @classmethod
    def at(cls, spacing: float, moving: sitk.Image, *, mask: sitk.Image | None = None) -> ComparedImage:
        """Prepare a scalar float32 image for a comparison as fine as ``spacing`` (mm); mask: its :func:`head_mask`."""
        image = coarsen(moving, spacing)
        mask = _nearest(head_mask(moving) if mask is None else mask, image, _IDENTITY)
        values = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(mask) > 0]
        return cls(image, _borders(values), foreground(coarsen(moving, _HEAD_SPACING_MM)))


class Similarity:
    """Gives the similarity under perturbations of the fixed head, each made before one transform, linear or deformable.

    The moving image is brought once, through the transform, onto a grid around the fixed head. The grid is oblique, so
    that no perturbation is favoured because nodes and voxels coincide under it. Intensities become equally frequent
    classes, so that soft tissue counts beside bone and air.

    Attributes:
        radius: of the fixed head, mm, as :class:`HeadSample` has it.
        moving_centre: centroid of the moving foreground on the grid, from the fixed head's centre, (3,) mm.
    """

    def __init__(self, sample: HeadSample, moving: ComparedImage, transform: sitk.Transform) -> None:
        """transform: from the sampled image's points to the moving one's, LPS mm."""
        self._sample = sample
        self.radius = sample.radius
        self._moving_classes = _classes_on(sample.grid, moving, transform)
        # Of the same type as the nodes, which spares a conversion a thousand times.
        self._last_node = np.array(self._moving_classes.shape, np.int32)[::-1, None] - 1
        self._rows = sample.classes * (_CLASSES + 1)
        self._corner = np.array(sample.grid.GetOrigin()) - sample.centre
        self._to_nodes = _AXES / sample.grid.GetSpacing()[0]
        bright = _points(_nearest(moving.bright, sample.rough_grid, transform))
        self.moving_centre = bright.mean(axis=0) - sample.centre if len(bright) else np.zeros(3)
        covered = self._covered(RigidPerturbation())
        self._compared = sample.places[covered if covered.any() else slice(None)]

    def __call__(self, perturbation: RigidPerturbation, share: float = 1.0) -> float:
        """Return mutual information (nats) times overlap: where both are high, both images show one head.

        share: of the places to look at, in (0, 1].
        """
        pairs = self._pairs(perturbation, share)
        joint = _joint(pairs)
        return float((joint * _known(joint)).sum() / len(pairs))

    def overlap(self, perturbation: RigidPerturbation) -> float:
        """Return the share of the fixed head that the moving image covers."""
        return float(self._covered(perturbation).mean())

    def distance(self, perturbation: RigidPerturbation, other: RigidPerturbation) -> float:
        """Return how far apart two perturbations take what the moving image covers under the transform, mean mm."""
        return float(np.linalg.norm(perturbation(self._compared) - other(self._compared), axis=1).mean())

    def z_score(self, perturbation: RigidPerturbation, other: RigidPerturbation, of: Similarity | None = None) -> float:
        """Return by how many standard errors one perturbation exceeds another; the blocks of the head are the sample.

        of: the similarity, of the same sample, to which the other perturbation belongs; this one where it is None.
        """
        pairs, others = self._pairs(perturbation), (of or self)._pairs(other)
        gains = np.bincount(self._sample.blocks, _information(pairs)[pairs] - _information(others)[others])
        error = float(np.sqrt(np.sum(gains**2)))
        return float(gains.sum()) / error if error else 0.0

    def holds(self, perturbation: RigidPerturbation) -> bool:
        """Whether the grid holds all of the head under a perturbation; beyond it the moving image is not known."""
        nodes = self._nodes(perturbation, len(self._sample.places))
        return bool(((nodes > 0) & (nodes < self._last_node)).all())

    def _pairs(self, perturbation: RigidPerturbation, share: float = 1.0) -> np.ndarray:
        """The number of the joint class of both images at each place, (N,), as :func:`_information` counts them."""
        count = round(share * len(self._sample.places))
        return self._rows[:count] + self._read(perturbation, count)

    def _covered(self, perturbation: RigidPerturbation) -> np.ndarray:
        return self._read(perturbation, len(self._sample.places)) < _CLASSES

    def _read(self, perturbation: RigidPerturbation, count: int) -> np.ndarray:
        """The moving image's class at the first ``count`` places; ``_CLASSES`` where it does not reach."""
        nodes = self._nodes(perturbation, count)
        # The outermost nodes stand for all beyond them: the moving image never reaches them.
        x, y, z = np.minimum(np.maximum(nodes, 0, out=nodes), self._last_node, out=nodes)
        _, height, width = self._moving_classes.shape
        return self._moving_classes.take((z * height + y) * width + x)

    def _nodes(self, perturbation: RigidPerturbation, count: int) -> np.ndarray:
        """The node (x, y, z) nearest to where the first ``count`` places are taken, (3, N) int32, also off the grid."""
        turn, shift = perturbation.matrix.T @ self._to_nodes, (perturbation.shift - self._corner) @ self._to_nodes + 0.5
        turned = self._sample.places[:count] @ turn.astype(np.float32)
        nodes = np.empty((3, count), np.int32)
        # One axis after the other: along the three axes of each place, numpy takes three times as long.
        for axis, by in enumerate(shift.astype(np.float32)):
            nodes[axis] = turned[:, axis] + by
        return nodes


def head_mask(image: sitk.Image) -> sitk.Image:
    """Mark the head in a scalar float32 image and a ring of air around it, 1 or 0, on a coarse grid."""
    coarse = coarsen(image, _HEAD_SPACING_MM)
    ring = [
        min(length, max(1, round(_RING_MM / spacing)))
        for length, spacing in zip(coarse.GetSize(), coarse.GetSpacing(), strict=True)
    ]
    # Of a mask, the same as the binary filter, in a third of its time.
    return sitk.BinaryDilate(sitk.GrayscaleFillhole(foreground(coarse)), ring)


def marked_volume(mask: sitk.Image) -> float:
    """Return the volume of what a mask of 1 and 0 marks, mm^3."""
    return float(sitk.GetArrayViewFromImage(mask).sum(dtype=float) * np.prod(mask.GetSpacing()))


def _places_of(
    fixed: sitk.Image, head: sitk.Image, centre: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of the head in random order, (N, 3) float32 mm from its centre, and the class of each, (N,)."""
    mask = _nearest(head, fixed, _IDENTITY)
    inside = sitk.GetArrayViewFromImage(mask) > 0
    values = sitk.GetArrayViewFromImage(fixed)[inside]
    chosen = random.permutation(len(values))[:_PLACES]
    # Three coordinates of each voxel of a fine image would take more memory than the image.
    indices = np.stack(np.unravel_index(np.flatnonzero(inside)[chosen], inside.shape), axis=1)
    return (points_of(mask, indices) - centre).astype(np.float32), np.searchsorted(_borders(values), values[chosen])


def _classes_on(grid: sitk.Image, moving: ComparedImage, transform: sitk.Transform) -> np.ndarray:
    """The moving image's classes at the grid's nodes, uint8; ``_CLASSES`` where it does not reach and at the rim."""
    brought = sitk.Resample(moving.image, grid, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32, True)
    values = sitk.GetArrayViewFromImage(brought)
    classes = np.zeros(values.shape, np.uint8)
    # A sixth of the time of a binary search in each voxel; a layer at a time stays in the cache.
    for own, layer in zip(classes, values, strict=True):
        for border in moving.borders:
            own += layer > border
    inside = sitk.GetArrayFromImage(field_of_view(moving.image, grid, transform))[1:-1, 1:-1, 1:-1]
    return np.where(np.pad(inside, 1), classes, np.uint8(_CLASSES))


def _nearest(mask: sitk.Image, grid: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    return sitk.Resample(mask, grid, transform, sitk.sitkNearestNeighbor)


def _points(mask: sitk.Image) -> np.ndarray:
    """Centres of the marked voxels, (N, 3) in LPS mm."""
    return points_of(mask, np.argwhere(sitk.GetArrayViewFromImage(mask)))


def _grid(ends: tuple[np.ndarray, np.ndarray], spacing: float, margin: float) -> sitk.Image:
    """A grid along ``_AXES`` from the lowest to the highest end along them, and a margin around both."""
    low, high = ends[0] - margin, ends[1] + margin
    # A few bright voxels far from all others must not make it a grid that no memory holds.
    spacing = max(spacing, float(np.cbrt((high - low).clip(min=spacing).prod() / _MOST_NODES)))
    grid = sitk.Image(np.ceil((high - low) / spacing + 1).astype(int).tolist(), sitk.sitkUInt8)
    grid.SetOrigin((_AXES @ low).tolist())
    grid.SetDirection(_AXES.ravel().tolist())
    grid.SetSpacing([spacing] * 3)
    return grid


def _borders(values: np.ndarray) -> np.ndarray:
    """What parts float32 values into equally frequent classes, rounded down: that leaves each in its class."""
    borders = np.quantile(values, np.linspace(0, 1, _CLASSES + 1)[1:-1])
    rounded = borders.astype(np.float32)
    return np.where(rounded > borders, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _information(pairs: np.ndarray) -> np.ndarray:
    """What each joint class tells of one image about the other, in nats; 0 where the moving image does not reach."""
    return _known(_joint(pairs)).ravel()


def _joint(pairs: np.ndarray) -> np.ndarray:
    """How often each pair of classes occurs, (``_CLASSES``, ``_CLASSES`` + 1); 0 where the moving image has none."""
    joint = np.bincount(pairs, minlength=_CLASSES * (_CLASSES + 1)).reshape(_CLASSES, _CLASSES + 1).astype(float)
    joint[:, _CLASSES] = 0
    return joint


def _known(joint: np.ndarray) -> np.ndarray:
    known = np.zeros_like(joint)
    total = joint.sum()
    if total >= _FEWEST_PLACES:
        independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True) / total
        np.log(joint / np.maximum(independent, 1e-9), out=known, where=joint > 0)
    return known
