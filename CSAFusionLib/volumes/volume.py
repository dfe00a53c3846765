"""The volume every other part works on, and what a header, a sidecar or a name says of how it was acquired.

- A file's name and the sidecar beside it: BIDS suffixes, dcm2niix's JSON, common abbreviations.
- The contrast of an MR: from the names that people and scanners give it, and from its times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from CSAFusionLib import checks
from CSAFusionLib import lazy_simpleitk as sitk

if TYPE_CHECKING:
    from CSAFusionLib.volumes.dicom.frames import Frame


_LARGEST = 1e300


@dataclass(frozen=True)
class Acquisition:
    """How a volume was acquired, as far as it is known; empty where it is unknown.

    source: where the modality comes from, as a sentence names it: "DICOM header", "sidecar", "BIDS name" or "file
        name".
    contrast: of an MR, "T1", "T2", "FLAIR", "contrast-enhanced T1", "DWI", "PD", "T2*", "BOLD", "ASL" or "angiography".
    unit: of the volume's own values, as it is written: "Bq/ml", "HU", "counts".
    suv: factor from an own value to the standardised uptake value by body weight (g/ml); 0 if unknown.
    suv_note: why a PET has no SUV, worded to follow "has no SUV, because "; it is kept with results, so it holds no
        patient data.
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
        """Inverse of :meth:`to_dict`; raises InputError for anything else."""
        given: Mapping[str, Any] = checks.mapping(values, "acquisition of a volume")
        texts = {
            field.name: checks.text(given[field.name], field.name.replace("_", " "))
            for field in fields(cls)
            if field.name != "suv" and given.get(field.name)
        }
        return cls(suv=checks.number(given.get("suv", 0.0), "suv", "a factor", low=0, high=_LARGEST), **texts)


_WORD = r"(?<![a-z0-9]){}(?![a-z])"
# The first match counts: a FLAIR may be called "T2 FLAIR", and a DWI "EPI T2 DWI". A T1 FLAIR is a T1.
_NAMES = (
    ("DWI", r"(e?dwi|diff\w*|adc|dti|trace\w*|ep2d_diff\w*|dwibs)"),
    ("BOLD", r"(bold|fmri|rest(ing)?( ?state)?)"),
    ("ASL", r"(asl|pcasl|pasl|m0scan)"),
    ("angiography", r"(tof|mra|angio\w*)"),
    ("T2*", r"(t2\*|t2star\w*|swi|swan|hemo\w*|t2s)"),
    ("T1", r"t1w? flair"),
    ("FLAIR", r"(flair|tirm|dark[ _-]?fluid)"),
    ("PD", r"(pd|pdw|proton)"),
    ("T2", r"(t2w?|inplanet2)"),
    ("T1", r"(t1w?|mprage|spgr|bravo|fspgr|tfl3d\w*|mp2rage|uni(t1)?|inplanet1)"),
)
_AGENT = re.compile(
    _WORD.format(r"(gd|gado\w*|gad|post|t1c|t1ce|t1gd|ce|km)") + r"|\+ ?(c|gd|km)(?![a-z])|contrast[ _-]enhanced"
)
_ENHANCED = "contrast-enhanced T1"

# Spin echoes: T1 has both times short, T2 both long, FLAIR a long inversion beside a long echo. All in ms.
_SHORT_ECHO, _LONG_ECHO = 30, 70
_SHORT_REPETITION, _LONG_REPETITION = 1200, 1800
_FLUID_NULLED = (1500, 3200)


def contrast_of_names(names: Iterable[str], *, agent: bool = False) -> str:
    """Return the contrast that a name gives, "" where none does.

    names: of a series, protocol, sequence or file, in any case; the first that gives a contrast counts.
    agent: whether a contrast agent was given, which makes a T1 a contrast-enhanced one.
    """
    for name in names:
        text = re.sub(r"[_.\-/]", " ", name.lower())
        if re.search(_WORD.format(r"(t1c|t1ce|t1gd)"), text):
            return _ENHANCED
        for contrast, pattern in _NAMES:
            if re.search(_WORD.format(pattern), text):
                return _ENHANCED if contrast == "T1" and (agent or _AGENT.search(text)) else contrast
    return ""


def contrast_of_times(
    echo: float | None, repetition: float | None, inversion: float | None = None, *, agent: bool = False
) -> str:
    """Return the contrast that echo, repetition and inversion time (ms) imply, "" where they leave it open."""
    if echo is None or repetition is None:
        return ""
    if echo >= _LONG_ECHO and repetition >= _LONG_REPETITION:
        nulled = inversion is not None and _FLUID_NULLED[0] <= inversion <= _FLUID_NULLED[1]
        return "FLAIR" if nulled else "T2"
    if echo <= _SHORT_ECHO and 400 <= repetition <= _SHORT_REPETITION:
        return _ENHANCED if agent else "T1"
    return ""


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
    """Return the DICOM modality ("MR", "CT", "PT", "NM"; None if unknown) and the acquisition from sidecar and name.

    The sidecar takes precedence over the name, and a BIDS suffix over a plain one. An unreadable sidecar is ignored.
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
    """Return the contents of the JSON file named like a volume; empty where it is missing or cannot be read."""
    path = volume.with_name(f"{_EXTENSIONS.sub('', volume.name)}.json")
    try:
        if path.stat().st_size > _LARGEST_SIDECAR:
            return {}
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


@dataclass(frozen=True)
class Volume:
    """A 3-D image and what is known about it besides its voxels.

    image: 3-D, one component (scalar) or three (RGB), geometry in LPS mm.
    name: what messages call it (a file, folder or node name).
    modality_hint: DICOM Modality tag ("CT", "MR", "PT", "NM") where the source had one.
    notes: what a user must know about how it was read; every result includes them in its warnings. Each is worded to
        follow "The fixed volume", ends in a full stop, and names no file: provenance contains no patient data.
    frames: the DICOM frames of its slices, in order; empty for another source.
    slope, intercept: the volume's own value is ``slope * voxel + intercept``; other than 1 and 0 only for a volume that
      :func:`CSAFusionLib.intensity.voxel_values.within_float32` has rescaled.
    acquisition: how it was acquired, according to its header, sidecar or name.
    """

    image: sitk.Image
    name: str
    modality_hint: str | None = None
    notes: tuple[str, ...] = ()
    slope: float = 1.0
    intercept: float = 0
    frames: tuple[Frame, ...] = ()
    acquisition: Acquisition = Acquisition()

    @property
    def is_colour(self) -> bool:
        """True for an RGB volume."""
        return self.image.GetNumberOfComponentsPerPixel() == 3

    @property
    def is_rescaled(self) -> bool:
        """True where the voxels are not the volume's own values."""
        return self.slope != 1 or self.intercept != 0

    def own_value(self, voxel: float) -> float:
        """Convert a voxel's value to the volume's own value."""
        return self.slope * voxel + self.intercept

    def voxel_value(self, own: float) -> float:
        """Convert one of the volume's own values to a voxel's value."""
        return (own - self.intercept) / self.slope


def in_whole_numbers(colours: sitk.Image, like: sitk.Image) -> sitk.Image:
    """Colours in the number type of another image."""
    number_type = sitk.GetArrayViewFromImage(like).dtype
    values = sitk.GetArrayViewFromImage(colours)
    rounded = np.rint(values) if number_type.kind in "iu" else values
    image = sitk.GetImageFromArray(rounded.astype(number_type), isVector=True)
    image.CopyInformation(colours)
    return image
