"""Installs the Python packages that Slicer lacks for a fusion: asks once, when first needed, not at start-up."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from CSAFusionLib.errors import InputError

TORCH = ">=2.1"
_TORCH = f"torch{TORCH}"
# antspyx pins numpy and scipy below what Slicer ships; replacing Slicer's own would break other modules.
NEVER_REPLACED = ["numpy", "scipy", "simpleitk"]
WITHOUT_ITS_PINS = ["antspyx"]
# Approximate download sizes; a package that is not listed takes less than a megabyte.
_SIZES = {
    "antspyx": "20 MB",
    "itk-elastix": "300 MB",
    "matplotlib": "10 MB",
    "pandas": "12 MB",
    "pillow": "7 MB",
    "scikit-learn": "13 MB",
    "statsmodels": "10 MB",
}


def missing_from(requirements: Iterable[Path], *, with_torch: bool = True) -> list[str]:
    """The requirements of these files that are not met; PyTorch comes first if it is asked about."""
    lines = [_TORCH] if with_torch else []
    lines += [line for path in requirements for line in _lines(path)]
    return [line for line in lines if not is_installed(_name_in(line))]


def ask_to_install(missing: list[str], declined: str) -> None:
    """Ask the user once whether packages may be installed.

    Args:
        declined: the error's sentence if the user declines, with the placeholder ``{packages}``.

    Raises:
        InputError: the user declined, or it cannot be done here.
    """
    if _TORCH in missing and importlib.util.find_spec("PyTorchUtils") is None:
        raise InputError(
            _("PyTorch is missing; install the extension 'PyTorch' with the Extensions Manager and restart.")
        )
    packaging = _slicer_packaging()
    if packaging is not None and packaging.isPipInstallInProgress():
        raise InputError(_("Slicer is installing other Python packages; try again when it has ended."))
    if not slicer.util.confirmOkCancelDisplay(_question(missing)):
        raise InputError(declined.format(packages=", ".join(missing)))


def install(missing: list[str], ended: Callable[[str], None]) -> None:
    """Install packages; Slicer's own are never replaced.

    PyTorch comes through the extension PyTorch, which knows which build fits the computer; meanwhile Slicer waits. The
    others come by pip, beside Slicer where it can do that (5.12 and later).

    Args:
        ended: called once, perhaps before this returns, with an empty text or with the reason for a failure.
    """
    try:
        if _TORCH in missing:
            _install_torch()
        packages = [line for line in missing if line != _TORCH]
        if packages:
            _install_packages(packages, ended)
            return
    except InputError as error:
        ended(str(error))
        return
    except subprocess.CalledProcessError:
        ended(_failed())
        return
    ended("")


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


def _install_packages(packages: list[str], ended: Callable[[str], None]) -> None:
    packaging = _slicer_packaging()
    if slicer.app.testingEnabled():
        ended(_("Slicer is in testing mode, in which no package is installed."))
    elif packaging is None:
        for requirement in packages:
            without_pins = ["--no-deps"] if _name_in(requirement) in WITHOUT_ITS_PINS else []
            slicer.util.pip_install([*without_pins, "--prefer-binary", requirement])
        ended("")
    else:
        _install_beside_slicer(packaging, packages, ended)


def _install_beside_slicer(packaging: Any, packages: list[str], ended: Callable[[str], None]) -> None:
    handle, constraints = tempfile.mkstemp(prefix="csafusion-", suffix=".txt", text=True)
    with open(handle, "w", encoding="utf-8") as file:
        file.writelines(
            f"{name}=={importlib.metadata.version(name)}\n" for name in NEVER_REPLACED if is_installed(name)
        )

    def completed(code: int) -> None:
        Path(constraints).unlink(missing_ok=True)
        importlib.invalidate_caches()
        ended(_failed() if code else "")

    without_pins = [line for line in packages if _name_in(line) in WITHOUT_ITS_PINS]
    packaging.pip_install(
        ["--prefer-binary", *(line for line in packages if line not in without_pins)],
        no_deps_requirements=without_pins or None,
        constraints=constraints,
        blocking=False,
        requester="CSAFusion",
        completedCallback=completed,
    )


def _slicer_packaging() -> Any:
    """Slicer's own installer (5.12 and later); None in earlier versions."""
    found = importlib.util.find_spec("slicer.packaging") is not None
    return importlib.import_module("slicer.packaging") if found else None


def _failed() -> str:
    return _(
        "A package could not be installed; the Python console says why. Without a network, install it from "
        "a file as the README of CSAFusion says."
    )


def _lines(requirements: Path) -> list[str]:
    lines = [line.strip() for line in requirements.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _name_in(requirement: str) -> str:
    """The name in a requirement; our files use ``>=`` only."""
    return requirement.split(">=")[0].strip()
