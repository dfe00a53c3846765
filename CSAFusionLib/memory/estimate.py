"""How much memory a fusion takes at its peak, told before it starts.

    python Testing/benchmarks/measure_memory.py

measures the constants below on a machine with Linux and prints them beside what stands here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import SimpleITK as sitk

from CSAFusionLib.errors import NotEnoughMemory
from CSAFusionLib.memory.available import Available, available, resident_now

# Bytes for each voxel of the fixed volume and of the moving one, beyond the volumes themselves, while they are fused
# (grey, or with colour) and while they are registered or their alignment is checked; and what libraries and network
# take whatever the size.
FUSING_GREY, FUSING_COLOUR = 40.0, 70.0
FUSING_MOVING = 4.0
REGISTERING_FIXED, REGISTERING_MOVING = 12.0, 12.0
LIBRARIES = 440 * 2**20
# Of one slice in the network, for each of its pixels.
NETWORK_PIXEL = 300.0

# The address space that threads and libraries reserve and never use.
_RESERVED = 600 * 2**20
# The estimate is this exact: less than this share of it is surely too little.
_SURE = 0.85


@dataclass(frozen=True)
class Need:
    """Bytes a fusion takes at its peak, and how many of them the process holds when its volumes are read."""

    total: int
    held: int

    def __str__(self) -> str:
        return in_gib(self.total)


def fusion_need(fixed: sitk.Image, moving: sitk.Image, *, in_colour: bool, slices_at_once: int, pixels: int) -> Need:
    """Estimate the memory of a fusion of two volumes that are read, within some 15 %.

    in_colour: whether the result has colour. slices_at_once, pixels: what goes through the network at a time, and the
    pixels of one slice.
    """
    voxels = fixed.GetNumberOfPixels(), moving.GetNumberOfPixels()
    stored = sum(_bytes_of(image) for image in (fixed, moving))
    registering = REGISTERING_FIXED * voxels[0] + REGISTERING_MOVING * voxels[1]
    fusing = (FUSING_COLOUR if in_colour else FUSING_GREY) * voxels[0] + FUSING_MOVING * voxels[1]
    fusing += NETWORK_PIXEL * slices_at_once * pixels
    return Need(math.ceil(LIBRARIES + stored + max(registering, fusing)), resident_now())


def check_memory(need: Need, there_is: Available | None = None) -> None:
    """Refuse a fusion that this machine, or what it grants this process, cannot hold.

    Raises NotEnoughMemory, which says how much is needed and how much there is.
    """
    there_is = there_is or available()
    more = max(0, need.total - need.held)
    free = [(there_is.resident, more), (there_is.address_space, more + _RESERVED)]
    for room, wanted in free:
        if room is not None and room < _SURE * wanted:
            raise NotEnoughMemory(
                f"The fusion needs about {in_gib(wanted)} of memory more than is in use, and {in_gib(room)} are free; "
                "close other programs, or resample the fixed volume to larger voxels."
            )


def in_gib(size: float) -> str:
    """Bytes as a text to read."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{math.ceil(size / 2**20)} MiB"


def _bytes_of(image: sitk.Image) -> int:
    return image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
