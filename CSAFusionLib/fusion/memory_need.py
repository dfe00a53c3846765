"""How much memory the fusion of two volumes with given settings takes."""

from __future__ import annotations

from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.inference import slices_in_memory
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.planes import slice_shape
from CSAFusionLib.memory.estimate import Need, fusion_need
from CSAFusionLib.volumes.volume import Volume


def memory_need(fixed: Volume, moving: Volume, settings: FusionSettings, device: Device) -> Need:
    """Estimate what a fusion of two volumes, already read, takes at its peak."""
    slices, height, width = slice_shape(fixed.image, settings.plane)
    return fusion_need(
        fixed.image,
        moving.image,
        in_colour=fixed.is_colour or moving.is_colour or settings.colour_table is not None,
        slices_at_once=min(slices, slices_in_memory(device, (height, width), settings.batch_size)),
        pixels=height * width,
    )
