"""Look at the path of an input before anything is opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from CSAFusionLib.errors import InputError


def check_input_path(path: Path) -> bool:
    """Check that an input can be opened and read to its end; returns whether it is a folder.

    Raises InputError, which names the path, when it does not exist, cannot be reached (a loop of links, a name too
    long, no permission), or is neither a regular file nor a folder: reading a pipe or a device may never end.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"'{path}' does not exist; check the path.") from None
    # A path that holds a null character is a ValueError, a loop of links a RuntimeError before Python 3.13.
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"'{path}' cannot be opened ({reason(error)}); check the path.") from error
    if stat.S_ISDIR(mode):
        return True
    if not stat.S_ISREG(mode):
        raise InputError(f"'{path}' is a pipe or a device; give a file or a folder.")
    if not os.access(path, os.R_OK):
        raise InputError(f"'{path}' may not be read by you; change its permissions or copy it.")
    return False


def reason(error: Exception) -> str:
    """Return the system's own words for why a path failed, without the path."""
    return str(getattr(error, "strerror", None) or error).lower()
