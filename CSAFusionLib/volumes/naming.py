"""What the name of a volume file and the sidecar beside it say: BIDS suffixes, dcm2niix's JSON, plain habits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from CSAFusionLib.volumes.acquisition import Acquisition
from CSAFusionLib.volumes.mr_contrast import contrast_of_names, contrast_of_times

_EXTENSIONS = re.compile(r"(\.nii|\.nrrd|\.nhdr|\.mha|\.mhd|\.hdr|\.img)(\.gz)?$", re.IGNORECASE)
_LARGEST_SIDECAR = 2**20
_DICOM_MODALITIES = ("MR", "CT", "PT", "NM")

_BIDS_MR = (
    "T1w", "T2w", "FLAIR", "PDw", "PDT2", "T2star", "T2starw", "T1rho", "UNIT1", "MP2RAGE", "MPM", "inplaneT1",
    "inplaneT2", "angio", "dwi", "bold", "sbref", "cbv", "asl", "m0scan", "swi", "T1map", "T2map", "R1map", "R2map",
)  # fmt: skip
_BIDS = {**dict.fromkeys(_BIDS_MR, "MR"), "pet": "PT", "ct": "CT", "CT": "CT", "spect": "NM"}
_PLAIN = {
    **dict.fromkeys(("mr", "mri", "t1", "t1w", "t2", "t2w", "flair", "dwi", "adc", "pd", "pdw", "swi"), "MR"),
    **dict.fromkeys(("t1c", "t1ce", "t1gd", "mprage", "t2s", "t2star", "bold"), "MR"),
    **dict.fromkeys(("pet", "fdg", "suv", "petsuv", "suvpet"), "PT"),
    **dict.fromkeys(("ct", "ctres"), "CT"),
    **dict.fromkeys(("spect", "nm"), "NM"),
}
_UNITS = {"bqml": "Bq/ml", "bq/ml": "Bq/ml", "kbq/ml": "kBq/ml", "gml": "g/ml", "g/ml": "g/ml", "cnts": "counts"}


def said_beside(path: Path) -> tuple[str | None, Acquisition]:
    """Return the DICOM modality ("MR", "CT", "PT", "NM"; None where nothing says it) and what else is said.

    The sidecar goes before the name, a BIDS suffix before a plain one. A sidecar that cannot be read says nothing.
    """
    stem, sidecar = _EXTENSIONS.sub("", path.name), sidecar_of(path)
    modality, source = _named(stem)
    if sidecar.get("Modality") in _DICOM_MODALITIES:
        modality, source = sidecar["Modality"], "sidecar"
    contrast = _contrast(stem, sidecar) if modality in ("MR", None) else ""
    unit = _UNITS.get(str(sidecar.get("Units", "")).lower().replace(" ", ""), "")
    return modality, Acquisition(source=source, contrast=contrast, unit=unit)


def _named(stem: str) -> tuple[str | None, str]:
    parts = stem.split("_")
    if stem.startswith("sub-") and parts[-1] in _BIDS:
        return _BIDS[parts[-1]], "BIDS name"
    last = re.split(r"[_.\- ]", stem)[-1].lower()
    return (_PLAIN[last], "file name") if last in _PLAIN else (None, "")


def _contrast(stem: str, sidecar: dict[str, Any]) -> str:
    agent = bool(sidecar.get("ContrastBolusAgent") or sidecar.get("ContrastBolusIngredient")) or "_ce-" in stem
    names = [str(sidecar[key]) for key in ("SeriesDescription", "ProtocolName", "SequenceName") if key in sidecar]
    times = (sidecar.get(key) for key in ("EchoTime", "RepetitionTime", "InversionTime"))
    echo, repetition, inversion = (1000 * time if isinstance(time, int | float) else None for time in times)
    last = re.split(r"[_.\- ]", stem)[-1]
    return contrast_of_names([last, *names], agent=agent) or contrast_of_times(echo, repetition, inversion, agent=agent)


def sidecar_of(volume: Path) -> dict[str, Any]:
    """Return what the JSON file of a volume's name holds; nothing where it is missing or cannot be read."""
    path = volume.with_name(f"{_EXTENSIONS.sub('', volume.name)}.json")
    try:
        if path.stat().st_size > _LARGEST_SIDECAR:
            return {}
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
