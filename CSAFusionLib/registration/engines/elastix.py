"""Rigid, affine and B-spline registration with elastix, through the package itk-elastix."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.files.whole import content_writer
from CSAFusionLib.geometry.transform_algebra import as_affine, as_rigid
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.engines.child import (
    check_installed,
    exchange_folder,
    hand_over,
    run_module,
    takes_result,
)
from CSAFusionLib.registration.engines.elastix_parameters import elastix_parameters
from CSAFusionLib.registration.methods import TransformModel
from CSAFusionLib.registration.search.start import find_start

_STAGE = "Registering with elastix"


def run(
    fixed: sitk.Image,
    moving: sitk.Image,
    model: TransformModel,
    *,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress = silent,
) -> sitk.Transform:
    """Find the transform from fixed to moving points, LPS mm.

    fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.
    model: RIGID gives an Euler3DTransform, AFFINE an AffineTransform, BSPLINE a CompositeTransform of linear
        transforms and a B-spline.
    seed: of elastix' random samples, 0 or more.
    threads: None is one, with which the same input and seed give the same transform.

    Raises RegistrationError when itk-elastix is not installed or elastix fails; Cancelled from ``progress``.
    """
    check_installed("elastix", "itk-elastix")
    threads = threads or 1
    on_wait = partial(progress, _STAGE, 0, 0)
    on_wait()
    start = find_start(fixed, moving, seed=seed, threads=threads, on_iteration=on_wait)
    # elastix begins where the start brings the moving image; what it finds is then a step before the start.
    placed = sitk.TransformGeometry(moving, start)
    stages = elastix_parameters(fixed, placed, model, seed=seed)
    with exchange_folder(fixed, placed) as folder:
        hand_over(folder, {"parameters.json": content_writer(json.dumps(stages))})
        run_module("elastix", "elastix_child", [str(folder), str(threads)], folder, threads=threads, on_wait=on_wait)
        with takes_result("elastix"):
            return _read_result(folder / f"TransformParameters.{len(stages) - 1}-Composite.h5", start, model)


def _read_result(file: Path, start: sitk.Euler3DTransform, model: TransformModel) -> sitk.Transform:
    found = sitk.CompositeTransform([start, sitk.ReadTransform(str(file))])
    if model is TransformModel.RIGID:
        return as_rigid(found)
    if model is TransformModel.AFFINE:
        return as_affine(found)
    found.FlattenTransform()
    return found
