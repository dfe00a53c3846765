"""Masks of where a registration compares two volumes; nothing outside them counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import in_one_order, same_grid, volume_of
from CSAFusionLib.geometry.transform_algebra import identity
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.volumes.volume import Volume

# With fewer voxels than this, the joint histogram of a search is too sparse to be trusted.
_FEWEST_VOXELS = 500

JUDGED_WHOLE = "The registration compared the volumes only inside a mask; its quality is judged on the whole volumes."


@dataclass(frozen=True)
class RegistrationMasks:
    """Where to compare: uint8 images, 1 inside and 0 outside, at their places in mm; None compares everywhere.

    fixed, moving: on the grid of the fixed and of the moving volume.
    sources: for each mask, which volume it belongs to (``of``) and the checksum of its file (``sha256``), or that it
      came from memory.
    """

    fixed: sitk.Image | None = None
    moving: sitk.Image | None = None
    sources: tuple[dict[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        volumes: tuple[Volume, Volume],
        masks: tuple[Volume | None, Volume | None],
        checksums: tuple[str | None, str | None] = (None, None),
    ) -> RegistrationMasks:
        """Make the masks of a fixed and a moving volume from volumes that are not 0 where to compare.

        checksums: the SHA-256 of the files they were read from; None for a mask in memory.

        Raises InputError for a mask in colour or on another grid than its volume, and for one that is 0 everywhere.
        """
        given = zip(("fixed", "moving"), volumes, masks, checksums, strict=True)
        marked = [
            (role, _marked(mask, volume), _source(role, known))
            for role, volume, mask, known in given
            if mask is not None
        ]
        images = {role: image for role, image, _ in marked}
        return cls(images.get("fixed"), images.get("moving"), tuple(source for _, _, source in marked))

    @classmethod
    def in_memory(cls, fixed: sitk.Image | None, moving: sitk.Image | None) -> RegistrationMasks:
        """Make masks from images in memory, on the grids of their volumes and not 0 where to compare."""
        given = {role: image != 0 for role, image in (("fixed", fixed), ("moving", moving)) if image is not None}
        return cls(**given, sources=tuple(_source(role, None) for role in given))

    def __bool__(self) -> bool:
        return self.fixed is not None or self.moving is not None

    def exchanged(self) -> RegistrationMasks:
        """The masks with the fixed and the moving one exchanged."""
        return replace(self, fixed=self.moving, moving=self.fixed)

    def on_grids(self, fixed: sitk.Image, moving: sitk.Image, placed: sitk.Image) -> RegistrationMasks:
        """The masks resampled on other grids; the moving one is then moved to the position of ``placed``."""
        of_moving = _on_grid(self.moving, moving)
        if of_moving is not None:
            of_moving.CopyInformation(placed)
        return replace(self, fixed=_on_grid(self.fixed, fixed), moving=of_moving)

    def for_voxels_of(self, spacing_mm: float) -> RegistrationMasks:
        """These masks, or none if one of them holds too few voxels of this width to compare anything."""
        least_mm3 = _FEWEST_VOXELS * spacing_mm**3
        wide = all(_volume_inside(mask) >= least_mm3 for mask in (self.fixed, self.moving) if mask is not None)
        return self if wide else NO_MASKS

    def share_of(self, fixed: sitk.Image) -> float:
        """The share of a fixed image's voxels that lie in its mask, above 0 and at most 1."""
        return 1.0 if self.fixed is None else min(1.0, _volume_inside(self.fixed) / volume_of(fixed))

    def inside(self, grid: sitk.Image, transform: sitk.Transform) -> np.ndarray:
        """Whether each voxel of a grid over the fixed volume lies in both masks, (Z, Y, X) bool.

        transform: from fixed to moving points, LPS mm.
        """
        return in_mask(self.fixed, grid, identity()) & in_mask(self.moving, grid, transform)


NO_MASKS = RegistrationMasks()


def check_guides(method: Method, *, is_given: bool = False) -> None:
    """Raise InputError if a mask would be silently ignored.

    is_given: whether a known transform replaces the registration.
    """
    if is_given:
        raise InputError("A given transform takes the place of a registration, so no mask can guide it; leave it out.")
    if not method.takes_masks:
        raise InputError(
            f"The method '{method.value}' ignores masks; leave the mask out, or choose 'auto', 'landmarks', "
            "'sitk', 'elastix', 'ants' or 'brains'."
        )


def in_mask(mask: sitk.Image | None, grid: sitk.Image, transform: sitk.Transform) -> np.ndarray:
    """Return whether each voxel of a grid lies in a mask, (Z, Y, X) bool; all do where there is none.

    transform: from points of the grid to points of the mask, LPS mm.
    """
    if mask is None:
        return np.ones(grid.GetSize()[::-1], bool)
    return sitk.GetArrayFromImage(sitk.Resample(mask, grid, transform, sitk.sitkNearestNeighbor, 0)) > 0


def _marked(mask: Volume, volume: Volume) -> sitk.Image:
    # Another program may have stored the mask with its axes in another order.
    image = in_one_order(mask.image)
    if mask.is_colour:
        raise InputError(f"The registration mask of '{volume.name}' is in colour; give one number for each voxel.")
    if not same_grid(image, in_one_order(volume.image)):
        raise InputError(
            f"The registration mask of '{volume.name}' does not lie on its grid ({_told(mask.image.GetSize())} voxels "
            f"instead of {_told(volume.image.GetSize())}, or at another place); draw it on that volume, or resample it."
        )
    inside = image != 0
    if not sitk.GetArrayViewFromImage(inside).any():
        raise InputError(
            f"The registration mask of '{volume.name}' is 0 everywhere, so nothing would be compared; mark where to "
            "compare, or leave it out."
        )
    return inside


def _told(size: Sequence[int]) -> str:
    return " x ".join(str(length) for length in size)


def _source(role: str, checksum: str | None) -> dict[str, str]:
    return {"of": role} | ({"format": "in memory"} if checksum is None else {"sha256": checksum})


def _on_grid(mask: sitk.Image | None, grid: sitk.Image) -> sitk.Image | None:
    return None if mask is None else sitk.Resample(mask, grid, identity(), sitk.sitkNearestNeighbor, 0)


def _volume_inside(mask: sitk.Image) -> float:
    """How much a mask holds, mm3."""
    voxel = float(np.prod(mask.GetSpacing()))
    return float(np.count_nonzero(sitk.GetArrayViewFromImage(mask))) * voxel
