"""CSAFusionLib/fusion/pipeline.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.fusion.pipeline import warnings_of_pair
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import SourcePair
from CSAFusionLib.intensity.modality import Confidence, Guess, Modality
from CSAFusionLib.volumes.acquisition import Acquisition
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.weights.catalogue import TRAINED_ON, bundled_checksums, choose_weights


def roles_of(fixed: Modality, moving: Modality, contrasts: tuple[str, str] = ("", "")) -> SourcePair:
    values = np.random.default_rng(0).gamma(2, 100, (8, 30, 30)).astype(np.float32)
    volumes = [
        Volume(sitk.GetImageFromArray(values), "a volume", acquisition=Acquisition(contrast=contrast))
        for contrast in contrasts
    ]
    return SourcePair.settle(*volumes, FusionSettings(fixed_modality=fixed, moving_modality=moving))


def said(fixed: Modality, moving: Modality, contrasts: tuple[str, str] = ("", "")) -> list[str]:
    return warnings_of_pair(roles_of(fixed, moving, contrasts), choose_weights(fixed, moving))


@pytest.mark.parametrize("functional", [Modality.CT, Modality.PET, Modality.SPECT, Modality.MR])
def test_a_pair_that_was_trained_on_has_no_warning(functional: Modality) -> None:
    assert said(functional, Modality.MR) == said(Modality.MR, functional) == []
    assert said(Modality.MR, Modality.MR, ("T1", "T2")) == said(Modality.MR, Modality.MR, ("T2", "")) == []


@pytest.mark.parametrize(
    ("pair", "contrasts", "named"),
    [
        ((Modality.CT, Modality.CT), ("", ""), "not on CT with CT"),
        ((Modality.PET, Modality.SPECT), ("", ""), "not on PET with SPECT"),
        ((Modality.SPECT, Modality.CT), ("", ""), "not on CT with SPECT"),
        ((Modality.MR, Modality.MR), ("T1", "FLAIR"), "not on T1 with FLAIR"),
        ((Modality.MR, Modality.MR), ("DWI", ""), "not on DWI with an MR of unknown contrast"),
        ((Modality.MR, Modality.MR), ("T1", "contrast-enhanced T1"), "not on T1 with contrast-enhanced T1"),
        ((Modality.MR, Modality.MR), ("T2", "T2"), "not on T2 with T2"),
    ],
)
def test_another_pair_is_told_with_what_the_weights_were_trained_on(pair: tuple, contrasts: tuple, named: str) -> None:
    (sentence,) = said(*pair, contrasts)
    assert named in sentence
    assert f"trained on {TRAINED_ON[choose_weights(*pair)]}" in sentence


def test_pet_with_ct_says_what_one_patient_is_worth() -> None:
    (sentence,) = said(Modality.PET, Modality.CT)
    assert "No weights were trained on PET with CT" in sentence and "one patient" in sentence


def test_weights_of_the_user_s_own_are_not_judged() -> None:
    assert warnings_of_pair(roles_of(Modality.CT, Modality.CT), "mine.safetensors") == []


def test_weights_that_were_chosen_for_another_pair_are_told() -> None:
    (sentence,) = warnings_of_pair(roles_of(Modality.CT, Modality.MR), "spect-mr")
    assert "spect-mr were trained on SPECT with MR of heads, not on CT with MR" in sentence


def test_a_modality_that_the_values_leave_open_is_asked_for() -> None:
    pair = roles_of(Modality.MR, Modality.MR)
    unsure = replace(pair.moving, guess=Guess(Modality.MR, "values", Confidence.UNSURE), is_guess=True)
    (sentence,) = warnings_of_pair(replace(pair, moving=unsure), "t1-t2")
    assert "The moving volume was taken for an MR" in sentence and "--moving-modality" in sentence


def test_all_bundled_weights_say_what_they_were_trained_on() -> None:
    assert set(TRAINED_ON) == set(bundled_checksums())


@pytest.mark.parametrize(("unit", "told"), [("Bq/ml", "in Bq/ml"), ("", "without a unit")])
def test_a_pet_without_suv_says_why_and_another_volume_does_not(unit: str, told: str) -> None:
    pair = roles_of(Modality.MR, Modality.PET)
    made = Acquisition(unit=unit, suv_note="the header gives no body weight")
    pet = replace(pair.moving, volume=replace(pair.moving.volume, acquisition=made))
    assert warnings_of_pair(replace(pair, moving=pet), "pet-mr") == [
        f"The moving PET has no SUV, because the header gives no body weight; its values are told {told}."
    ]
    assert warnings_of_pair(replace(pair, moving=replace(pet, modality=Modality.SPECT)), "spect-mr") == []
