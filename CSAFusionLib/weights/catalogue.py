"""Which weights are there, what they were trained on, and which of them fit two modalities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from CSAFusionLib.errors import InputError
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.weights.weights_file import file_sha256, read_weights

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion


TRAINED_ON = {
    "ct-mr": "CT with MR of heads",
    "spect-mr": "SPECT with MR of heads",
    "pet-mr": "PET with MR of heads",
    "t1-t2": "T1 with T2 of heads",
}


_FOLDER = Path(__file__).parent
_CHECKSUMS = _FOLDER / "SHA256SUMS"


FOR_PET_CT = "spect-mr"
"""The weights of a pair that none were trained on."""


@dataclass(frozen=True)
class WeightsInfo:
    """What was loaded: a bundled name or a file's name, the SHA-256 of the file, and the network's configuration."""

    name: str
    sha256: str
    configuration: NetworkConfiguration


def bundled_checksums() -> dict[str, str]:
    """Return the SHA-256 of every bundled weights file by name (without .safetensors)."""
    rows = [line.split() for line in _CHECKSUMS.read_text(encoding="ascii").splitlines()]
    return {name.removesuffix(".safetensors"): sha256 for sha256, name in rows}


def choose_weights(modality_a: Modality, modality_b: Modality) -> str:
    """Return the name of the bundled weights that fit two modalities, in either order.

    A pair the network was not trained on (CT-CT, PET-SPECT) gets the weights of the nearest pair. PET with CT gets
    those of SPECT: of the whole body of one patient they keep .45 of the contrast of a PET's lesions, and pet-mr .27
    (``Testing/benchmarks/benchmark_petct.py``).
    """
    both = {modality_a, modality_b}
    if both == {Modality.CT, Modality.PET}:
        return FOR_PET_CT
    for modality, name in ((Modality.PET, "pet-mr"), (Modality.SPECT, "spect-mr"), (Modality.CT, "ct-mr")):
        if modality in both:
            return name
    return "t1-t2"


def load_network(name_or_path: str | Path) -> tuple[CSAFusion, WeightsInfo]:
    """Load bundled weights by name, or a user's file by path; the network is in evaluation mode on the CPU.

    Raises:
        InputError: no such bundled weights or file, or the content does not match its checksum.
    """
    bundled = bundled_checksums()
    name = str(name_or_path)
    path = _FOLDER / f"{name}.safetensors" if name in bundled else Path(name_or_path)
    if name not in bundled and not path.suffix:
        raise InputError(f"There are no weights named {name}; choose {', '.join(sorted(bundled))} or give a file.")
    network, configuration = read_weights(path)
    sha256 = file_sha256(path)
    if name in bundled and sha256 != bundled[name]:
        raise InputError(f"The bundled weights {name} do not match their SHA-256; install CSAFusion again.")
    return network, WeightsInfo(name=name if name in bundled else path.name, sha256=sha256, configuration=configuration)
