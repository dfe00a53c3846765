"""Real volumes, from disk to the fused volume: geometry, registration, field of view, misalignment of a known warp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.spatial import KDTree

from CSAFusionLib.fusion.colour import apply_colour_table
from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.geometry.planes import Plane, to_slices
from CSAFusionLib.geometry.transform_algebra import map_points, target_registration_error
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.misalignment_map import measure_misalignment
from CSAFusionLib.registration.preparation import head_points, prepare
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.registration.transforms import read_transform
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume

pytestmark = pytest.mark.slow


@pytest.fixture
def volumes(shared_data: Path) -> Path:
    return shared_data / "volumes"


@pytest.fixture
def settings(weights_file: Path) -> FusionSettings:
    return FusionSettings(registration=Method.NONE, weights=str(weights_file), device="cpu")


def middle(volume: Volume, count: int) -> Volume:
    """The middle slices along the third axis, with their place in the patient."""
    first = volume.image.GetSize()[2] // 2 - count // 2
    return Volume(volume.image[:, :, first : first + count], volume.name)


@pytest.fixture
def a_quick_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """One convolution in the network's place: quick, and lopsided, so that a slice turned or mirrored gives it away."""

    class Lopsided(torch.nn.Conv2d):
        configuration = SimpleNamespace(gains=True, pointwise=False)

        def local_gains(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * torch.sigmoid(self(x))

    torch.manual_seed(0)
    network = Lopsided(2, 2, 5, padding=2).requires_grad_(False)
    weights = SimpleNamespace(name="lopsided", sha256="0" * 64)
    monkeypatch.setattr("CSAFusionLib.fusion.weight_maps.load_network", lambda name: (network, weights))


def test_ten_orientations_of_one_image_give_one_physical_result(
    volumes: Path, settings: FusionSettings, a_quick_network: None
) -> None:
    files = sorted((volumes / "orientations").glob("*.nii.gz"))
    assert len(files) == 10
    inputs = [read_volume(file) for file in files]
    fused = [fuse_volumes(volume, volume, settings).fused for volume in inputs]
    reference = sitk.GetArrayFromImage(fused[0])
    for file, volume, image in zip(files, inputs, fused, strict=True):
        assert same_grid(image, volume.image), file.name
        resampled = sitk.GetArrayFromImage(sitk.Resample(image, fused[0], sitk.Transform(), sitk.sitkLinear, -1.0))
        shared = resampled >= 0
        assert shared.mean() > 0.95, file.name
        assert np.abs(resampled - reference)[shared].max() < 1e-3, file.name


def test_an_oblique_pair_is_fused_in_its_own_plane_on_its_own_grid(volumes: Path, settings: FusionSettings) -> None:
    t1, t2 = (middle(read_volume(volumes / "stroke" / name), 6) for name in ("T1.nii.gz", "T2.nii.gz"))
    result = fuse_volumes(t1, t2, settings)
    assert same_grid(result.fused, t1.image)
    assert abs(np.linalg.det(np.reshape(result.fused.GetDirection(), (3, 3)))) == pytest.approx(1, abs=1e-3)
    fused = sitk.GetArrayFromImage(result.fused)
    empty = sitk.GetArrayFromImage(result.fixed_mapped) + sitk.GetArrayFromImage(result.moving_mapped) == 0
    assert 0.2 < empty.mean() < 0.9
    assert not fused[empty].any()


def test_a_pair_of_two_scans_is_registered_within_a_millimetre(
    csafusion: Callable, volumes: Path, tmp_path: Path
) -> None:
    patient = volumes / "open_ms" / "patient12"
    fixed = patient / "study1_T1W.nii.gz"
    words = ("register", fixed, patient / "study1_T2W.nii.gz", "--transform", tmp_path / "t.tfm")
    result = csafusion(*words, "-o", tmp_path / "t2.nii.gz")
    assert result.exit_code == 0, result.stderr
    truth = read_transform(volumes / "open_ms/ground_truth/patient12_fixed-study1_T1W_moving-study1_T2W.tfm")
    image = sitk.ReadImage(str(fixed))
    errors = target_registration_error(read_transform(tmp_path / "t.tfm"), truth, head_points(image))
    assert errors.mean() < 1
    assert same_grid(sitk.ReadImage(str(tmp_path / "t2.nii.gz")), image)
    assert "quality: good" in result.stdout


def test_a_ct_slab_changes_the_slices_it_covers_and_no_other(volumes: Path, settings: FusionSettings) -> None:
    mr = read_volume(volumes / "rire" / "training_001_mr_T1.mha")
    ct = read_volume(volumes / "rire" / "CT_slab_in_T1_grid_slices7-11.nii.gz")
    result = fuse_volumes(Volume(mr.image[:, :, 5:14], mr.name), ct, settings)
    assert result.provenance["moving"]["modality"] == "CT"
    changed = np.any(sitk.GetArrayFromImage(result.fused) != sitk.GetArrayFromImage(result.fixed_mapped), axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(changed), [2, 3, 4, 5, 6])
    covered = np.any(sitk.GetArrayFromImage(result.moving_mapped) > 0, axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(covered), [2, 3, 4, 5, 6])


def test_a_spect_stored_the_other_way_round_lands_on_the_mr_in_colour(volumes: Path, settings: FusionSettings) -> None:
    t1, spect = (read_volume(volumes / "templates" / name) for name in ("spm_T1.nii.gz", "spm_SPECT.nii.gz"))
    coloured = replace(settings, moving_modality=Modality.SPECT, colour_table="hot-iron")
    t1 = middle(t1, 12)
    result = fuse_volumes(t1, spect, coloured)
    assert same_grid(result.fused, t1.image)
    assert result.fused.GetPixelID() == sitk.sitkVectorUInt8
    # The hemispheres differ; were one volume mirrored, its mirror image would fit better.
    seen = to_slices(result.moving_mapped, Plane.AXIAL)[..., 0].astype(float)
    own = to_slices(sitk.Resample(spect.image, t1.image), Plane.AXIAL)
    assert (
        np.corrcoef(seen[6].ravel(), own[6].ravel())[0, 1] > np.corrcoef(seen[6].ravel(), own[6][:, ::-1].ravel())[0, 1]
    )


@pytest.mark.parametrize("modality", ["SPECT", "PET"])
def test_uptake_can_be_read_back_from_the_fused_colour(volumes: Path, modality: str) -> None:
    t1 = middle(read_volume(volumes / "templates" / "spm_T1.nii.gz"), 12)
    tracer = read_volume(volumes / "templates" / f"spm_{modality}.nii.gz")
    settings = FusionSettings(
        registration=Method.NONE, moving_modality=Modality[modality], colour_table="hot-iron", device="cpu"
    )
    result = fuse_volumes(t1, tracer, settings)
    positions = np.linspace(0, 1, 512, dtype=np.float32)
    nearest = KDTree(apply_colour_table(positions, "hot-iron"))
    white = result.provenance["moving"]["white"]
    uptake = np.clip(to_slices(result.moving_on_grid, Plane.AXIAL) / white, 0, 1)
    rgb = to_slices(result.fused, Plane.AXIAL) / 255
    hot = uptake >= 0.1
    read = positions[nearest.query(rgb[hot])[1]]
    assert np.abs(read - uptake[hot]).mean() <= 0.06
    assert np.corrcoef(read, uptake[hot])[0, 1] >= 0.9
    assert np.ptp(rgb[uptake == 0], axis=-1).max(initial=0) <= 1 / 255


def test_acute_blood_that_only_the_ct_shows_stands_out_beside_white_bone(volumes: Path) -> None:
    mr = read_volume(volumes / "rire" / "T1_slab_slices7-11.nii.gz")
    ct = read_volume(volumes / "rire" / "CT_slab_in_T1_grid_slices7-11.nii.gz")
    hounsfield = sitk.GetArrayFromImage(ct.image).astype(np.float32)
    slices, rows, columns = np.indices(hounsfield.shape)
    distance = np.sqrt((4 * (slices - 2)) ** 2 + (1.25 * (rows - 124)) ** 2 + (1.25 * (columns - 112)) ** 2)
    brain = (hounsfield > 10) & (hounsfield < 60) & (distance > 8) & (distance < 14)
    blood = hounsfield + np.clip(0.5 + (6 - distance) / 1.25, 0, 1) * (75 - hounsfield)
    marked = sitk.GetImageFromArray(blood)
    marked.CopyInformation(ct.image)
    result = fuse_volumes(mr, Volume(marked, "bleeding"), FusionSettings(registration=Method.NONE, device="cpu"))
    fused = sitk.GetArrayFromImage(result.fused)
    assert (fused[distance < 5].mean() - fused[brain].mean()) / fused[brain].std() >= 5
    assert np.median(fused[hounsfield > 400]) >= 0.9


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
