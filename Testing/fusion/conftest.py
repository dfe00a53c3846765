"""Volumes and networks made for the tests of the fusion."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CSAFusionLib.fusion.device import Device
from CSAFusionLib.volumes.volume import Volume


@pytest.fixture
def a_cpu() -> Device:
    return Device("cpu", "asked for")


@pytest.fixture
def a_network() -> torch.nn.Module:
    """The real network, with random weights."""
    from CSAFusionLib.network.configuration import NetworkConfiguration
    from CSAFusionLib.network.csafusion import CSAFusion

    torch.manual_seed(0)
    return CSAFusion(NetworkConfiguration(channels=8)).eval()


@pytest.fixture
def an_mr() -> Volume:
    """A ball of textured tissue in air, 40 x 36 x 12 voxels of 2 x 2 x 4 mm."""
    return Volume(_ball(seed=1, low=100, high=900), "mr.nii")


@pytest.fixture
def a_ct() -> Volume:
    """The same ball in HU, on the same grid."""
    return Volume(_ball(seed=2, low=0, high=800, air=-1000), "ct.nii")


@pytest.fixture
def an_rgb() -> Volume:
    """The same ball in colour: red to the right, blue to the left."""
    grey = sitk.GetArrayFromImage(_ball(seed=3, low=60, high=250)).astype(np.float32)
    ramp = np.linspace(0, 1, grey.shape[2], dtype=np.float32)
    rgb = np.stack([grey * (1 - ramp), grey * 0.3, grey * ramp], axis=-1).astype(np.uint8)
    image = sitk.GetImageFromArray(rgb, isVector=True)
    image.CopyInformation(_ball(seed=3, low=60, high=250))
    return Volume(image, "pet.nii")


def _ball(seed: int, low: float, high: float, air: float = 0) -> sitk.Image:
    z, y, x = np.meshgrid(np.linspace(-1, 1, 12), np.linspace(-1, 1, 36), np.linspace(-1, 1, 40), indexing="ij")
    texture = np.random.default_rng(seed).uniform(low, high, z.shape).astype(np.float32)
    image = sitk.GetImageFromArray(np.where(x**2 + y**2 + z**2 < 0.8, texture, air).astype(np.float32))
    image.SetSpacing((2.0, 2.0, 4.0))
    image.SetOrigin((-40.0, -36.0, -24.0))
    return image
