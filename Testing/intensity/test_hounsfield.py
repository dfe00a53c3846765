"""CSAFusionLib/intensity/hounsfield.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.intensity.evidence import is_in_hounsfield, shows_a_head
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume


def _volume(array: np.ndarray) -> Volume:
    return Volume(sitk.GetImageFromArray(array.astype(np.float32)), "volume")


def _a_head_in_hu() -> np.ndarray:
    generator = np.random.default_rng(0)
    head = np.full((10, 40, 40), -1000.0)
    head[:, 8:32, 8:32] = 1000
    head[:, 10:30, 10:30] = 35
    return head + generator.normal(0, 10, head.shape)


def test_air_and_soft_tissue_at_their_places_are_hounsfield_units() -> None:
    assert is_in_hounsfield(_volume(_a_head_in_hu()))


@pytest.mark.parametrize("scale, offset", [(1, 1024), (0.1, 0), (1, 24), (0.0002, 0.5)])
def test_a_shifted_or_scaled_ct_is_not_in_hounsfield_units(scale: float, offset: float) -> None:
    shifted = (np.maximum(_a_head_in_hu(), -1000) + (1000 if offset == 24 else 0)) * scale + offset
    assert not is_in_hounsfield(_volume(shifted))


def test_a_phase_image_is_not_in_hounsfield_units() -> None:
    assert not is_in_hounsfield(_volume(np.random.default_rng(0).uniform(-4096, 4096, (10, 40, 40))))


def test_of_the_real_volumes_only_the_ct_is_in_hounsfield_units(shared_data) -> None:
    volumes = shared_data / "volumes"
    assert is_in_hounsfield(read_volume(volumes / "rire" / "CT_slab_in_T1_grid_slices7-11.nii.gz"))
    for name in ("templates/scct", "open_ms/mni_patient07/T1", "rire/T1_slab_slices7-11", "templates/spm_SPECT"):
        assert not is_in_hounsfield(read_volume(volumes / f"{name}.nii.gz"))


@pytest.mark.parametrize("order", ["LPS", "PIR", "SRP", "RAS"])
@pytest.mark.parametrize(("wide", "deep", "is_head"), [(160, 200, True), (360, 240, False)])
def test_a_head_is_told_from_a_trunk_however_it_is_stored(order: str, wide: int, deep: int, is_head: bool) -> None:
    rows, columns = np.mgrid[-150:150:5, -200:200:5]
    body = np.hypot(2 * columns / wide, 2 * rows / deep) < 1
    image = sitk.GetImageFromArray(np.repeat(np.where(body, 40.0, -1000.0)[None], 12, axis=0))
    image.SetSpacing((5, 5, 5))
    assert shows_a_head(Volume(sitk.DICOMOrient(image, order), "volume")) is is_head


def test_real_heads_and_trunks_are_told_apart(shared_data) -> None:
    volumes = shared_data / "volumes"
    assert shows_a_head(read_volume(volumes / "rire" / "CT_slab_in_T1_grid_slices7-11.nii.gz"))
    assert not shows_a_head(read_volume(volumes / "petct" / "CT.nii.gz"))
