"""A weights file: safetensors, carrying its network configuration and a checksum of its tensors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from CSAFusionLib.errors import InputError
from CSAFusionLib.network.configuration import NetworkConfiguration

if TYPE_CHECKING:
    from torch import Tensor

    from CSAFusionLib.network.csafusion import CSAFusion

FORMAT = "csafusion-1"


def save_weights(network: CSAFusion, path: Path, *, about: dict[str, str] | None = None) -> None:
    """Write ``network``'s weights, its configuration and a checksum to ``path`` (.safetensors).

    Args:
        network: a :class:`CSAFusionLib.network.csafusion.CSAFusion`.
        path: the file to write.
        about: further text entries for the file's metadata, such as the training's seed.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    metadata = dict(about or {})
    metadata["format"] = FORMAT
    metadata["configuration"] = json.dumps(network.configuration.to_dict(), sort_keys=True)
    metadata["tensors_sha256"] = tensors_sha256(tensors)
    save_file(tensors, path, metadata=metadata)


def read_weights(path: Path) -> tuple[CSAFusion, NetworkConfiguration]:
    """Read a weights file and return the network in evaluation mode on the CPU, and its configuration.

    Raises:
        InputError: the file is missing, is no CSAFusion weights file, or its content does not match its checksum.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    from CSAFusionLib.network.csafusion import CSAFusion

    if not path.is_file():
        raise InputError(f"The weights file {path} does not exist; give the path of a .safetensors file.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
    except (SafetensorError, OSError) as error:
        raise InputError(f"The weights file {path.name} cannot be read as safetensors: {error}.") from error
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path.name} is not a CSAFusion weights file; give one that `csafusion train` wrote.")
    if metadata.get("tensors_sha256") != tensors_sha256(tensors):
        raise InputError(f"The weights file {path.name} is damaged (its checksum does not match); get it again.")
    configuration = NetworkConfiguration.from_dict(json.loads(metadata["configuration"]))
    network = CSAFusion(configuration)
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if expected != {name: tensor.shape for name, tensor in tensors.items()}:
        raise InputError(f"The weights file {path.name} does not fit this version's network; train it again.")
    network.load_state_dict(tensors)
    # Channels last keeps the window attention of the decoder free of copies: about a quarter faster on a CPU.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval(), configuration


def tensors_sha256(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 over the names, types, shapes and bytes of ``tensors``, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
