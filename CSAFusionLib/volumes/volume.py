"""The volume every other part works on."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk


@dataclass(frozen=True)
class Volume:
    """A 3-D image and what is known about it beside its voxels.

    image: 3-D, one component (scalar) or three (RGB), geometry in LPS mm.
    name: what messages call it (a file, folder or node name).
    modality_hint: DICOM Modality tag ("CT", "MR", "PT", "NM") where the source had one.
    """

    image: sitk.Image
    name: str
    modality_hint: str | None = None

    @property
    def is_colour(self) -> bool:
        """True for an RGB volume."""
        return self.image.GetNumberOfComponentsPerPixel() == 3
