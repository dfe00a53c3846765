"""Read, write and average weights files, and choose the bundled weights that fit two modalities.

A file is safetensors with its network configuration and a checksum of its tensors. Two sets of weights of one
configuration can be averaged into one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, atomic_write
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.volumes.input_path import check_input_path

if TYPE_CHECKING:
    from torch import Tensor

    from CSAFusionLib.network.csafusion import CSAFusion


FORMAT = "csafusion-1"


def save_weights(network: CSAFusion, path: Path, *, about: dict[str, str] | None = None) -> None:
    """Write ``network``'s weights, its configuration and their checksum to ``path`` (.safetensors).

    Args:
        network: a :class:`CSAFusionLib.network.csafusion.CSAFusion`.
        path: the file to write.
        about: further text entries for the file's metadata, such as the training's seed.

    Raises:
        InputError: the disk refuses the file.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    configuration = json.dumps(network.configuration.to_dict(), sort_keys=True)
    metadata = dict(about or {})
    metadata["format"] = FORMAT
    metadata["configuration"] = configuration
    metadata["tensors_sha256"] = tensors_sha256(tensors)
    metadata["sha256"] = _content_sha256(configuration, metadata["tensors_sha256"])

    content = _in_one_order(save(tensors, metadata))

    def write(file: Path) -> None:
        file.write_bytes(content)
        if not _holds(file, metadata["tensors_sha256"]):
            raise Unwritable("the disk does not keep it whole")

    atomic_write({path: write})


def _in_one_order(content: bytes) -> bytes:
    """The same safetensors file with sorted metadata: the library shuffles it, so no two files would be equal."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def read_weights(path: Path) -> tuple[CSAFusion, NetworkConfiguration]:
    """Read a weights file and return the network in evaluation mode on the CPU, and its configuration.

    Raises:
        InputError: the file is missing, is not a CSAFusion weights file, its content does not match its checksum or
            does not fit its configuration, or it holds values that are not finite.
    """
    import torch

    from CSAFusionLib.network.csafusion import CSAFusion

    metadata, tensors = _read_file(path)
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path.name} is not a CSAFusion weights file; give one that `csafusion train` wrote.")
    _check_checksums(metadata, tensors, path)
    configuration = _configuration_of(metadata, path)
    network = CSAFusion(configuration) if _is_of_size(tensors, configuration) else None
    if network is None or not _fits(tensors, network):
        raise InputError(f"The weights file {path.name} does not fit this version's network; train it again.")
    _check_finite(tensors, path)
    network.load_state_dict(tensors)
    # Channels last spares the decoder's window attention copies: about a quarter faster on a CPU.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval(), configuration


def tensors_sha256(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 over the names, types, shapes and bytes of ``tensors``, in the order of their names."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        # As bytes first: numpy does not support all types of a tensor.
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_file(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    if check_input_path(path):
        raise InputError(f"'{path}' is a folder; give the path of a .safetensors file.")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
        # The last three: tensors of a type that this PyTorch does not support.
        raise InputError(f"The weights file {path.name} cannot be read as safetensors: {error}.") from error


def _holds(path: Path, checksum: str) -> bool:
    try:
        return tensors_sha256(_read_file(path)[1]) == checksum
    except InputError:
        return False


def _check_checksums(metadata: dict[str, str], tensors: dict[str, Tensor], path: Path) -> None:
    of_tensors = tensors_sha256(tensors)
    good = metadata.get("tensors_sha256") == of_tensors
    # Files of earlier versions have no checksum of their configuration.
    if "sha256" in metadata:
        good &= metadata["sha256"] == _content_sha256(metadata.get("configuration", ""), of_tensors)
    if not good:
        raise InputError(f"The weights file {path.name} is damaged (its checksum does not match); get it again.")


def _content_sha256(configuration: str, of_tensors: str) -> str:
    return hashlib.sha256(f"{FORMAT} {configuration} {of_tensors}".encode()).hexdigest()


def _configuration_of(metadata: dict[str, str], path: Path) -> NetworkConfiguration:
    try:
        return NetworkConfiguration.from_dict(json.loads(metadata.get("configuration", "")))
    except (ValueError, RecursionError) as error:
        reason = str(error).rstrip(".")
        raise InputError(
            f"The weights file {path.name} holds no usable configuration ({reason}); get it again."
        ) from error


def _is_of_size(tensors: dict[str, Tensor], configuration: NetworkConfiguration) -> bool:
    """Whether a file holds the channels and the window of its configuration, which may claim far more.

    Checked before a network is built. Building it without memory, on PyTorch's device "meta", would load PyTorch's
    compiler, which takes longer than a fusion of pictures.
    """
    channels, offsets = configuration.channels, (2 * configuration.window - 1) ** 2
    tables = [len(tensor) for name, tensor in tensors.items() if name.endswith(".bias_table")]
    first = tensors.get("inc.0.weight")
    if first is None or tuple(first.shape) != (channels, 2, 3, 3):
        return False
    attends = configuration.adaptive and configuration.token
    return set(tables) == ({offsets} if attends else set())


def _fits(tensors: dict[str, Tensor], network: CSAFusion) -> bool:
    """Whether tensors match a network by name, type and shape."""
    kinds = [
        {name: (tensor.dtype, tensor.shape) for name, tensor in either.items()}
        for either in (network.state_dict(), tensors)
    ]
    return kinds[0] == kinds[1]


def _check_finite(tensors: dict[str, Tensor], path: Path) -> None:
    bad = next((name for name in sorted(tensors) if not tensors[name].isfinite().all()), None)
    if bad is not None:
        raise InputError(
            f"The weights file {path.name} holds values that are not finite (in {bad}), as after a training that "
            "diverged; choose other weights."
        )


def average_weights(first: CSAFusion, second: CSAFusion, share: float) -> CSAFusion:
    """Return a network whose weights lie between two others': (1 - share) of the first and share of the second.

    Valid only if the training of one continued from the other, so that both lie in one basin (Wortsman et al., Model
    soups, ICML 2022). The mean keeps part of the strengths of each, and so chooses between two loss weightings without
    a new training.

    Args:
        share: of the second, in [0, 1].

    Raises:
        InputError: they are different networks, or the share is out of range.
    """
    from CSAFusionLib.network.csafusion import CSAFusion

    if not 0 <= share <= 1:
        raise InputError(f"The share of the second weights must be between 0 and 1, not {share}.")
    if first.configuration != second.configuration:
        raise InputError("The two weights belong to different networks; give two trainings of one network.")
    others = second.state_dict()
    averaged = CSAFusion(first.configuration)
    averaged.load_state_dict(
        {
            name: value.lerp(others[name], share) if value.is_floating_point() else value
            for name, value in first.state_dict().items()
        }
    )
    return averaged.eval()


TRAINED_ON = {
    "ct-mr": "CT with MR of heads",
    "spect-mr": "SPECT with MR of heads",
    "pet-mr": "PET with MR of heads",
    "t1-t2": "T1 with T2 of heads",
}


_FOLDER = Path(__file__).parent
_CHECKSUMS = _FOLDER / "SHA256SUMS"


FOR_PET_CT = "spect-mr"
"""The weights for a pair of modalities without weights of its own."""


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
