"""CSAFusionLib/intensity/windows.py."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import SourcePair
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.windows import display_unit
from CSAFusionLib.volumes.acquisition import Acquisition
from CSAFusionLib.volumes.volume import Volume


def a_pet(acquisition: Acquisition) -> Volume:
    values = np.random.default_rng(0).gamma(2, 1000, (8, 20, 20)).astype(np.float32)
    return Volume(sitk.GetImageFromArray(values), "pet", "PT", acquisition=acquisition)


def described(acquisition: Acquisition, **settings: object) -> dict:
    volume = a_pet(acquisition)
    given = FusionSettings(fixed_modality=Modality.PET, moving_modality=Modality.PET, **settings)
    return SourcePair.settle(volume, volume, given).fixed.describe()


def test_a_pet_whose_header_gives_it_is_told_in_suv_and_its_window_given_in_suv() -> None:
    own, suv = described(Acquisition(unit="Bq/ml")), described(Acquisition(unit="Bq/ml", suv=0.001))
    assert (own["unit"], suv["unit"]) == ("Bq/ml", "SUV")
    assert np.isclose(suv["white"], own["white"] / 1000)
    asked = described(Acquisition(unit="Bq/ml", suv=0.001), fixed_window="2.5,5")
    assert (asked["black"], asked["white"]) == (0, 5)


def test_a_ct_is_told_in_hounsfield_units_and_an_mr_has_no_unit() -> None:
    values = np.full((8, 20, 20), -1000, np.int16)
    values[2:6, 4:16, 4:16] = 40
    ct = Volume(sitk.GetImageFromArray(values), "ct")
    assert (display_unit(ct, Modality.CT), display_unit(ct, Modality.MR)) == ("HU", "")
