"""The separate process in which an engine's program runs, and the files that are exchanged with it.

In this process the program would hold the interpreter until it ends, so nothing could be cancelled; it would fix its
number of threads, on which repeatability depends, at first use; and a crash would take the host down with it.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.files.atomic_write import Writer
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.processes import ChildProcess, module_command, module_variables
from CSAFusionLib.progress import ends_in_order
from CSAFusionLib.registration.registration import NO_MASKS, RegistrationMasks
from CSAFusionLib.volumes.writing import volume_writer

_CHUNK = 2**20


def check_installed(program: str, package: str) -> None:
    """Raise RegistrationError, which says how to install it, if the Python package of a program is missing."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        raise RegistrationError(
            f"{program} needs the package {package}; install it with 'pip install {package}', or use 'sitk'."
        ) from None


@contextmanager
def exchange_folder(fixed: sitk.Image, moving: sitk.Image, masks: RegistrationMasks = NO_MASKS) -> Iterator[Path]:
    """Provide a temporary folder that holds fixed.nrrd and moving.nrrd; it is removed however the block ends.

    With masks it also holds fixed_mask.nrrd and moving_mask.nrrd.

    Raises RegistrationError when they cannot be written.
    """
    try:
        owned = OwnedFolder()
    except OSError as error:
        raise RegistrationError(f"There is no place for temporary files ({error}); free some disk space.") from error
    with owned as folder:
        hand_over(
            folder,
            {
                f"{name}.nrrd": volume_writer(image, compressed=False)
                for name, image in (
                    ("fixed", fixed),
                    ("moving", moving),
                    ("fixed_mask", masks.fixed),
                    ("moving_mask", masks.moving),
                )
                if image is not None
            },
        )
        yield folder


def hand_over(folder: Path, writers: Mapping[str, Writer]) -> None:
    """Write files for a program into a folder, by their names. Raises RegistrationError when the disk refuses them."""
    try:
        for name, write in writers.items():
            write(folder / name)
    except (OSError, RuntimeError) as error:
        raise RegistrationError(
            f"The volumes could not be handed over ({error}); check the free disk space of '{folder.parent}'."
        ) from error


@contextmanager
def takes_result(program: str) -> Iterator[None]:
    """Within the block, report a result that cannot be read as a RegistrationError of the program that wrote it."""
    try:
        yield
    except RegistrationError:
        raise
    except (OSError, RuntimeError, EOFError, zlib.error) as error:
        raise RegistrationError(
            f"The result of {program} could not be read; check the free disk space, or try the method 'sitk'."
        ) from error


def check_compressed(file: Path) -> None:
    """Read a gzip file to its end, because ITK reads what a full disk has cut off as zeros.

    Raises OSError, EOFError or zlib.error when it is not whole.
    """
    with gzip.open(file) as content:
        while content.read(_CHUNK):
            pass


def run_module(
    program: str,
    module: str,
    arguments: Sequence[str],
    folder: Path,
    *,
    threads: int,
    on_wait: Callable[[], None],
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run a module of this package, by the name it has beside this one, as :func:`run_child` does a command."""
    command = module_command(f"{__package__}.{module}", *arguments)
    variables = {**module_variables(sys.path), **(variables or {})}
    run_child(program, command, folder, threads=threads, on_wait=on_wait, variables=variables)


def run_child(
    program: str,
    command: Sequence[str],
    folder: Path,
    *,
    threads: int,
    on_wait: Callable[[], None],
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run a command until it ends; what it prints and its temporary files go into the folder.

    program: what runs, as the user knows it.
    threads: the most that ITK uses in it.
    on_wait: called about every 50 ms; what it raises ends the command with all it started, and is raised here.
    variables: added to the environment.

    Raises RegistrationError when the command cannot be started or fails, with its last line on standard error. What it
    prints otherwise may be held back until it ends, so it is quoted only if there is no such line.
    """
    variables = {**(variables or {}), "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(threads)}
    printed, complained = folder / "output.txt", folder / "errors.txt"
    with printed.open("w") as output, complained.open("w") as errors, ends_in_order():
        try:
            child = ChildProcess(command, folder, variables=variables, stdout=output, stderr=errors)
        except OSError as error:
            raise RegistrationError(f"{program} could not be started ({error}); try the method 'sitk'.") from error
        child.follow(on_wait)
    if child.returncode != 0:
        words = _last_line(complained) or _last_line(printed) or f"exit code {child.returncode}"
        raise RegistrationError(f"{program} could not register the two volumes ({words}); try the method 'sitk'.")


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next(filter(None, reversed(lines)), "")
