"""Rigid, affine and deformable registration with ANTs, through the package antspyx."""

from __future__ import annotations

from functools import partial
from pathlib import Path

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
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks
from CSAFusionLib.registration.mutual_information import find_start
from CSAFusionLib.registration.registration import TransformModel
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
        run_module("ANTs", "ants_child", arguments, folder, threads=threads, on_wait=on_wait, variables=variables)
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
