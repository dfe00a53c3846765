"""A registration: what runs it, how freely the volume may move, where the two are compared, and what is found.

Masks say where a registration compares two volumes; nothing outside them counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np

from CSAFusionLib import checks
from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import in_one_order, same_grid, volume_of
from CSAFusionLib.geometry.transform_algebra import identity, linear_matrix
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.volumes.volume import Volume


class TransformModel(Enum):
    """How freely the moving volume may move."""

    RIGID = "rigid"
    AFFINE = "affine"
    BSPLINE = "bspline"
    SYN = "syn"
    RIGID_AFFINE_SYN = "rigid_affine_syn"

    @property
    def is_linear(self) -> bool:
        """Whether straight lines stay straight, so that a matrix is enough to save it."""
        return self in (TransformModel.RIGID, TransformModel.AFFINE)


class Method(Enum):
    """What does the registration; the values are the names that the command line and Python take."""

    AUTO = "auto"
    NONE = "none"
    SITK = "sitk"
    ANTS = "ants"
    ELASTIX = "elastix"
    LANDMARKS = "landmarks"
    BRAINS = "brains"

    @property
    def models(self) -> tuple[TransformModel, ...]:
        """The transform models this method can find; none for the header geometry, which ignores the model."""
        return _MODELS[self]

    @property
    def takes_masks(self) -> bool:
        """Whether it can restrict the comparison to masks."""
        return self is not Method.NONE


class MatrixKind(Enum):
    """What a bare matrix means.

    ``fsl`` is FLIRT's: from the moving volume to the fixed one, in FSL's own millimetres. ``ras`` is that of Greedy,
    NiftyReg and c3d: from the fixed volume to the moving one, in RAS mm.
    """

    FSL = "fsl"
    RAS = "ras"


_LINEAR = (TransformModel.RIGID, TransformModel.AFFINE)
_MODELS = {
    Method.AUTO: tuple(TransformModel),
    Method.NONE: (),
    Method.SITK: _LINEAR,
    Method.ANTS: (*_LINEAR, TransformModel.SYN, TransformModel.RIGID_AFFINE_SYN),
    Method.ELASTIX: (*_LINEAR, TransformModel.BSPLINE),
    Method.LANDMARKS: (*_LINEAR, TransformModel.BSPLINE),
    Method.BRAINS: (*_LINEAR, TransformModel.BSPLINE),
}


@dataclass(frozen=True)
class Registration:
    """A transform, how it was found, and how good it is.

    transform: takes points of the fixed volume to points of the moving volume, LPS mm (ITK's direction).
    method, model: what found it; the model is None for the header geometry.
    seconds: time the registration took.
    metric: figures by name, as :func:`CSAFusionLib.registration.quality.assessment.assess` gives them.
    quality: what the figures mean; None where nothing was assessed.
    warnings: sentences that change how the registration is read.
    given, started_from: the files (format and SHA-256) of a transform that replaced the registration, or from which it
      started; empty if there was none.
    masks: for each mask in which the volumes were compared, which volume it belongs to and its SHA-256.
    """

    transform: sitk.Transform
    method: Method
    model: TransformModel | None
    seconds: float
    metric: dict[str, float] = field(default_factory=dict)
    quality: Quality | None = None
    warnings: tuple[str, ...] = ()
    given: tuple[dict[str, str], ...] = ()
    started_from: tuple[dict[str, str], ...] = ()
    masks: tuple[dict[str, str], ...] = ()

    @property
    def verdict(self) -> Quality | None:
        """The quality, under its former name."""
        return self.quality

    @property
    def doubts(self) -> tuple[str, ...]:
        """A sentence if the quality is not good; none if it is good or was not assessed."""
        if self.quality is None or self.quality.grade is Grade.GOOD:
            return ()
        return (f"The registration is {self.quality.grade.value}: {self.quality.reason}",)

    @property
    def matrix(self) -> np.ndarray | None:
        """The (4, 4) matrix of a linear transform, LPS mm; None of any other."""
        return linear_matrix(self.transform) if self.transform.IsLinear() else None

    def describe(self) -> dict[str, Any]:
        """Return what provenance records: the finite figures and, for a linear transform, the matrix."""
        described: dict[str, Any] = {
            "method": self.method.name,
            "model": self.model and self.model.name,
            "seconds": round(self.seconds, 3),
            "metric": {name: float(value) for name, value in self.metric.items() if math.isfinite(value)},
            # The key has been "verdict" since the first version: other programs read it.
            "verdict": self.quality and {"level": self.quality.grade.value, "reason": self.quality.reason},
            "transform": self.transform.GetName(),
        }
        for name, files in (("given", self.given), ("started_from", self.started_from), ("masks", self.masks)):
            if files:
                described[name] = [*files]
        if self.matrix is not None:
            described["matrix_lps_mm"] = self.matrix.tolist()
        return described

    def to_dict(self) -> dict[str, Any]:
        """Return all but the transform as plain JSON values, for :meth:`from_dict`."""
        return {
            "method": self.method.name,
            "model": self.model and self.model.name,
            "seconds": self.seconds,
            "metric": self.metric,
            "verdict": self.quality and {"level": self.quality.grade.name, "reason": self.quality.reason},
            "warnings": [*self.warnings],
            "given": [*self.given],
            "started_from": [*self.started_from],
            "masks": [*self.masks],
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any], transform: sitk.Transform) -> Registration:
        """Return the registration of :meth:`to_dict`; InputError when something is missing or of a wrong type."""
        model, quality = checks.entry(saved, "model"), checks.entry(saved, "verdict")
        metric = checks.mapping(checks.entry(saved, "metric"), "figures of the registration")
        return cls(
            transform=transform,
            method=checks.parse_choice(Method, checks.entry(saved, "method"), "registration"),
            model=None if model is None else checks.parse_choice(TransformModel, model, "transform model"),
            seconds=checks.number_or_nan(checks.entry(saved, "seconds"), "time of the registration"),
            metric={name: checks.number_or_nan(value, name) for name, value in metric.items()},
            quality=None if quality is None else _quality(quality),
            warnings=tuple(checks.texts(saved.get("warnings", []), "warnings of the registration")),
            given=_files(saved.get("given", [])),
            started_from=_files(saved.get("started_from", [])),
            masks=_files(saved.get("masks", [])),
        )


def _files(values: object) -> tuple[dict[str, str], ...]:
    """What is recorded of transform or mask files, such as format and checksum."""
    if not isinstance(values, list):
        raise InputError(f"The files must be a list, not {checks.shown(values)}.")
    known = [checks.mapping(value, "file of a registration") for value in values]
    return tuple({name: checks.text(value, name) for name, value in one.items()} for one in known)


def _quality(values: object) -> Quality:
    saved = checks.mapping(values, "quality of a registration")
    return Quality(
        checks.parse_choice(Grade, checks.entry(saved, "level"), "grade"),
        checks.text(checks.entry(saved, "reason"), "reason of the quality"),
    )


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
