"""Output files: checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import check_folder, is_same_file, is_taken, place_of


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path], *, overwrite: bool = False) -> None:
    """Refuse an output that is an input, is named twice, or cannot be written; None stands for no output.

    overwrite: whether an output may be there already.

    Raises:
        InputError: naming the first such output.
    """
    taken = list(inputs)
    for path in filter(None, outputs):
        if any(is_same_file(path, other) for other in taken):
            raise InputError(f"'{path}' is an input or is named for two outputs; give each output a name of its own.")
        taken.append(path)
        check_absent(place_of(path), path, overwrite=overwrite)


def check_absent(place: Path, path: Path, *, overwrite: bool) -> None:
    """Refuse an output that exists already, unless it may be overwritten.

    Raises:
        InputError: naming the output as the user did.
    """
    if not overwrite and place.exists():
        raise InputError(f"'{path}' is there already; give another name, or --overwrite to replace it.")


def check_extension(path: Path | None, extensions: Iterable[str]) -> None:
    """Refuse an output whose name does not end in one of ``extensions``; None is no output.

    Raises:
        InputError: naming the output and the extensions.
    """
    known = tuple(extensions)
    if path is not None and not path.name.lower().endswith(known):
        raise InputError(f"'{path}' must end in {' or '.join(known)}; change its name.")


def check_output_folder(folder: Path) -> None:
    """Refuse an output folder that is a file or cannot be created or written to.

    Raises:
        InputError: naming the folder.
    """
    if is_taken(folder):
        raise InputError(f"'{folder}' is not a folder; give another name with -o.")
    check_folder(folder if folder.is_dir() else folder.parent)


@contextmanager
def filled_folder(folder: Path) -> Iterator[None]:
    """Create a folder for the block to fill, if it is missing; if the block fails, remove it again.

    Raises:
        InputError: it cannot be made.
    """
    made = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder '{folder}' cannot be made ({error.strerror}); choose another.") from error
    try:
        yield
    except BaseException:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise
