"""The volume every other part works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.volumes.acquisition import Acquisition

if TYPE_CHECKING:
    from CSAFusionLib.volumes.dicom.frames import Frame


@dataclass(frozen=True)
class Volume:
    """A 3-D image and what is known about it beside its voxels.

    image: 3-D, one component (scalar) or three (RGB), geometry in LPS mm.
    name: what messages call it (a file, folder or node name).
    modality_hint: DICOM Modality tag ("CT", "MR", "PT", "NM") where the source had one.
    notes: what a user must know of how it was read, which every result carries among its warnings. Each is worded to
        follow "The fixed volume", ends in a full stop, and names no file: provenance holds nothing of the patient.
    frames: the DICOM frames of its slices, in their order; none for another source.
    slope, intercept: the volume's own value is ``slope * voxel + intercept``; other than 1 and 0 only for a volume that
      :func:`CSAFusionLib.intensity.voxel_values.within_float32` has rescaled.
    acquisition: what its header, sidecar or name says of how it was made.
    """

    image: sitk.Image
    name: str
    modality_hint: str | None = None
    notes: tuple[str, ...] = ()
    slope: float = 1.0
    intercept: float = 0
    frames: tuple[Frame, ...] = ()
    acquisition: Acquisition = Acquisition()

    @property
    def is_colour(self) -> bool:
        """True for an RGB volume."""
        return self.image.GetNumberOfComponentsPerPixel() == 3

    @property
    def is_rescaled(self) -> bool:
        """True where the voxels are not the volume's own values."""
        return self.slope != 1 or self.intercept != 0

    def own_value(self, voxel: float) -> float:
        """The volume's own value of a voxel's."""
        return self.slope * voxel + self.intercept

    def voxel_value(self, own: float) -> float:
        """The voxel's value of one of the volume's own."""
        return (own - self.intercept) / self.slope
