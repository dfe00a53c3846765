"""How much memory a fusion takes at its peak, told before it starts.

    python Testing/benchmarks/measure_memory.py

measures the constants below on a machine with Linux and prints them beside what stands here.
"""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass

import SimpleITK as sitk

from CSAFusionLib.errors import NotEnoughMemory
from CSAFusionLib.memory.available import Available, available, resident_now

# Bytes beyond the volumes themselves: for each voxel of the fixed one while they are fused, in grey or with colour, and
# for each voxel of both while they are registered or their alignment is checked.
FUSING_GREY, FUSING_COLOUR = 16.2, 34.5
REGISTERING = 6.8
# Of each slice that is in the network, for each of its pixels.
NETWORK_PIXEL = 306.0
# What the libraries take whatever the size: all of them, and without PyTorch.
LIBRARIES = 455 * 2**20
REGISTERING_LIBRARIES = 210 * 2**20

# Address space that is reserved and never used: by each thread, and by PyTorch while it is loaded.
_RESERVED_BY_THREAD = 64 * 2**20
_RESERVED_BY_TORCH = 640 * 2**20
# The estimate is this exact: less than this share of it is surely too little.
_SURE = 0.85


@dataclass(frozen=True)
class Need:
    """Bytes a fusion or a registration takes at its peak, and how many of them the process holds already."""

    total: int
    held: int
    what: str = "The fusion"

    def __str__(self) -> str:
        return in_gib(self.total)


def fusion_need(fixed: sitk.Image, moving: sitk.Image, *, in_colour: bool, slices_at_once: int, pixels: int) -> Need:
    """Estimate the memory of a fusion of two volumes that are read, within some 15 %.

    in_colour: whether the result has colour. slices_at_once, pixels: what goes through the network at a time, and the
    pixels of one slice.
    """
    voxels = fixed.GetNumberOfPixels(), moving.GetNumberOfPixels()
    stored = sum(_bytes_of(image) for image in (fixed, moving))
    fusing = (FUSING_COLOUR if in_colour else FUSING_GREY) * voxels[0]
    fusing += NETWORK_PIXEL * slices_at_once * pixels
    return Need(math.ceil(LIBRARIES + stored + max(REGISTERING * sum(voxels), fusing)), resident_now())


def registration_need(fixed: sitk.Image, moving: sitk.Image) -> Need:
    """Estimate the memory of a registration alone, of two volumes that are read; other programs' engines apart."""
    voxels = fixed.GetNumberOfPixels() + moving.GetNumberOfPixels()
    stored = _bytes_of(fixed) + _bytes_of(moving)
    total = math.ceil(REGISTERING_LIBRARIES + stored + REGISTERING * voxels)
    return Need(total, resident_now(), "The registration")


def check_room_for_torch() -> None:
    """Refuse to load PyTorch where the limit of the address space is below what that takes: it would end the process.

    Raises NotEnoughMemory.
    """
    room = available().address_space
    if room is not None and "torch" not in sys.modules and room < _RESERVED_BY_TORCH:
        raise _lacking("PyTorch", _RESERVED_BY_TORCH, room)


def check_memory(need: Need, there_is: Available | None = None) -> None:
    """Refuse what the machine, or the limits of this process, cannot hold.

    Raises NotEnoughMemory, which says how much is needed and how much there is.
    """
    there_is = there_is or available()
    more = max(0, need.total - need.held)
    reserved = _RESERVED_BY_THREAD * (1 + (os.cpu_count() or 1))
    for room, wanted in ((there_is.resident, more), (there_is.address_space, more + reserved)):
        if room is not None and room < _SURE * wanted:
            raise _lacking(need.what, wanted, room)


def _lacking(what: str, wanted: float, room: float) -> NotEnoughMemory:
    return NotEnoughMemory(
        f"{what} needs about {in_gib(wanted)} of memory more than is in use, and {in_gib(room)} are free; close other "
        "programs, or give volumes with larger voxels."
    )


def in_gib(size: float) -> str:
    """Bytes as a text to read."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{math.ceil(size / 2**20)} MiB"


def _bytes_of(image: sitk.Image) -> int:
    return image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
