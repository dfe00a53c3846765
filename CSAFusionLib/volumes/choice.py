"""Choose one of the volumes that a file or a series holds."""

from __future__ import annotations

from collections.abc import Sequence

from CSAFusionLib.errors import InputError

_LISTED = 8


class SeveralVolumesError(InputError):
    """A file or series holds several volumes and none of them was chosen; the message lists them by number."""


def chosen(name: str, volumes: Sequence[tuple[str, int]], number: int | None) -> int:
    """Return the index of the volume that is meant, from 0.

    Args:
        name: what the message calls the source.
        volumes: a description, "" where there is none, and the count of slices of each.
        number: which one, from 1; None for the only one.

    Raises:
        SeveralVolumesError: there are several and ``number`` is None.
        InputError: there is no volume of that number.
    """
    if number is None and len(volumes) > 1:
        raise SeveralVolumesError(
            f"'{name}' holds {len(volumes)} volumes: {_listed(volumes)}; choose one by its number with --volume."
        )
    if number is not None and not 1 <= number <= len(volumes):
        there = "1 volume" if len(volumes) == 1 else f"{len(volumes)} volumes"
        raise InputError(f"'{name}' holds {there}, so there is no volume {number}; choose from 1 to {len(volumes)}.")
    return 0 if number is None else number - 1


def _listed(volumes: Sequence[tuple[str, int]]) -> str:
    shown = [_described(number, *volume) for number, volume in enumerate(volumes[:_LISTED], start=1)]
    return ", ".join(shown) + (f", ... {len(volumes)}" if len(volumes) > _LISTED else "")


def _described(number: int, description: str, slices: int) -> str:
    count = "1 slice" if slices == 1 else f"{slices} slices"
    return f"{number} ({description}, {count})" if description else f"{number} ({count})"
