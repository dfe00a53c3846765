"""CSAFusionLib/intensity/mapping.py."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import SourcePair
from CSAFusionLib.intensity.mapping import CORRECTED, bias_corrected
from CSAFusionLib.volumes.volume import Volume


def a_head() -> tuple[Volume, np.ndarray]:
    """Two tissues in a ball, twice as bright on one side as on the other; and where the brighter tissue is."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, 24)] * 3, indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z)
    tissue = np.where(radius < 0.5, 200.0, np.where(radius < 0.9, 120.0, 0.0))
    noise = np.random.default_rng(0).normal(0, 3, tissue.shape)
    image = sitk.GetImageFromArray((tissue * 2 ** (x / 2) + noise).astype(np.float32))
    image.SetSpacing((6, 6, 6))
    return Volume(image, "head"), radius < 0.45


def spread_of(volume: Volume, where: np.ndarray) -> float:
    values = sitk.GetArrayFromImage(volume.image)[where]
    return float(values.std() / values.mean())


def test_one_tissue_is_alike_everywhere_after_the_correction() -> None:
    volume, core = a_head()
    corrected = bias_corrected(volume)
    assert spread_of(corrected, core) < spread_of(volume, core) / 2
    assert corrected.image.GetOrigin() == volume.image.GetOrigin()
    assert corrected.notes == (CORRECTED,)


def test_a_volume_too_thin_for_the_splines_is_left_alone() -> None:
    volume, _ = a_head()
    thin = Volume(volume.image[:, :, :3], "thin")
    assert bias_corrected(thin) is thin


def test_only_an_mr_is_corrected_and_only_when_asked() -> None:
    volume, _ = a_head()
    given = {"fixed_modality": "MR", "moving_modality": "PET"}
    plain = SourcePair.settle(volume, volume, FusionSettings(**given))
    asked = SourcePair.settle(volume, volume, FusionSettings(**given, bias_correction=True))
    assert plain.fixed.volume.notes == () == asked.moving.volume.notes
    assert asked.fixed.volume.notes == (CORRECTED,)
    assert any("N4" in note for note in asked.notes()[0])


def test_a_correction_without_an_mr_is_refused() -> None:
    volume, _ = a_head()
    settings = FusionSettings(fixed_modality="PET", moving_modality="SPECT", bias_correction=True)
    with pytest.raises(InputError, match="N4 corrects an MR"):
        SourcePair.settle(volume, volume, settings)
