"""The map of misalignment on real heads: it follows a known warp, and knows nothing where it cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.geometry.transform_algebra import map_points
from CSAFusionLib.registration.misalignment_map import measure_misalignment
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.volumes.reading import read_volume

pytestmark = pytest.mark.slow

_IDENTITY = sitk.Euler3DTransform()


def _head(shared_data: Path, name: str) -> sitk.Image:
    return prepare(read_volume(shared_data / "volumes" / name))


def test_it_follows_a_known_warp_of_another_contrast(shared_data: Path) -> None:
    fixed, moving = (_head(shared_data, f"stroke/{name}.nii.gz") for name in ("T1", "T2"))
    warp = sitk.BSplineTransformInitializer(moving, [4, 4, 4])
    warp.SetParameters(np.random.default_rng(3).uniform(-5, 5, warp.GetNumberOfParameters()).tolist())
    found = measure_misalignment(fixed, sitk.Resample(moving, moving, warp), _IDENTITY)
    assert found.known[found.anatomy].mean() > 0.9
    points = found.places(found.known)
    shifts = np.zeros_like(points)
    for _ in range(15):
        shifts -= map_points(warp, points + shifts) - points
    truth, said = np.linalg.norm(shifts, axis=1), found.distance[found.known]
    assert truth.mean() > 1
    assert np.corrcoef(said, truth)[0, 1] > 0.7
    assert np.abs(said - truth).mean() < 0.5
    assert np.mean(np.abs(said - truth) < 2 * found.deviation[found.known]) > 0.85


def test_it_knows_nothing_of_averages_too_blurred_to_match_or_volumes_far_apart(shared_data: Path) -> None:
    blurred = measure_misalignment(
        _head(shared_data, "templates/spm_T1.nii.gz"), _head(shared_data, "templates/spm_SPECT.nii.gz"), _IDENTITY
    )
    far = sitk.TranslationTransform(3, (15.0, 0.0, 0.0))
    apart = measure_misalignment(*(_head(shared_data, f"stroke/{name}.nii.gz") for name in ("T1", "T2")), far)
    assert blurred.anatomy.any() and apart.anatomy.any()
    assert not blurred.known.any() and not apart.known.any()
