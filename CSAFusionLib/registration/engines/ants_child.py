"""The process in which ANTs runs: ``python -m CSAFusionLib.registration.engines.ants_child FOLDER MODEL``.

FOLDER holds fixed.nrrd, moving.nrrd and start.mat; result0GenericAffine.mat joins them and, for a deformable model,
result1Warp.nii.gz.
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
    fixed, moving = (ants.from_sitk(sitk.ReadImage(str(folder / name))) for name in ("fixed.nrrd", "moving.nrrd"))
    return ants.registration(
        fixed,
        moving,
        type_of_transform=_TYPES[model],
        initial_transform=str(folder / "start.mat"),
        outprefix=str(folder / "result"),
    )


if __name__ == "__main__":
    register_folder(Path(sys.argv[1]), sys.argv[2])
