"""Output files: checked before any work, and put in place all together or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.writing import whole_file

Writer = Callable[[Path], object]


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Refuse an output whose folder is missing or read-only, that is a folder, an input, or named twice; None is none.

    Raises:
        InputError: naming the first such output.
    """
    taken = {path.resolve() for path in inputs}
    for path in filter(None, outputs):
        if path.resolve() in taken:
            raise InputError(f"'{path}' is an input or is named for two outputs; give each output a name of its own.")
        taken.add(path.resolve())
        if path.is_dir():
            raise InputError(f"'{path}' is a folder; give the name of a file in it.")
        check_folder(path.parent)


def check_extension(path: Path | None, extensions: Iterable[str]) -> None:
    """Refuse an output whose name does not end in one of ``extensions``; None is no output.

    Raises:
        InputError: naming the output and the extensions.
    """
    known = tuple(extensions)
    if path is not None and not path.name.lower().endswith(known):
        raise InputError(f"'{path}' must end in {' or '.join(known)}; change its name.")


def check_folder(folder: Path) -> None:
    """Refuse a folder for outputs that is missing or cannot be written to.

    Raises:
        InputError: naming the folder.
    """
    if not folder.is_dir():
        raise InputError(f"The folder '{folder}' does not exist; make it first or choose another.")
    if not os.access(folder, os.W_OK):
        raise InputError(f"The folder '{folder}' cannot be written to; choose another.")


def check_output_folder(folder: Path) -> None:
    """Refuse a folder that outputs are to fill, made if need be, when it is a file or its place cannot be written to.

    Raises:
        InputError: naming the folder.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder; give another name with -o.")
    check_folder(folder if folder.is_dir() else folder.parent)


def write_together(writers: Mapping[Path, Writer]) -> None:
    """Write every file beside its place, then move them all into place; a failure leaves no trace.

    Args:
        writers: for each output, what writes it to the path it is given.

    Raises:
        InputError: the disk refused a file.
    """
    with ExitStack() as stack:
        for path, write in writers.items():
            write(stack.enter_context(whole_file(path)))
