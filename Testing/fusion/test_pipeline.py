"""Two volumes in, one fused volume out; and what that may cost, held without a clock."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CSAFusionLib.errors import Cancelled, InputError
from CSAFusionLib.fusion import weight_maps
from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.registration import Method, Registration, TransformModel
from CSAFusionLib.volumes.volume import Volume


@pytest.fixture
def settings(weights_file: Path) -> FusionSettings:
    return FusionSettings(registration=Method.NONE, weights=str(weights_file), device="cpu", fixed_modality=Modality.MR)


def voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def turned(volume: Volume) -> Volume:
    """The same physical volume stored in another order of axes."""
    return replace(volume, image=sitk.DICOMOrient(volume.image, "SAR"))


def test_two_grey_volumes_give_a_grey_one_in_0_to_1_on_the_fixed_grid(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings
) -> None:
    result = fuse_volumes(an_mr, a_ct, settings)
    for image in (result.fused, result.fixed_mapped, result.moving_mapped):
        assert same_grid(image, an_mr.image)
        assert image.GetPixelID() == sitk.sitkFloat32
        assert 0 <= voxels(image).min() < voxels(image).max() <= 1
    assert voxels(result.moving_on_grid).min() == -1000
    assert result.registration.method is Method.NONE


def test_a_volume_in_colour_gives_rgb_bytes(an_mr: Volume, an_rgb: Volume, settings: FusionSettings) -> None:
    for fixed, moving in ((an_mr, an_rgb), (an_rgb, an_mr)):
        both = replace(settings, fixed_modality=None)
        fused = fuse_volumes(fixed, moving, both).fused
        assert fused.GetPixelID() == sitk.sitkVectorUInt8
        assert same_grid(fused, fixed.image)
        middle = voxels(fused)[6, 18].astype(int)
        assert middle[6, 0] > middle[6, 2]
        assert middle[33, 2] > middle[33, 0]


def test_a_colour_table_gives_rgb_bytes(an_mr: Volume, settings: FusionSettings) -> None:
    coloured = replace(settings, moving_modality=Modality.PET, colour_table="hot-iron")
    result = fuse_volumes(an_mr, an_mr, coloured)
    assert result.fused.GetPixelID() == result.moving_mapped.GetPixelID() == sitk.sitkVectorUInt8
    assert result.fixed_mapped.GetPixelID() == sitk.sitkFloat32


def test_the_storage_order_of_either_volume_changes_nothing(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings
) -> None:
    straight = fuse_volumes(an_mr, a_ct, settings).fused
    other_moving = fuse_volumes(an_mr, turned(a_ct), settings).fused
    other_fixed = fuse_volumes(turned(an_mr), a_ct, settings).fused
    assert not same_grid(other_fixed, straight)
    np.testing.assert_allclose(voxels(other_moving), voxels(straight), atol=1e-5)
    np.testing.assert_allclose(voxels(sitk.Resample(other_fixed, straight)), voxels(straight), atol=1e-5)


def test_ct_and_mr_go_to_the_same_channels_whichever_is_fixed(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings
) -> None:
    one = fuse_volumes(an_mr, a_ct, replace(settings, moving_modality=Modality.CT)).fused
    other = fuse_volumes(a_ct, an_mr, replace(settings, fixed_modality=Modality.CT, moving_modality=Modality.MR)).fused
    np.testing.assert_allclose(voxels(one), voxels(other), atol=1e-6)


def test_outside_the_moving_field_of_view_the_result_is_the_fixed_volume(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings
) -> None:
    slab = replace(a_ct, image=a_ct.image[:, :, 4:7])
    result = fuse_volumes(an_mr, slab, settings)
    fused, fixed = voxels(result.fused), voxels(result.fixed_mapped)
    outside = np.r_[0:4, 7:12]
    np.testing.assert_array_equal(fused[outside], fixed[outside])
    slab_alone, whole = (
        voxels(fuse_volumes(an_mr, moving, replace(settings, through_slice_smoothing=0)).fused)
        for moving in (slab, a_ct)
    )
    np.testing.assert_allclose(slab_alone[4:7], whole[4:7], atol=1e-6)


def test_the_network_is_shown_the_fixed_volume_where_the_moving_one_does_not_reach(
    an_mr: Volume, settings: FusionSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[torch.Tensor] = []

    class Recorder(torch.nn.Module):
        configuration = SimpleNamespace(gains=False, pointwise=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            shown.append(x)
            return x[:, :1]

    info = SimpleNamespace(name="none", sha256="")
    monkeypatch.setattr("CSAFusionLib.fusion.weight_maps.load_network", lambda name: (Recorder(), info))
    inverted = Volume(sitk.Mask(1000 - an_mr.image, an_mr.image > 0)[:22], "inverted")
    fuse_volumes(an_mr, inverted, replace(settings, moving_modality=Modality.MR))
    fixed, moving = torch.cat(shown).unbind(dim=1)
    assert (fixed[..., :22] != moving[..., :22]).any()
    torch.testing.assert_close(moving[..., 22:], fixed[..., 22:], rtol=0, atol=0)


def test_where_the_moving_volume_ends_within_a_slice_there_is_no_dark_seam(
    an_mr: Volume, settings: FusionSettings
) -> None:
    # Both volumes are equally bright everywhere, so that any dip in the result is made by the border.
    ramp = np.broadcast_to(np.linspace(900, 1000, 40, dtype=np.float32), (12, 36, 40)).copy()
    ramp[:, :2] = 0
    image = sitk.GetImageFromArray(ramp)
    image.CopyInformation(an_mr.image)
    fixed = Volume(image, "fixed")
    moving = Volume(image[:22], "moving")
    result = fuse_volumes(fixed, moving, replace(settings, moving_modality=Modality.MR))
    row, mapped = voxels(result.fused)[6, 18], voxels(result.fixed_mapped)[6, 18]
    np.testing.assert_array_equal(row[22:], mapped[22:])
    inner = row[2:-2]
    assert inner.min() >= min(row[2], mapped[2]) - 0.05


def test_a_registration_given_without_a_verdict_is_checked_and_a_bad_one_is_a_warning(
    an_mr: Volume, settings: FusionSettings
) -> None:
    astray = Registration(sitk.TranslationTransform(3, (14.0, 0.0, 0.0)), Method.BRAINS, TransformModel.RIGID, 1)
    result = fuse_volumes(an_mr, an_mr, settings, registration=astray)
    assert result.provenance["registration"]["verdict"]["level"] == "bad"
    assert result.warnings[0].startswith("The registration is bad: The alignment is wrong")
    assert "by about 14 mm" in result.warnings[0]
    assert result.registration.metric["better_mm"] == pytest.approx(14, abs=1)


def test_a_verdict_that_is_there_is_kept(an_mr: Volume, settings: FusionSettings) -> None:
    said = Quality(Grade.GOOD, "As good as said.")
    known = Registration(sitk.Euler3DTransform(), Method.SITK, TransformModel.RIGID, 1, {}, said)
    result = fuse_volumes(an_mr, an_mr, settings, registration=known)
    assert result.registration is known
    assert result.provenance["registration"]["verdict"] == {"level": "good", "reason": "As good as said."}


def test_a_known_registration_is_used_and_none_is_run(an_mr: Volume, settings: FusionSettings) -> None:
    shift = sitk.TranslationTransform(3, (4.0, 0.0, 0.0))
    known = Registration(shift, Method.SITK, TransformModel.RIGID, 0.0)
    result = fuse_volumes(an_mr, an_mr, settings, registration=known)
    assert result.registration.transform is shift
    assert (result.registration.method, result.registration.seconds) == (Method.SITK, 0.0)
    np.testing.assert_allclose(voxels(result.moving_on_grid)[..., :-2], voxels(an_mr.image)[..., 2:], atol=1e-3)


def test_another_plane_gives_another_result_on_the_same_grid(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings
) -> None:
    axial = fuse_volumes(an_mr, a_ct, settings).fused
    coronal = fuse_volumes(an_mr, a_ct, replace(settings, plane=Plane.CORONAL)).fused
    assert same_grid(axial, coronal)
    assert np.abs(voxels(axial) - voxels(coronal)).max() > 1e-4


def test_the_inputs_are_left_as_they_were(an_mr: Volume, an_rgb: Volume, settings: FusionSettings) -> None:
    before = voxels(an_mr.image).copy(), voxels(an_rgb.image).copy()
    fuse_volumes(an_mr, an_rgb, settings)
    np.testing.assert_array_equal(voxels(an_mr.image), before[0])
    np.testing.assert_array_equal(voxels(an_rgb.image), before[1])


def test_provenance_is_json_and_says_how_the_result_was_made(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings, weights_file: Path
) -> None:
    result = fuse_volumes(an_mr, a_ct, settings)
    provenance = json.loads(json.dumps(result.provenance))
    assert provenance["fixed"]["modality"] == "MR"
    assert provenance["moving"] | {"modality": "CT", "modality_is_guessed": True} == provenance["moving"]
    assert provenance["weights"]["name"] == "random.safetensors"
    assert provenance["registration"]["method"] == "NONE"
    assert provenance["warnings"] == result.warnings
    for private in (str(weights_file.parent), "mr.nii", "ct.nii"):
        assert private not in json.dumps(provenance)


def test_bad_weights_are_refused_before_any_registration(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_run(*args: object, **kwargs: object) -> None:
        raise AssertionError("registered in vain")

    monkeypatch.setattr("CSAFusionLib.registration.register.RegistrationRun.registered", must_not_run)
    with pytest.raises(InputError, match="no-such"):
        fuse_volumes(an_mr, a_ct, replace(settings, weights="no-such-weights"))


def test_a_bad_volume_is_refused_by_name(an_mr: Volume, settings: FusionSettings) -> None:
    constant = Volume(an_mr.image * 0, "constant.nii")
    with pytest.raises(InputError, match=r"constant\.nii"):
        fuse_volumes(an_mr, constant, settings)


def test_what_was_noted_on_reading_stands_among_the_warnings(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings
) -> None:
    noted = replace(an_mr, notes=("holds no orientation.",)), replace(a_ct, notes=("is tilted.", "has 3 gaps."))
    result = fuse_volumes(*noted, settings)
    said = ["The fixed volume holds no orientation.", "The moving volume is tilted.", "The moving volume has 3 gaps."]
    assert result.warnings[:3] == said
    assert result.provenance["warnings"] == result.warnings


def test_a_run_can_be_cancelled_between_batches(an_mr: Volume, a_ct: Volume, settings: FusionSettings) -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        if stage == "Fusing slices" and done:
            raise Cancelled

    with pytest.raises(Cancelled):
        fuse_volumes(an_mr, a_ct, replace(settings, batch_size=1), progress=cancel)


@pytest.mark.parametrize(("plane", "axis"), [(Plane.AXIAL, 2), (Plane.CORONAL, 1), (Plane.SAGITTAL, 0)])
def test_through_slice_smoothing_is_in_mm_across_the_slices_of_the_plane(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings, plane: Plane, axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    original = weight_maps.neighbour_weights
    monkeypatch.setattr(weight_maps, "neighbour_weights", lambda *how: asked.append(how) or original(*how))
    volumes = [replace(volume, image=sitk.Image(volume.image)) for volume in (an_mr, a_ct)]
    for volume in volumes:
        volume.image.SetSpacing((0.9, 1.3, 5.0))
    fused, alone = (
        voxels(fuse_volumes(*volumes, replace(settings, plane=plane, through_slice_smoothing=sigma)).fused)
        for sigma in (3, 0)
    )
    spacing = volumes[0].image.GetSpacing()[axis]
    assert asked == [(spacing, 3), (spacing, 0)]
    assert (fused != alone).any()


@pytest.mark.parametrize("moving_modality", [Modality.MR, Modality.CT])
def test_at_either_end_of_the_balance_one_volume_counts_alone(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings, moving_modality: Modality
) -> None:
    both = replace(settings, moving_modality=moving_modality)
    for balance, share in ((-1, 1), (1, 0)):
        result = fuse_volumes(an_mr, a_ct, replace(both, balance=balance), contribution=True)
        seen = voxels(result.fused) > 0
        np.testing.assert_allclose(voxels(result.contribution)[seen], share, atol=1e-6)


def test_a_source_that_counts_for_nothing_gives_no_colour(
    an_mr: Volume, an_rgb: Volume, settings: FusionSettings
) -> None:
    fused = voxels(fuse_volumes(an_mr, an_rgb, replace(settings, balance=-1)).fused).astype(int)
    assert np.ptp(fused, axis=-1).max() <= 1


def test_the_contribution_is_the_share_of_the_fixed_volume_in_the_fused_value(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings
) -> None:
    result = fuse_volumes(an_mr, a_ct, settings, contribution=True)
    share = voxels(result.contribution)
    assert same_grid(result.contribution, an_mr.image)
    only_fixed = (voxels(result.fixed_mapped) > 0) & (voxels(result.moving_mapped) == 0)
    only_moving = (voxels(result.fixed_mapped) == 0) & (voxels(result.moving_mapped) > 0)
    np.testing.assert_allclose(share[only_fixed], 1)
    np.testing.assert_allclose(share[only_moving], 0)
    slab = fuse_volumes(an_mr, replace(a_ct, image=a_ct.image[:, :, 4:7]), settings, contribution=True)
    assert (voxels(slab.contribution)[:4] == 1).all()


def test_a_contribution_that_nobody_asked_for_is_not_made(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("CSAFusionLib.fusion.slices.contribution_of_a", None)
    assert fuse_volumes(an_mr, a_ct, settings).contribution is None


def test_outside_the_region_the_result_is_the_fixed_volume(
    an_mr: Volume, a_ct: Volume, settings: FusionSettings
) -> None:
    inside = np.zeros(voxels(an_mr.image).shape, np.uint8)
    inside[3:6, 10:20, 12:30] = 1
    region = sitk.GetImageFromArray(inside)
    region.CopyInformation(an_mr.image)
    limited, whole = fuse_volumes(an_mr, a_ct, settings, region=region), fuse_volumes(an_mr, a_ct, settings)
    np.testing.assert_array_equal(voxels(limited.fused)[inside == 0], voxels(whole.fixed_mapped)[inside == 0])
    np.testing.assert_allclose(voxels(limited.fused)[inside == 1], voxels(whole.fused)[inside == 1], atol=1e-6)


def test_there_are_figures_for_every_slice(an_mr: Volume, a_ct: Volume, settings: FusionSettings) -> None:
    figures = fuse_volumes(an_mr, a_ct, settings).figures
    assert {len(values) for values in figures.values()} == {12}


def test_a_registration_s_warnings_stand_in_warnings_and_provenance(an_mr: Volume, settings: FusionSettings) -> None:
    quality = Quality(Grade.GOOD, "Fine.")
    given = Registration(sitk.Euler3DTransform(), Method.SITK, None, 1, quality=quality, warnings=("Apart.",))
    result = fuse_volumes(an_mr, an_mr, settings, registration=given)
    assert "Apart." in result.warnings
    assert "Apart." in result.provenance["warnings"]


SETTINGS = FusionSettings(
    registration=Method.NONE, device="cpu", fixed_modality=Modality.MR, moving_modality=Modality.MR
)

# Peak memory of a fusion of int16 volumes of this size, by a network that costs nothing, its inputs included.
_PEAK = """
import json, resource, sys
import numpy as np, SimpleITK as sitk, torch
from types import SimpleNamespace
from CSAFusionLib.fusion import pipeline, weight_maps
from Testing.fusion.test_pipeline import SETTINGS, a_volume
class Constant(torch.nn.Module):
    configuration = SimpleNamespace(gains=True, pointwise=False)
    def local_gains(self, x):
        return torch.full_like(x, 0.5)
