"""Transforms of 3D Slicer that ITK does not know: deformations whose inverse is what the file means, and splines."""

from __future__ import annotations

import re
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.registration.inversion import inverse_of
from CSAFusionLib.registration.transform_files.unusable import Unusable
from CSAFusionLib.registration.transforms import read_transform

# Slicer writes a deformation that was defined from the moving to the fixed volume under these names.
_INVERSES = re.compile(rb"Inverse((?:DisplacementField|BSpline)Transform_\w+_3_3)")
_SPLINE = b"ThinPlateSpline"
_COMPOSITE = b"CompositeTransform"


def read_inverse(path: Path) -> tuple[sitk.Transform, float] | None:
    """Read an inverse deformation of Slicer's; None for a file that ITK reads by itself.

    Returns it with how far off it is at most, in mm.

    Raises Unusable for a thin-plate spline and for an inverse among other transforms, InputError for a damaged file.
    """
    content = path.read_bytes()
    if _SPLINE in content:
        raise Unusable("it is a thin-plate spline; convert it to a grid in Slicer's module Transforms and save that")
    found = _INVERSES.findall(content)
    if not found:
        return None
    if len(found) > 1 or _COMPOSITE in content:
        raise Unusable("it holds inverse deformations among others; convert it to a grid in Slicer's module Transforms")
    with OwnedFolder() as folder:
        forward = folder / f"forward{path.suffix.lower()}"
        # HDF5 keeps the length of a name: null bytes end it sooner.
        padding = b"" if path.suffix.lower() in (".tfm", ".txt") else b"\0" * len(b"Inverse")
        forward.write_bytes(_INVERSES.sub(lambda match: match.group(1) + padding, content))
        transform = read_transform(forward)
    return inverse_of(transform, _domain(transform))


def _domain(transform: sitk.Transform) -> sitk.Image:
    """The grid of a displacement field, or one over the domain of a B-spline."""
    known = transform.Downcast()
    if isinstance(known, sitk.DisplacementFieldTransform):
        field: sitk.Image = known.GetDisplacementField()
        return field
    size = known.GetTransformDomainMeshSize()
    grid = sitk.Image([cells + 1 for cells in size], sitk.sitkUInt8)
    sides = known.GetTransformDomainPhysicalDimensions()
    grid.SetSpacing([side / cells for side, cells in zip(sides, size, strict=True)])
    grid.SetOrigin(known.GetTransformDomainOrigin())
    grid.SetDirection(known.GetTransformDomainDirection())
    return grid
