"""The estimate from a part of the voxels is that from all of them."""

from __future__ import annotations

import time

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util

from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.intensity.mapping import find_mapping
from CSAFusionLib.intensity.modality import Modality, guess_modality
from CSAFusionLib.intensity.windows import Window
from CSAFusionLib.slicer_host.panel.preview import IntensityEstimate
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from Testing.host.scene import OBLIQUE, a_blob, a_volume_node

MILLIMETRES = np.diag([-1.0, -1.0, 1.0, 1.0])


def a_head(length: int = 96) -> np.ndarray:
    """A sharp ball of tissue with structure and noise in it, in air with noise."""
    k, j, i = np.indices((length,) * 3) - length / 2
    radius = np.sqrt(i**2 + j**2 + k**2)
    tissue = (radius < 0.42 * length) * (600 + 200 * np.sign(np.sin(i / 5) * np.sin(j / 6)))
    return (tissue + np.random.default_rng(0).normal(0, 8, tissue.shape)).astype(np.int16)


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    return a_head()


def test_a_sharp_volume_is_guessed_as_all_its_voxels_would_be(head):
    node = a_volume_node("MR", head, MILLIMETRES)
    assert IntensityEstimate().guess(node) is guess_modality(volume_from_node(node)) is Modality.MR


def test_of_what_may_be_a_pet_more_is_looked_at_but_not_all(monkeypatch):
    node = a_volume_node("smooth", a_blob((128, 40, 256)), 2 * MILLIMETRES)
    asked = []
    monkeypatch.setattr(
        "CSAFusionLib.slicer_host.panel.preview.guess_modality",
        lambda volume: asked.append(volume.image.GetSize()) or Modality.PET,
    )
    assert IntensityEstimate().guess(node) is Modality.PET and asked == [(128, 40, 64)]


SMOOTH = [f"templates/{name}.nii.gz" for name in ("spm_PET", "spm_SPECT", "spm_T1", "avg152T1")]


@pytest.mark.parametrize("name", [*SMOOTH, "pyapetnet/PET_osem.nii.gz"])
def test_a_smooth_volume_is_guessed_as_all_its_voxels_would_be(shared_data, name):
    image = sitk.ReadImage(str(shared_data / "volumes" / name))
    node = a_volume_node("smooth", sitk.GetArrayFromImage(image), ijk_to_ras(image))
    assert IntensityEstimate().guess(node) is guess_modality(volume_from_node(node))


def test_hounsfield_units_and_colour_are_seen_at_once(head):
    ct = a_volume_node("CT", np.where(head > 300, 40, -1000).astype(np.int16), MILLIMETRES)
    colour = a_volume_node("RGB", np.stack([head.clip(0, 255).astype(np.uint8)] * 3, axis=-1), MILLIMETRES)
    estimate = IntensityEstimate()
    assert (estimate.guess(ct), estimate.guess(colour)) == (Modality.CT, Modality.PET)


def test_limits_of_a_part_are_those_of_the_whole_or_nearly_so(head):
    node = a_volume_node("MR", head, MILLIMETRES)
    whole = find_mapping(volume_from_node(node), Modality.MR)
    found = IntensityEstimate().mapping(node, Modality.MR, None).window
    np.testing.assert_allclose(found, (whole.low, whole.high), atol=0.03 * (whole.high - whole.low))
    assert IntensityEstimate().mapping(node, Modality.MR, Window(10, 20)).window == (0, 20)


def test_what_was_found_is_kept_until_the_voxels_change(head):
    node, estimate = a_volume_node("MR", head, MILLIMETRES), IntensityEstimate()
    first = estimate.mapping(node, Modality.MR, None)
    slicer.util.arrayFromVolume(node)[:] *= 2
    assert estimate.mapping(node, Modality.MR, None) == first
    slicer.util.arrayFromVolumeModified(node)
    assert estimate.mapping(node, Modality.MR, None).high == pytest.approx(2 * first.high, rel=0.02)


def test_without_an_image_that_can_be_fused_there_is_no_guess(scene):
    estimate = IntensityEstimate()
    assert estimate.guess(None) is None
    assert estimate.guess(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")) is None
    assert estimate.guess(a_volume_node("flat", np.zeros((5, 5, 5), np.int16), OBLIQUE)) is None


def test_a_large_volume_does_not_stop_slicer():
    large = np.kron(a_head(64), np.ones((3, 4, 4), np.int16))[:160]
    node, estimate = a_volume_node("MR", large, MILLIMETRES), IntensityEstimate()
    began = time.process_time()
    assert estimate.guess(node) is Modality.MR and estimate.mapping(node, None, None)
    # Both together take 40 ms of a slow processor; all voxels would take 2 s.
    assert time.process_time() - began < 0.25


def test_a_large_smooth_volume_does_not_stop_slicer_for_long():
    node = a_volume_node("smooth", a_blob((192, 256, 256)), MILLIMETRES)
    began = time.process_time()
    assert IntensityEstimate().guess(node)
    # It takes 0.4 s of a slow processor, however large the volume; all voxels would take 1.5 s.
    assert time.process_time() - began < 0.9
