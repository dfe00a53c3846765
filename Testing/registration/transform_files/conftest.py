"""Two small volumes in NIfTI files, one of each handedness, and where a known transform takes some points."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.transform_algebra import map_points
from CSAFusionLib.registration.foreign_transforms import Frame, Frames

# The movement of all files here, from moving to fixed points in RAS mm, and where it has two fixed points come from, as
# FSL's fslpy 3.29.1 and FreeSurfer's surfa 0.6.3 say alike of the files they wrote for it.
POINTS = np.array([[1.0, 2.0, 3.0], [-20.0, 10.0, 15.0]])
CAME_FROM = np.array([[-3.20515327, 5.55973992, -0.91689573], [-22.80897522, 16.37563947, 10.83859844]])


def _volume(size, spacing, origin, flips, degrees) -> sitk.Image:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=size[::-1]).astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    direction = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) * flips
    image.SetDirection(direction.ravel().tolist())
    return image


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A "neurological" fixed and a "radiological" moving volume, turned against each other."""
    folder = tmp_path_factory.mktemp("frames")
    fixed = _volume((20, 22, 19), (4.0, 3.0, 5.0), (40.0, 30.0, -50.0), (-1, -1, 1), 6)
    moving = _volume((25, 18, 21), (3.0, 4.0, 4.0), (-35.0, 38.0, -40.0), (1, -1, 1), -11)
    sitk.WriteImage(fixed, str(folder / "fixed.nii"))
    sitk.WriteImage(moving, str(folder / "moving.nii"))
    return Frames(Frame(fixed, folder / "fixed.nii"), Frame(moving, folder / "moving.nii"))


@pytest.fixture(scope="session")
def error_mm():
    """How far off a transform is at most at the known points, in mm."""

    def measure(transform: sitk.Transform) -> float:
        found = map_points(transform, POINTS * [-1, -1, 1]) * [-1, -1, 1]
        return float(np.linalg.norm(found - CAME_FROM, axis=1).max())

    return measure
