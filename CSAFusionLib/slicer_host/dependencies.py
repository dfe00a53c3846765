"""Python packages the fusion needs beside what Slicer brings: asked for once, when first needed, never at start-up."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import subprocess
from collections.abc import Iterable
from pathlib import Path

import slicer
import slicer.util
from slicer.i18n import tr as _

from CSAFusionLib.errors import InputError

TORCH = ">=2.1"
# antspyx pins numpy and scipy below what Slicer ships; replacing Slicer's own would break other modules.
NEVER_REPLACED = ["numpy", "scipy", "simpleitk"]
WITHOUT_ITS_PINS = ["antspyx"]
# What is downloaded, roughly; of a package that is not named here, less than a megabyte.
_SIZES = {
    "antspyx": "20 MB",
    "itk-elastix": "300 MB",
    "matplotlib": "10 MB",
    "pandas": "12 MB",
    "pillow": "7 MB",
    "scikit-learn": "13 MB",
    "statsmodels": "10 MB",
}


def ensure_installed(requirements: Iterable[Path]) -> None:
    """Have PyTorch and the packages of some requirements files installed, after one question to the user.

    PyTorch comes through the extension PyTorch, which knows which build fits the computer. Packages of Slicer's own are
    never replaced.

    Raises:
        InputError: the extension is missing, the user declined, or the installation failed.
    """
    requirements = list(requirements)
    without_torch = not is_installed("torch")
    missing = [line for path in requirements for line in _lines(path) if not is_installed(_name_in(line))]
    if not without_torch and not missing:
        return
    if without_torch and importlib.util.find_spec("PyTorchUtils") is None:
        raise InputError(
            _("PyTorch is missing; install the extension 'PyTorch' with the Extensions Manager and restart.")
        )
    wanted = [f"torch{TORCH}"] * without_torch + missing
    if not slicer.util.confirmOkCancelDisplay(_question(wanted)):
        text = _("The fusion cannot run without {packages}; press Apply again to install it.")
        raise InputError(text.format(packages=", ".join(wanted)))
    try:
        if without_torch:
            _install_torch()
        _install_packages(missing)
    except subprocess.CalledProcessError as error:
        raise InputError(
            _(
                "A package could not be installed; the Python console says why. Without a network, install it from "
                "a file as the README of CSAFusion says."
            )
        ) from error


def is_installed(name: str) -> bool:
    """Whether a distribution is there, found without importing it."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _question(wanted: list[str]) -> str:
    sized = [_("{package} (about {size})").format(package=one, size=_size_of(one)) for one in wanted]
    return _(
        "CSAFusion needs Python packages that are not installed yet:\n\n{packages}\n\n"
        "Download them and install them into this Slicer now? This may take some minutes."
    ).format(packages="\n".join(sized))


def _size_of(requirement: str) -> str:
    name = _name_in(requirement)
    return _("200 MB, with an NVIDIA card 3 GB") if name == "torch" else _SIZES.get(name, "1 MB")


def _install_torch() -> None:
    logic = importlib.import_module("PyTorchUtils").PyTorchUtilsLogic()
    if logic.installTorch(askConfirmation=False, torchVersionRequirement=TORCH) is None:
        raise InputError(_("PyTorch was not installed; the fusion cannot run without it."))


def _install_packages(missing: list[str]) -> None:
    if not missing:
        return
    if importlib.util.find_spec("slicer.packaging") is not None:
        # The way of Slicer 5.12 and later. The question has been asked.
        requirement_of = importlib.import_module("packaging.requirements").Requirement
        importlib.import_module("slicer.packaging").pip_ensure(
            [requirement_of(line) for line in missing],
            requester="CSAFusion",
            skip_packages=NEVER_REPLACED,
            prompt_install=False,
        )
        return
    for requirement in missing:
        without_pins = ["--no-deps"] if _name_in(requirement) in WITHOUT_ITS_PINS else []
        slicer.util.pip_install([*without_pins, "--prefer-binary", requirement])


def _lines(requirements: Path) -> list[str]:
    lines = [line.strip() for line in requirements.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _name_in(requirement: str) -> str:
    """The name in a requirement; our files use ``>=`` only."""
    return requirement.split(">=")[0].strip()
