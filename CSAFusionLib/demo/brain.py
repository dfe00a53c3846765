"""The MNI152 brain that the package nilearn carries: a T1 template and its tissue maps."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.errors import InputError


def read_t1() -> sitk.Image:
    """The ICBM 152 nonlinear 2009a T1 template: the average of 152 real scans, brain only, 1 mm."""
    return _read("t1")


def read_tissue(tissue: str) -> sitk.Image:
    """The share of ``gm`` (grey) or ``wm`` (white matter) in each voxel of the template, float32 in [0, 1]."""
    return sitk.Cast(_read(tissue), sitk.sitkFloat32) / 255


def _read(name: str) -> sitk.Image:
    """Read a file of the template.

    Raises:
        InputError: nilearn is not installed.
    """
    found = find_spec("nilearn")  # found, not imported: only its files are needed
    if found is None or not found.submodule_search_locations:
        raise InputError("The demo's brain comes with the package nilearn; install it with 'pip install nilearn'.")
    folder = Path(found.submodule_search_locations[0], "datasets", "data")
    return sitk.ReadImage(str(folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"))