weight_maps.load_network = lambda name: (Constant(), SimpleNamespace(name="", sha256=""))
fuse = lambda size: pipeline.fuse_volumes(a_volume(size, 0), a_volume(size, 1), SETTINGS)
fuse((32, 32, 32))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = fuse((192, 192, 160))
print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 192**2 / 160))
"""


def a_volume(size: tuple[int, int, int], seed: int) -> Volume:
    voxels = np.random.default_rng(seed).integers(0, 1000, size[::-1], np.int16)
    voxels[:, : size[1] // 8] = 0
    return Volume(sitk.GetImageFromArray(voxels), f"made {seed}")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count peak memory in other units, or not at all")
def test_a_voxel_takes_no_more_than_22_bytes_at_the_peak() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", _PEAK], cwd=root, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) < 22


def test_what_nobody_reads_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    from CSAFusionLib.fusion import result

    made: list[str] = []
    for name in ("slice_figures", "resample_to_grid", "to_pixels"):
        monkeypatch.setattr(result, name, lambda *_, name=name, **__: made.append(name))
    fuse_volumes(a_volume((32, 32, 8), 0), a_volume((32, 32, 8), 1), SETTINGS)
    assert made == []


def test_a_run_checks_each_volume_once_and_makes_one_field_of_view_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    from CSAFusionLib.fusion import pipeline
    from CSAFusionLib.geometry import field_of_view as of_view
    from CSAFusionLib.registration import register

    called: list[str] = []
    for module, name in ((pipeline, "check_volume"), (register, "check_volume"), (of_view, "field_of_view")):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, name=name, original=original: called.append(name) or original(*given)
        )
    shifted = a_volume((32, 32, 8), 1)
    shifted.image.SetOrigin((3.0, 0.0, 0.0))
    fuse_volumes(a_volume((32, 32, 8), 0), shifted, SETTINGS)
    assert sorted(called) == ["check_volume", "check_volume", "field_of_view"]
