"""Damage files as a disk, a copy or a careless editor does, from a seed, so that each case comes again."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from pathlib import Path

_HEADER = 600
# Of whole headers that can be told from voxels: text up to here is edited as text.
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_ODD_TEXT = [b"0", b"-1", b"1", b"2", b"7", b"9" * 8, b"9" * 20, b"nan", b"inf", b"1e308", b"1e-308", b"x", b""]
_ODD_NUMBERS = (0, 1, -1, 2, 3, 4, 7, 255, 348, 540, 32767, -32768)
_ODD_FLOATS = (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), 352.0, 353.0)


def damage_folder(folder: Path, rng: random.Random) -> str:
    """Damage one or two files of a folder, and return in words how."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    done = []
    for path in rng.sample(files, min(len(files), rng.choice((1, 1, 1, 2)))):
        if len(files) > 1 and rng.random() < 0.05:
            path.unlink()
            done.append(f"{path.name} removed")
            continue
        name, way = rng.choice(_WAYS)
        path.write_bytes(way(path.read_bytes(), rng))
        done.append(f"{path.name} {name}")
    return ", ".join(done)


def _flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flipped_at_the_start(content: bytes, rng: random.Random) -> bytes:
    return _flipped(content[:_HEADER], rng) + content[_HEADER:]


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _cut_at_the_start(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(min(_HEADER, len(content)))]


def _cut_a_little(content: bytes, rng: random.Random) -> bytes:
    return content[: -rng.randint(1, 16)]


def _lengthened(content: bytes, rng: random.Random) -> bytes:
    return content + rng.randbytes(rng.choice((1, 100, 5000)))


def _overwritten(content: bytes, rng: random.Random) -> bytes:
    first = rng.randrange(len(content))
    last = min(len(content), first + rng.choice((1, 4, 16, 512, 4096)))
    filling = rng.choice((bytes(last - first), b"\xff" * (last - first), rng.randbytes(last - first)))
    return content[:first] + filling + content[last:]


def _with_a_part_lost(content: bytes, rng: random.Random) -> bytes:
    first = rng.randrange(len(content))
    return content[:first] + content[first + rng.choice((1, 7, 512)) :]


def _with_a_part_twice(content: bytes, rng: random.Random) -> bytes:
    first = rng.randrange(len(content))
    last = first + rng.choice((1, 7, 512))
    return content[:last] + content[first:last] + content[last:]


def _with_an_odd_number(content: bytes, rng: random.Random) -> bytes:
    """One number of a binary header replaced."""
    form = rng.choice(("<h", ">h", "<i", "<q", "<f", "<d"))
    place = 2 * rng.randrange(min(len(content), _HEADER) // 2)
    odd = rng.choice(_ODD_FLOATS if form[1] in "fd" else _ODD_NUMBERS)
    packed = struct.pack(form, odd)
    return content[:place] + packed + content[place + len(packed) :]


def _with_an_odd_word(content: bytes, rng: random.Random) -> bytes:
    """One number of a header in text replaced, by one of another length too."""
    found = list(_NUMBER.finditer(content[:_HEADER]))
    if not found:
        return _flipped_at_the_start(content, rng)
    one = rng.choice(found)
    return content[: one.start()] + rng.choice(_ODD_TEXT) + content[one.end() :]


def _with_a_line_moved(content: bytes, rng: random.Random) -> bytes:
    """A line of a header in text lost, twice, or at another place."""
    head, rest = content[:_HEADER], content[_HEADER:]
    lines = head.split(b"\n")
    line = lines.pop(rng.randrange(len(lines)))
    for _ in range(rng.randrange(3)):
        lines.insert(rng.randrange(len(lines) + 1), line)
    return b"\n".join(lines) + rest


Way = Callable[[bytes, random.Random], bytes]


def _named(*ways: Way) -> tuple[tuple[str, Way], ...]:
    return tuple((way.__name__.strip("_").replace("_", " "), _unless_empty(way)) for way in ways)


def _unless_empty(way: Way) -> Way:
    return lambda content, rng: way(content, rng) if content else rng.randbytes(9)


_WAYS = _named(
    _flipped,
    _flipped_at_the_start,
    _cut,
    _cut_at_the_start,
    _cut_a_little,
    _lengthened,
    _overwritten,
    _with_a_part_lost,
    _with_a_part_twice,
    _with_an_odd_number,
    _with_an_odd_number,
    _with_an_odd_word,
    _with_an_odd_word,
    _with_a_line_moved,
)
