"""How well two images agree under an alignment and near it, fast enough to be asked a thousand times.

A rigid perturbation is a small change of an alignment: it turns a head about its centre, shifts it, or mirrors it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import coarsen, field_of_view, points_of
from CSAFusionLib.geometry.transform_algebra import linear_part, rotation
from CSAFusionLib.registration.preparation import foreground

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
_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)


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
        grids = (_grid(head, width, radius * _MARGIN_SHARE) for width in (spacing, _ROUGHER * spacing))
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
        self._last_node = np.array(self._moving_classes.shape, np.int32)[::-1] - 1
        depth, height, width = self._moving_classes.shape
        self._strides = np.array([1, width, height * width], np.int32)
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
        np.minimum(np.maximum(nodes, 0, out=nodes), self._last_node, out=nodes)
        return self._moving_classes.take(nodes @ self._strides)

    def _nodes(self, perturbation: RigidPerturbation, count: int) -> np.ndarray:
        """The node (x, y, z) nearest to where the first ``count`` places are taken, (N, 3) int32, also off the grid."""
        turn, shift = perturbation.matrix.T @ self._to_nodes, (perturbation.shift - self._corner) @ self._to_nodes + 0.5
        return (self._sample.places[:count] @ turn.astype(np.float32) + shift.astype(np.float32)).astype(np.int32)


def head_mask(image: sitk.Image) -> sitk.Image:
    """Mark the head in a scalar float32 image and a ring of air around it, 1 or 0, on a coarse grid."""
    coarse = coarsen(image, _HEAD_SPACING_MM)
    ring = [
        min(length, max(1, round(_RING_MM / spacing)))
        for length, spacing in zip(coarse.GetSize(), coarse.GetSpacing(), strict=True)
    ]
    return sitk.BinaryDilate(sitk.BinaryFillhole(foreground(coarse)), ring)


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
    classes = np.empty(values.shape, np.uint8)
    # Of the whole grid at once, what numpy finds would take more memory than all else here.
    for own, layer in zip(classes, values, strict=True):
        own[...] = np.searchsorted(moving.borders, layer)
    inside = sitk.GetArrayFromImage(field_of_view(moving.image, grid, transform))[1:-1, 1:-1, 1:-1]
    return np.where(np.pad(inside, 1), classes, np.uint8(_CLASSES))


def _nearest(mask: sitk.Image, grid: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    return sitk.Resample(mask, grid, transform, sitk.sitkNearestNeighbor)


def _points(mask: sitk.Image) -> np.ndarray:
    """Centres of the marked voxels, (N, 3) in LPS mm."""
    return points_of(mask, np.argwhere(sitk.GetArrayViewFromImage(mask)))


def _grid(points: np.ndarray, spacing: float, margin: float) -> sitk.Image:
    """A grid along ``_AXES`` that holds all points and a margin around them."""
    along = points @ _AXES
    low, high = along.min(axis=0) - margin, along.max(axis=0) + margin
    # A few bright voxels far from all others must not make it a grid that no memory holds.
    spacing = max(spacing, float(np.cbrt((high - low).clip(min=spacing).prod() / _MOST_NODES)))
    grid = sitk.Image(np.ceil((high - low) / spacing + 1).astype(int).tolist(), sitk.sitkUInt8)
    grid.SetOrigin((_AXES @ low).tolist())
    grid.SetDirection(_AXES.ravel().tolist())
    grid.SetSpacing([spacing] * 3)
    return grid


def _borders(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, np.linspace(0, 1, _CLASSES + 1)[1:-1])


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
