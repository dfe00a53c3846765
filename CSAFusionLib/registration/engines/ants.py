"""Rigid, affine and deformable registration with ANTs, through the package antspyx.

ANTs runs in a process of its own: ``python -m CSAFusionLib.registration.engines.ants FOLDER MODEL``. FOLDER holds
fixed.nrrd, moving.nrrd and start.mat; result0GenericAffine.mat joins them and, for a deformable model,
result1Warp.nii.gz. Where there are fixed_mask.nrrd or moving_mask.nrrd, every stage compares inside them alone.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from CSAFusionLib.geometry.transform_algebra import as_affine, nearest_rigid
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.engines.engine_process import (
    check_compressed,
    check_installed,
    exchange_folder,
    hand_over,
    run_module,
    takes_result,
)
from CSAFusionLib.registration.engines.mutual_information import find_start
from CSAFusionLib.registration.registration import NO_MASKS, RegistrationMasks, TransformModel
from CSAFusionLib.registration.transforms import transform_writer

_STAGE = "Registering with ANTs"


def run(
    fixed: sitk.Image,
    moving: sitk.Image,
    model: TransformModel,
    *,
    seed: int = 0,
    threads: int | None = None,
    masks: RegistrationMasks = NO_MASKS,
    progress: Progress = silent,
) -> sitk.Transform:
    """Find the transform from fixed to moving points, LPS mm.

    fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.
    model: RIGID gives an Euler3DTransform, AFFINE an AffineTransform, SYN and RIGID_AFFINE_SYN a CompositeTransform of
        an affine transform and a displacement field on the fixed grid, the field applied first.
    seed: seed of ANTs' random samples, 0 or more.
    threads: None means one, for which the same input and seed give the same transform.
    masks: where the two are compared.

    Raises RegistrationError when antspyx is not installed or ANTs fails; Cancelled from ``progress``.
    """
    check_installed("ANTs", "antspyx")
    threads = threads or 1
    on_wait = partial(progress, _STAGE, 0, 0)
    on_wait()
    start = find_start(fixed, moving, seed=seed, threads=threads, on_iteration=on_wait, masks=masks)
    with exchange_folder(fixed, moving, masks) as folder:
        hand_over(folder, {"start.mat": transform_writer(as_affine(start))})
        # ANTs takes 0 for "seed from the clock".
        variables = {"ANTS_RANDOM_SEED": str(seed + 1)}
        arguments = [str(folder), model.name]
        run_module("ANTs", "ants", arguments, folder, threads=threads, on_wait=on_wait, variables=variables)
        with takes_result("ANTs"):
            return _read_result(folder, model, fixed)


def _read_result(folder: Path, model: TransformModel, fixed: sitk.Image) -> sitk.Transform:
    affine = sitk.AffineTransform(sitk.ReadTransform(str(folder / "result0GenericAffine.mat")))
    if model is TransformModel.RIGID:
        return nearest_rigid(affine)
    if model is TransformModel.AFFINE:
        return affine
    check_compressed(folder / "result1Warp.nii.gz")
    field = sitk.ReadImage(str(folder / "result1Warp.nii.gz"), sitk.sitkVectorFloat64)
    # The field lies on the fixed grid; NIfTI keeps its geometry in single precision only.
    field.CopyInformation(fixed)
    return sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)])


_TYPES = {"RIGID": "Rigid", "AFFINE": "Affine", "SYN": "SyN", "RIGID_AFFINE_SYN": "SyNRA"}


def register_folder(folder: Path, model: str) -> dict[str, Any]:
    """Run ANTs on the files of a folder; returns what ``ants.registration`` does, its files being in the folder.

    model: RIGID, AFFINE, SYN (affine, then symmetric normalisation) or RIGID_AFFINE_SYN (rigid, affine, then the same).
    """
    import ants

    files = [folder / f"{name}.nrrd" for name in ("fixed", "moving", "fixed_mask", "moving_mask")]
    fixed, moving, mask, moving_mask = (
        ants.from_sitk(sitk.ReadImage(str(file))) if file.exists() else None for file in files
    )
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


if __name__ == "__main__":
    register_folder(Path(sys.argv[1]), sys.argv[2])
