"""CSAFusionLib/volumes/dicom/scaling.py."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.volumes.dicom.elements import HeaderError
from CSAFusionLib.volumes.dicom.scaling import Scale, chosen_scales, dose_scale_of, real_world_of, rescale_of
from Testing.volumes.dicom.objects import item

IDENTITY = Scale(1, 0, "US")
BOTH = frozenset({"slope", "intercept"})
MAPPING = Scale(0.5, 3, "real world value")


def test_a_rescale_is_taken_from_slope_and_intercept_or_either() -> None:
    assert rescale_of(item(RescaleSlope=2, RescaleIntercept=-1024)) == Scale(2, -1024, given=BOTH)
    assert rescale_of(item(RescaleIntercept=-1024)) == Scale(1, -1024, given=frozenset({"intercept"}))
    assert rescale_of(item()) is None


@pytest.mark.parametrize("slope", [0, [1, 2]])
def test_a_slope_that_is_none_is_refused(slope: object) -> None:
    with pytest.raises(HeaderError, match="Rescale Slope"):
        rescale_of(item(RescaleSlope=slope, RescaleIntercept=0))


def test_a_table_gives_the_values_of_stored_ones() -> None:
    table = item(LUTDescriptor=[4, 10, 16], LUTData=np.array([0, 5, 20, 80], "<u2").tobytes())
    scale = rescale_of(item(ModalityLUTSequence=[table]))
    np.testing.assert_array_equal(scale.apply(np.array([9, 10, 11, 13, 99], np.uint16)), [0, 0, 5, 80, 80])


def test_a_real_world_mapping_holds_where_the_rescale_says_nothing_in_all_frames() -> None:
    assert chosen_scales([(IDENTITY, MAPPING)] * 2) == [MAPPING] * 2
    assert chosen_scales([(None, MAPPING)]) == [MAPPING]
    assert chosen_scales([(IDENTITY, MAPPING), (Scale(2, 0), MAPPING)]) == [IDENTITY, Scale(2, 0)]
    assert chosen_scales([(Scale(1, 0, "HU"), MAPPING)]) == [Scale(1, 0, "HU")]
    assert chosen_scales([(None, None)]) == [Scale()]


def test_only_a_linear_mapping_is_one() -> None:
    linear = item(RealWorldValueSlope=0.5, RealWorldValueIntercept=3.0)
    assert real_world_of([item(), linear]) == MAPPING
    assert real_world_of([item()]) is None


def test_a_dose_without_a_scale_is_refused() -> None:
    assert dose_scale_of(item(DoseGridScaling=0.001)).slope == 0.001
    with pytest.raises(HeaderError, match="Dose Grid Scaling"):
        dose_scale_of(item())


def test_slices_that_lack_what_others_are_scaled_by_are_refused() -> None:
    whole, half = Scale(1, -1024, given=BOTH), Scale(1, 0, given=frozenset({"slope"}))
    assert chosen_scales([(half, None)] * 2) == [half, half]
    for other in (half, None):
        with pytest.raises(HeaderError, match="lack the rescale slope or intercept of the others"):
            chosen_scales([(whole, None), (other, None)])
