"""The process in which ANTs runs: ``python -m CSAFusionLib.registration.engines.ants_child FOLDER MODEL``.

FOLDER holds fixed.nrrd, moving.nrrd and start.mat; result0GenericAffine.mat joins them and, for a deformable model,
result1Warp.nii.gz. Where there are fixed_mask.nrrd or moving_mask.nrrd, every stage compares inside of them alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ants
import SimpleITK as sitk

_TYPES = {"RIGID": "Rigid", "AFFINE": "Affine", "SYN": "SyN", "RIGID_AFFINE_SYN": "SyNRA"}


def register_folder(folder: Path, model: str) -> dict[str, Any]:
    """Run ANTs on the files of a folder; returns what ``ants.registration`` does, its files being in the folder.

    model: RIGID, AFFINE, SYN (affine, then symmetric normalisation) or RIGID_AFFINE_SYN (rigid, affine, then the same).
    """
    names = ("fixed.nrrd", "moving.nrrd", "fixed_mask.nrrd", "moving_mask.nrrd")
    fixed, moving, mask, moving_mask = (_read(folder / name) for name in names)
    return ants.registration(
        fixed,
        moving,
        type_of_transform=_TYPES[model],
        initial_transform=str(folder / "start.mat"),
        outprefix=str(folder / "result"),
        mask=mask,
        moving_mask=moving_mask,
        mask_all_stages=True,
    )


def _read(file: Path) -> Any:
    return ants.from_sitk(sitk.ReadImage(str(file))) if file.exists() else None


if __name__ == "__main__":
    register_folder(Path(sys.argv[1]), sys.argv[2])
