"""Find compute devices in a child process, so that the host need not load PyTorch."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from CSAFusionLib.processes import ModuleProcess


@dataclass(frozen=True)
class Devices:
    """The devices found.

    titles: the devices besides the CPU, by their names in the settings, with a description.
    automatic, reason: the device that ``auto`` would choose now, and why.
    """

    titles: dict[str, str]
    automatic: str
    reason: str


class DeviceQuestion:
    """A child process that looks for devices: start it, poll it until it answers, or end it.

    Args:
        python: the interpreter to ask; this process's own when None.
    """

    def __init__(self, python: str | None = None) -> None:
        self._python = python
        self._process: ModuleProcess | None = None

    def start(self) -> None:
        """Start the child. Raises OSError where no process can be started."""
        self._process = ModuleProcess(
            "CSAFusionLib.worker.devices",
            python=self._python,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )

    @property
    def is_open(self) -> bool:
        """Whether the answer is still pending."""
        return self._process is not None

    def poll(self) -> Devices | None:
        """Return the answer, once, when the child has given one; does not wait."""
        if self._process is None or self._process.poll() is None:
            return None
        answered = self._process.returncode == 0
        with self._process.stdout as stream:
            said = stream.read()
        self.end()
        return Devices(**json.loads(said.splitlines()[-1])) if answered else None

    def end(self) -> None:
        """Stop asking."""
        if self._process is not None:
            self._process.dismiss()
            self._process = None


def find_devices() -> dict[str, Any]:
    """The fields of :class:`Devices`, found in this process."""
    import torch

    from CSAFusionLib.fusion.device import choose_device

    titles = {}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            titles[f"cuda:{index}"] = f"{card.name} ({card.total_memory / 2**30:.0f} GiB)"
    if torch.backends.mps.is_available():
        titles["mps"] = "Apple GPU"
    chosen = choose_device("auto")
    return {"titles": titles, "automatic": chosen.torch_device, "reason": chosen.reason}


if __name__ == "__main__":
    print(json.dumps(find_devices()))  # noqa: T201 (the answer)
