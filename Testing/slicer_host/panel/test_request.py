"""CSAFusionLib.slicer_host.panel.request"""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.intensity.colour import COLOUR_TABLES
from CSAFusionLib.slicer_host.panel.choices import (
    PRESETS,
    ColourChoice,
    Intensities,
    ModalityChoice,
    PlaneChoice,
    Reference,
    WeightsChoice,
    apply_preset,
    backend_name,
    preset_of,
)
from CSAFusionLib.slicer_host.panel.request import request_from
from CSAFusionLib.weights.catalogue import bundled_checksums


@pytest.fixture
def parameters(panel):
    return panel._parameterNode


def test_the_finer_grid_is_the_reference_unless_one_is_chosen(parameters, volumes):
    first, second = volumes
    assert request_from(parameters, "auto").fixed is first
    second.SetSpacing(*(np.array(second.GetSpacing()) / 2))
    assert request_from(parameters, "auto").fixed is second
    parameters.reference = Reference.A
    assert request_from(parameters, "auto").fixed is first
    parameters.reference = Reference.B
    assert request_from(parameters, "auto").fixed is second


@pytest.mark.parametrize("reference", [Reference.A, Reference.B])
def test_settings_of_a_and_b_become_those_of_fixed_and_moving(parameters, reference):
    parameters.reference = reference
    parameters.modalityA, parameters.intensitiesA = ModalityChoice.CT, Intensities.BRAIN
    parameters.balance = 0.5
    settings = request_from(parameters, "cuda:1").settings
    of_a, of_b = ("fixed", "moving") if reference is Reference.A else ("moving", "fixed")
    assert getattr(settings, f"{of_a}_modality").name == "CT" and getattr(settings, f"{of_b}_modality") is None
    assert getattr(settings, f"{of_a}_window").width == 80 and getattr(settings, f"{of_b}_window") is None
    assert settings.balance == (0.5 if reference is Reference.A else -0.5) and settings.device == "cuda:1"


def test_the_displayed_range_is_that_of_the_slice_views(parameters, volumes):
    display = volumes[0].GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(30, 40)
    parameters.intensitiesA = Intensities.DISPLAYED
    window = request_from(parameters, "auto").settings.fixed_window
    assert (window.low, window.high) == (25, 55)


def test_a_width_that_is_not_above_zero_is_told(parameters):
    parameters.intensitiesA, parameters.widthA = Intensities.GIVEN, 0.0
    with pytest.raises(InputError, match="width above 0"):
        request_from(parameters, "auto")


def test_the_colours_are_the_colour_tables_and_grey():
    tables = set(ColourChoice) - {ColourChoice.GREY}
    assert {backend_name(choice) for choice in tables} == set(COLOUR_TABLES)


def test_every_choice_of_the_panel_is_known_to_the_backend(parameters):
    for choices, name in ((Intensities, "intensitiesB"), (PlaneChoice, "plane"), (ModalityChoice, "modalityA")):
        for choice in choices:
            setattr(parameters, name, choice)
            request_from(parameters, "auto")
    bundled = set(WeightsChoice) - {WeightsChoice.AUTOMATIC, WeightsChoice.FILE}
    assert {backend_name(choice) for choice in bundled} == set(bundled_checksums())


def test_weights_of_ones_own_must_be_a_file(parameters, tmp_path):
    parameters.weights = WeightsChoice.FILE
    with pytest.raises(InputError, match="Choose the file"):
        request_from(parameters, "auto")
    parameters.weightsFile = tmp_path / "own.safetensors"
    parameters.weightsFile.touch()
    assert request_from(parameters, "auto").settings.weights == str(tmp_path / "own.safetensors")


def test_outputs_are_made_as_they_are_ticked(parameters):
    assert request_from(parameters, "auto").outputs.make == {"registered", "slice_table"}
    parameters.makeSliceTable, parameters.makeContribution = False, True
    assert request_from(parameters, "auto").outputs.make == {"registered", "contribution"}


def test_the_smoothing_through_slices_is_the_backends_until_it_is_changed(parameters, panel):
    assert request_from(parameters, "auto").settings.through_slice_smoothing == FusionSettings().through_slice_smoothing
    panel.ui.smoothingSlider.value = 0.0
    assert request_from(parameters, "auto").settings.through_slice_smoothing == 0


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.title)
def test_a_preset_can_be_run_at_once_and_keeps_the_volumes(parameters, preset):
    parameters.balance, parameters.plane, parameters.throughSliceSmoothing = 0.5, PlaneChoice.CORONAL, 0.0
    before = (parameters.volumeA, parameters.volumeB)
    apply_preset(preset, parameters)
    assert (
        preset_of(parameters) is preset and parameters.throughSliceSmoothing == FusionSettings().through_slice_smoothing
    )
    settings = request_from(parameters, "auto").settings
    assert (parameters.volumeA, parameters.volumeB) == before and settings.balance == 0
    assert (settings.colour_table is not None) == any(
        modality.is_functional for modality in (settings.fixed_modality, settings.moving_modality)
    )
