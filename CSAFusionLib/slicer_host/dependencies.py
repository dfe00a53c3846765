"""Python packages the fusion needs beside what Slicer brings: asked for when first needed, never at start-up."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import subprocess
from pathlib import Path

import slicer
import slicer.util

from CSAFusionLib.errors import InputError

TORCH = ">=2.1"
# antspyx pins numpy and scipy below what Slicer ships; replacing Slicer's own would break other modules.
NEVER_REPLACED = ["numpy", "scipy", "simpleitk"]
WITHOUT_ITS_PINS = ["antspyx"]


def ensure_torch() -> None:
    """Have PyTorch installed by the extension PyTorch, which asks the user and knows which build fits the computer.

    Raises:
        InputError: the extension is missing, or the user declined.
    """
    if is_installed("torch"):
        return
    if importlib.util.find_spec("PyTorchUtils") is None:
        raise InputError("PyTorch is missing; install the extension 'PyTorch' with the Extensions Manager and restart.")
    logic = importlib.import_module("PyTorchUtils").PyTorchUtilsLogic()
    if logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH) is None:
        raise InputError("PyTorch was not installed; the fusion cannot run without it.")


def ensure_packages(requirements: Path) -> None:
    """Have the packages of a requirements file installed, after asking the user; Slicer's own packages are kept.

    Raises:
        InputError: the user declined, or the installation failed.
    """
    try:
        if importlib.util.find_spec("slicer.packaging") is not None:
            _ensure_with_packaging(requirements)
        else:
            _ensure_with_pip(requirements)
    except subprocess.CalledProcessError as error:
        raise InputError(
            "A package could not be installed; the Python console says why (is there a network?)."
        ) from error


def is_installed(name: str) -> bool:
    """Whether a distribution is there, found without importing it."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _ensure_with_packaging(requirements: Path) -> None:
    """The way of Slicer 5.12 and later; it looks itself whether anything is missing."""
    import slicer.packaging

    wanted = slicer.packaging.load_requirements(requirements)
    try:
        slicer.packaging.pip_ensure(wanted, requester="CSAFusion", skip_packages=NEVER_REPLACED)
    except RuntimeError as error:
        raise InputError(_declined([str(requirement) for requirement in wanted])) from error


def _ensure_with_pip(requirements: Path) -> None:
    lines = (line.strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    missing = [line for line in lines if line and not line.startswith("#") and not is_installed(_name_in(line))]
    if not missing:
        return
    question = "CSAFusion needs Python packages that are not installed: {names}. Download and install them now?"
    if not slicer.util.confirmOkCancelDisplay(question.format(names=", ".join(missing))):
        raise InputError(_declined(missing))
    for requirement in missing:
        without_pins = ["--no-deps"] if _name_in(requirement) in WITHOUT_ITS_PINS else []
        slicer.util.pip_install([*without_pins, "--prefer-binary", requirement])


def _name_in(requirement: str) -> str:
    """The name in a requirement; our files use ``>=`` only."""
    return requirement.split(">=")[0].strip()


def _declined(requirements: list[str]) -> str:
    return f"The fusion cannot run without {', '.join(requirements)}; press Apply again to install what is missing."
