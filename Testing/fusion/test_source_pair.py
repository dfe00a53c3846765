"""What is settled of a pair, what is said of it, and both on one grid."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import AlignedPair, SourcePair
from CSAFusionLib.geometry.grid import lowest_value
from CSAFusionLib.intensity.mapping import WHITE_MATTER_OF_T1, WHITE_MATTER_OF_T2, Window
from CSAFusionLib.intensity.modality import Confidence, Guess, Modality
from CSAFusionLib.volumes.volume import Acquisition, Volume
from CSAFusionLib.weights.weights_file import TRAINED_ON, bundled_checksums, choose_weights

IDENTITY = sitk.Transform(3, sitk.sitkIdentity)
AS_MR = FusionSettings(fixed_modality=Modality.MR, moving_modality=Modality.MR)


def test_a_modality_the_user_gives_is_not_guessed(an_mr: Volume, a_ct: Volume) -> None:
    pair = SourcePair.settle(an_mr, a_ct, FusionSettings(fixed_modality=Modality.SPECT))
    chosen = pair.fixed
    guessed = pair.moving
    assert (chosen.modality, chosen.is_guess) == (Modality.SPECT, False)
    assert (guessed.modality, guessed.is_guess) == (Modality.CT, True)


def test_a_window_the_user_gives_is_used(an_mr: Volume, a_ct: Volume) -> None:
    pair = SourcePair.settle(an_mr, a_ct, FusionSettings(moving_window=Window(40, 80)))
    ct = pair.moving
    assert (ct.mapping.low, ct.mapping.high) == (0, 80)


def test_a_colour_table_colours_the_functional_volume_only(an_mr: Volume) -> None:
    settings = FusionSettings(fixed_modality=Modality.MR, moving_modality=Modality.PET, colour_table="hot-iron")
    pair = AlignedPair.bring(SourcePair.settle(an_mr, an_mr, settings), IDENTITY)
    assert pair.fixed.chrominance is None
    assert pair.moving.chrominance is not None


def test_a_colour_table_without_a_functional_volume_is_refused(an_mr: Volume, a_ct: Volume) -> None:
    with pytest.raises(InputError, match="'mr.nii' was taken as MR and 'ct.nii' as CT"):
        SourcePair.settle(an_mr, a_ct, FusionSettings(fixed_modality=Modality.MR, colour_table="hot-iron"))


def test_a_volume_in_colour_keeps_its_own_colours(an_mr: Volume, an_rgb: Volume) -> None:
    settings = FusionSettings(fixed_modality=Modality.MR, colour_table="hot-iron")
    pair = SourcePair.settle(an_mr, an_rgb, settings)
    colour = pair.moving
    assert colour.colour_table is None


def test_intensities_are_mapped_once_for_the_volume_and_not_slice_by_slice(an_mr: Volume) -> None:
    voxels = sitk.GetArrayFromImage(an_mr.image) * np.linspace(0.2, 1, 12, dtype=np.float32)[:, None, None]
    image = sitk.GetImageFromArray(voxels)
    image.CopyInformation(an_mr.image)
    pair = AlignedPair.bring(SourcePair.settle(Volume(image, "graded"), an_mr, AS_MR), IDENTITY)
    brightest = pair.fixed.luminance.max(axis=(1, 2))
    assert (np.diff(brightest[2:10]) > 0).all()


def test_the_moving_volume_comes_onto_the_fixed_grid(an_mr: Volume) -> None:
    shift = sitk.TranslationTransform(3, (4.0, 0.0, 0.0))
    settings = replace(AS_MR, fixed_window=Window(0, 100), moving_window=Window(0, 100))
    pair = AlignedPair.bring(SourcePair.settle(an_mr, an_mr, settings), shift)
    np.testing.assert_allclose(pair.moving.luminance[:, :, :-2], pair.fixed.luminance[:, :, 2:], atol=1e-5)
    assert not pair.coverage[:, :, -1].any()
    assert pair.coverage[:, :, 0].all()


def test_volumes_that_do_not_meet_are_refused(an_mr: Volume) -> None:
    with pytest.raises(InputError, match="does not overlap"):
        AlignedPair.bring(SourcePair.settle(an_mr, an_mr, AS_MR), sitk.TranslationTransform(3, (500.0, 0.0, 0.0)))


def test_an_input_describes_itself_in_json(an_mr: Volume) -> None:
    pair = SourcePair.settle(an_mr, an_mr, FusionSettings(fixed_window=Window(50, 100)))
    found = pair.fixed
    assert json.loads(json.dumps(found.describe())) == {
        "modality": "MR",
        "modality_is_guessed": True,
        "modality_from": "values",
        "confidence": "likely",
        "contrast": "",
        "black": 0.0,
        "white": 100.0,
        "unit": "",
        "knee": None,
        "colour_table": None,
    }


def test_outside_a_ct_is_air_and_outside_colour_is_black(a_ct: Volume, an_rgb: Volume) -> None:
    assert lowest_value(a_ct.image) == -1000
    assert lowest_value(an_rgb.image) == 0


def test_a_window_that_shows_a_volume_in_one_grey_is_refused(an_mr: Volume) -> None:
    for window in (Window(-5000, 10), Window(0, 1e9)):
        with pytest.raises(InputError, match="all of 'mr.nii' in one grey; give one that fits its values"):
            SourcePair.settle(an_mr, an_mr, FusionSettings(moving_window=window))


def test_black_and_white_are_told_in_the_volume_s_own_values(an_mr: Volume) -> None:
    far = Volume(sitk.Cast(an_mr.image, sitk.sitkFloat64) + 2e9, "far")
    near = SourcePair.settle(an_mr, an_mr, AS_MR).moving
    found = SourcePair.settle(an_mr, far, AS_MR).moving
    for limit in ("black", "white"):
        assert found.describe()[limit] - 2e9 == pytest.approx(near.describe()[limit], rel=1e-3, abs=0.1)


@pytest.fixture
def a_t1_and_a_t2(an_mr: Volume) -> tuple[Volume, Volume]:
    """Of the first most is bright, of the second most is dark; both have much of one even tissue."""
    values = np.linspace(0.1, 1, 12 * 36 * 40, dtype=np.float32).reshape(sitk.GetArrayViewFromImage(an_mr.image).shape)
    volumes = []
    for name, grey, even in (("t1", 1 - (1 - values) ** 3, 0.6), ("t2", values**3, 0.4)):
        grey[:, 8:24, 8:24] = even
        image = sitk.GetImageFromArray(grey * 1000)
        image.CopyInformation(an_mr.image)
        volumes.append(Volume(image, name))
    return volumes[0], volumes[1]


def test_of_two_mr_volumes_the_one_with_bright_fluid_is_b(a_t1_and_a_t2: tuple[Volume, Volume]) -> None:
    t1, t2 = a_t1_and_a_t2
    assert SourcePair.settle(t1, t2, AS_MR).in_order("t1", "t2") == ("t1", "t2")
    assert SourcePair.settle(t2, t1, AS_MR).in_order("t2", "t1") == ("t1", "t2")
    assert SourcePair.settle(t2, t2, AS_MR).fixed_is_a


@pytest.mark.parametrize("fixed_is_t1", [True, False])
def test_both_mr_volumes_are_windowed_for_their_white_matter(
    a_t1_and_a_t2: tuple[Volume, Volume], fixed_is_t1: bool
) -> None:
    t1, t2 = a_t1_and_a_t2
    pair = SourcePair.settle(*((t1, t2) if fixed_is_t1 else (t2, t1)), AS_MR)
    for one, even, wanted in zip(
        pair.in_order(pair.fixed, pair.moving), (600, 400), (WHITE_MATTER_OF_T1, WHITE_MATTER_OF_T2), strict=True
    ):
        assert one.mapping(np.float32(even)) == pytest.approx(wanted, abs=0.01)


def test_a_window_asked_for_a_t1_is_kept(a_t1_and_a_t2: tuple[Volume, Volume]) -> None:
    pair = SourcePair.settle(*a_t1_and_a_t2, replace(AS_MR, fixed_window=Window(450, 900)))
    assert (pair.fixed.mapping.high, pair.fixed.mapping.knee) == (900, None)


def roles_of(fixed: Modality, moving: Modality, contrasts: tuple[str, str] = ("", "")) -> SourcePair:
    values = np.random.default_rng(0).gamma(2, 100, (8, 30, 30)).astype(np.float32)
    volumes = [
        Volume(sitk.GetImageFromArray(values), "a volume", acquisition=Acquisition(contrast=contrast))
        for contrast in contrasts
    ]
    return SourcePair.settle(*volumes, FusionSettings(fixed_modality=fixed, moving_modality=moving))


def said(fixed: Modality, moving: Modality, contrasts: tuple[str, str] = ("", "")) -> list[str]:
    return roles_of(fixed, moving, contrasts).warnings(choose_weights(fixed, moving))


@pytest.mark.parametrize("functional", [Modality.CT, Modality.PET, Modality.SPECT])
def test_a_pair_that_was_trained_on_has_no_warning(functional: Modality) -> None:
    assert said(functional, Modality.MR) == said(Modality.MR, functional) == []
    assert said(Modality.MR, Modality.MR, ("T1", "T2")) == said(Modality.MR, Modality.MR, ("T1", "")) == []


@pytest.mark.parametrize("other", ["T2", "FLAIR", "T2*", "PD", ""])
def test_a_volume_that_is_called_t1_is_the_t1_whatever_the_values(a_t1_and_a_t2, other: str) -> None:
    volumes = [
        replace(volume, acquisition=Acquisition(contrast=contrast))
        for volume, contrast in zip(a_t1_and_a_t2, (other, "T1"), strict=True)
    ]
    assert not SourcePair.settle(*volumes, AS_MR).fixed_is_a
    assert SourcePair.settle(*volumes[::-1], AS_MR).fixed_is_a


@pytest.mark.parametrize("contrasts", [("T1", "contrast-enhanced T1"), ("T2", "FLAIR"), ("", "T2")])
def test_where_names_do_not_tell_the_t1_the_values_do(a_t1_and_a_t2, contrasts: tuple[str, str]) -> None:
    volumes = [
        replace(volume, acquisition=Acquisition(contrast=contrast))
        for volume, contrast in zip(a_t1_and_a_t2, contrasts, strict=True)
    ]
    assert SourcePair.settle(*volumes, AS_MR).fixed_is_a
    assert not SourcePair.settle(*volumes[::-1], AS_MR).fixed_is_a


@pytest.mark.parametrize(("contrasts", "is_told"), [(("", ""), True), (("T2", ""), True), (("T1", "T1"), False)])
def test_it_is_told_that_the_t1_is_unsure(contrasts: tuple[str, str], is_told: bool) -> None:
    sentences = " ".join(said(Modality.MR, Modality.MR, contrasts))
    assert ("Which of the two MR volumes is the T1 is left open" in sentences) is is_told


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
    sentence = said(*pair, contrasts)[-1]
    assert named in sentence
    assert f"trained on {TRAINED_ON[choose_weights(*pair)]}" in sentence


def test_pet_with_ct_says_what_one_patient_is_worth() -> None:
    (sentence,) = said(Modality.PET, Modality.CT)
    assert "No weights were trained on PET with CT" in sentence and "one patient" in sentence


def test_weights_of_the_user_s_own_are_not_judged() -> None:
    assert roles_of(Modality.CT, Modality.CT).warnings("mine.safetensors") == []


def test_weights_that_were_chosen_for_another_pair_are_told() -> None:
    (sentence,) = roles_of(Modality.CT, Modality.MR).warnings("spect-mr")
    assert "spect-mr were trained on SPECT with MR of heads, not on CT with MR" in sentence


def test_a_modality_that_the_values_leave_open_is_asked_for() -> None:
    pair = roles_of(Modality.MR, Modality.MR, ("T1", ""))
    unsure = replace(pair.moving, guess=Guess(Modality.MR, "values", Confidence.UNSURE))
    (sentence,) = replace(pair, moving=unsure).warnings("t1-t2")
    assert "The moving volume was taken for an MR" in sentence and "--moving-modality" in sentence


def test_all_bundled_weights_say_what_they_were_trained_on() -> None:
    assert set(TRAINED_ON) == set(bundled_checksums())


@pytest.mark.parametrize(("unit", "told"), [("Bq/ml", "in Bq/ml"), ("", "without a unit")])
def test_a_pet_without_suv_says_why_and_another_volume_does_not(unit: str, told: str) -> None:
    pair = roles_of(Modality.MR, Modality.PET)
    made = Acquisition(unit=unit, suv_note="the header gives no body weight")
    pet = replace(pair.moving, volume=replace(pair.moving.volume, acquisition=made))
    assert replace(pair, moving=pet).warnings("pet-mr") == [
        f"The moving PET has no SUV, because the header gives no body weight; its values are given {told}."
    ]
    assert replace(pair, moving=replace(pet, modality=Modality.SPECT)).warnings("spect-mr") == []


def test_the_colour_of_a_trunk_says_where_bone_and_air_show_better(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = roles_of(Modality.CT, Modality.PET)
    monkeypatch.setattr(type(pair.fixed), "shows_a_trunk", True)
    in_colour = replace(pair, moving=replace(pair.moving, colour_table="hot-iron"))
    assert not any("--style overlay" in sentence for sentence in pair.warnings("pet-mr"))
    assert in_colour.warnings("pet-mr")[-1].endswith("show less than in an overlay (--style overlay).")
