"""A small phantom head in two contrasts, and known motions of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.volumes.volume import Volume

MakeHead = Callable[..., sitk.Image]
Move = Callable[[sitk.Image, sitk.Transform], sitk.Image]

# Ellipsoids: centre and half axes in mm from the head's centre, brightness as T1 and as T2.
_PARTS = [
    ((0, 0, 0), (62, 82, 48), 60, 90),
    ((0, 0, 0), (56, 76, 42), 160, 110),
    ((-18, 6, 8), (10, 28, 14), 30, 220),
    ((20, -2, 4), (9, 24, 16), 30, 220),
    ((24, 36, -12), (13, 9, 11), 210, 60),
    ((-22, -38, 22), (8, 12, 9), 110, 170),
    ((6, 22, 28), (12, 8, 7), 90, 240),
]


def _draw(size: tuple[int, ...], spacing: tuple[float, ...], direction: np.ndarray, origin: np.ndarray) -> np.ndarray:
    indices = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
    points = indices * spacing @ direction.T + origin
    parts = np.zeros((*size, 2))
    for centre, axes, *values in _PARTS:
        parts[(((points - centre) / axes) ** 2).sum(axis=-1) < 1] = values
    return parts.transpose(2, 1, 0, 3)


@pytest.fixture(scope="session")
def a_head() -> MakeHead:
    """Makes the phantom on a grid of choice, centred on ``middle`` (LPS mm), in contrast "T1" or "T2"."""

    def make(
        contrast: str = "T1",
        size: tuple[int, int, int] = (60, 68, 60),
        spacing: tuple[float, float, float] = (3.0, 3.0, 3.0),
        direction: np.ndarray | None = None,
        middle: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> sitk.Image:
        axes = np.eye(3) if direction is None else direction
        corner = -axes @ (np.subtract(size, 1) / 2 * spacing)
        voxels = _draw(size, spacing, axes, corner)[..., ("T1", "T2").index(contrast)]
        noise = np.random.default_rng(len(contrast) + size[0]).normal(0, 3, voxels.shape)
        image = sitk.GetImageFromArray((voxels + noise).astype(np.float32))
        image.SetSpacing(spacing)
        image.SetDirection(axes.ravel().tolist())
        image.SetOrigin((corner + middle).tolist())
        return sitk.SmoothingRecursiveGaussian(image, 2.0) if min(size) > 3 else image

    return make


@pytest.fixture(scope="session")
def a_folded_head(a_head: MakeHead) -> MakeHead:
    """Makes the phantom with folds a centimetre or two wide, dark where the other contrast has them bright."""
    waves = np.random.default_rng(0).normal(scale=0.2, size=(12, 3))

    def make(contrast: str = "T1", **grid: object) -> sitk.Image:
        head = a_head(contrast, **grid)
        where = sitk.PhysicalPointSource(
            sitk.sitkVectorFloat64, head.GetSize(), head.GetOrigin(), head.GetSpacing(), head.GetDirection()
        )
        points = sitk.GetArrayViewFromImage(where) - np.array(grid.get("middle", (0.0, 0.0, 0.0)))
        folds = sitk.GetImageFromArray(np.sin(points @ waves.T).sum(axis=-1).astype(np.float32))
        folds.CopyInformation(head)
        return head + sitk.Mask(folds, head > 40) * {"T1": 20.0, "T2": -15.0}[contrast]

    return make


@pytest.fixture(scope="session")
def a_rigid_motion() -> sitk.Euler3DTransform:
    """6 mm to the left and others, and about 8 degrees about an oblique axis."""
    return sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.08, -0.06, 0.1, (6.0, -5.0, 4.0))


@pytest.fixture(scope="session")
def moved() -> Move:
    """Places an image's voxels where a linear transform takes them, by the header alone."""

    def move(image: sitk.Image, motion: sitk.Transform) -> sitk.Image:
        placed = sitk.Image(image)
        origin = np.array(motion.TransformPoint(image.GetOrigin()))
        axes = np.reshape(image.GetDirection(), (3, 3))
        tips = [motion.TransformPoint((np.array(image.GetOrigin()) + axis).tolist()) for axis in axes.T]
        placed.SetOrigin(origin.tolist())
        placed.SetDirection((np.array(tips) - origin).T.ravel().tolist())
        return placed

    return move


@pytest.fixture(scope="session")
def a_pair(a_head: MakeHead, moved: Move, a_rigid_motion: sitk.Euler3DTransform) -> tuple[Volume, Volume]:
    """A fixed T1 and a moving T2 head, the latter placed by the rigid motion, which is thus the truth."""
    return Volume(a_head("T1"), "t1"), Volume(moved(a_head("T2"), a_rigid_motion), "t2")
