"""CSAFusionLib/volumes/acquisition.py."""

from __future__ import annotations

import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.acquisition import Acquisition


def test_it_travels_as_json_values() -> None:
    known = Acquisition(source="DICOM header", unit="Bq/ml", suv=0.0003, contrast="")
    assert Acquisition.from_dict(known.to_dict()) == known
    assert Acquisition.from_dict({}) == Acquisition()


@pytest.mark.parametrize("values", [[], {"suv": -1}, {"suv": "1"}, {"unit": 3}])
def test_what_is_no_acquisition_is_refused(values: object) -> None:
    with pytest.raises(InputError):
        Acquisition.from_dict(values)
