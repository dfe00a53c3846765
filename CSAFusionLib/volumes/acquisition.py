"""What a header, a sidecar or a name says of how a volume was made, beside where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from CSAFusionLib import checks

_LARGEST = 1e300


@dataclass(frozen=True)
class Acquisition:
    """What is known of a volume's making; empty where nothing says it.

    source: what says the modality, as a sentence names it: "DICOM header", "sidecar", "BIDS name" or "file name".
    contrast: of an MR, "T1", "T2", "FLAIR", "contrast-enhanced T1", "DWI", "PD", "T2*", "BOLD", "ASL" or "angiography".
    unit: of the volume's own values, as it is written: "Bq/ml", "HU", "counts".
    suv: what an own value is multiplied by to become a standardised uptake value by body weight (g/ml); 0 is not known.
    suv_note: why a PET has no SUV, as the part of a sentence that follows "has no SUV, because ".
    """

    source: str = ""
    contrast: str = ""
    unit: str = ""
    suv: float = 0.0
    suv_note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> Acquisition:
        """What :meth:`to_dict` gave; InputError for anything else."""
        given: Mapping[str, Any] = checks.mapping(values, "acquisition of a volume")
        texts = {
            field.name: checks.text(given[field.name], field.name.replace("_", " "))
            for field in fields(cls)
            if field.name != "suv" and given.get(field.name)
        }
        return cls(suv=checks.number(given.get("suv", 0.0), "suv", "a factor", low=0, high=_LARGEST), **texts)
