"""Which compute devices there are, asked in a child process: PyTorch is not to be loaded into the host for that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Devices:
    """What was found.

    titles: devices beside the CPU by their names for the settings, with what they are.
    automatic, reason: what ``auto`` would choose now, and why.
    """

    titles: dict[str, str]
    automatic: str
    reason: str


class DeviceQuestion:
    """A child process that looks for devices: start it, poll it until it answers, or end it."""

    def __init__(self, python: str = sys.executable) -> None:
        self._python = python
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Ask. Raises OSError where no process can be started."""
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [self._python, "-m", "CSAFusionLib.worker.devices"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    @property
    def is_open(self) -> bool:
        """Whether the answer is still awaited."""
        return self._process is not None

    def poll(self) -> Devices | None:
        """The answer, once, when it is there and the child could give one; does not wait."""
        if self._process is None or self._process.poll() is None:
            return None
        said, _ = self._process.communicate()
        answered, self._process = self._process.returncode == 0, None
        return Devices(**json.loads(said.splitlines()[-1])) if answered else None

    def end(self) -> None:
        """Do without the answer."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
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
