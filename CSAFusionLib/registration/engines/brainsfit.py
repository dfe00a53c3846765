"""Rigid, affine and B-spline registration with the program BRAINSFit, through files."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.geometry.transform_algebra import as_affine, as_rigid
from CSAFusionLib.processes import find_program
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.engines.engine_process import exchange_folder, run_child, takes_result
from CSAFusionLib.registration.registration import NO_MASKS, RegistrationMasks, TransformModel

EXECUTABLE_VARIABLE = "CSAFUSION_BRAINSFIT"
"""The environment variable that names the executable where it is not the BRAINSFit of the PATH."""

_STAGE = "Registering with BRAINSFit"
_SAMPLES = 0.02
"""The share of the voxels that are compared."""


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
    model: RIGID gives an Euler3DTransform, AFFINE an AffineTransform, BSPLINE what BRAINSFit writes for it.
    seed: has no effect, because BRAINSFit's samples are always the same.
    threads: None means one.
    masks: where the two are compared.

    Raises RegistrationError when there is no executable or it fails; Cancelled from ``progress``.
    """
    executable = find_executable()
    threads = threads or 1
    with exchange_folder(fixed, moving, _both(masks, fixed, moving)) as folder:
        result = folder / "result.h5"
        parameters = (
            brainsfit_parameters(model)
            | _mask_parameters(masks, fixed, folder)
            | {
                "fixedVolume": folder / "fixed.nrrd",
                "movingVolume": folder / "moving.nrrd",
                transform_parameter(model): result,
                "numberOfThreads": threads,
            }
        )
        command = [executable, *_arguments(parameters)]
        run_child("BRAINSFit", command, folder, threads=threads, on_wait=partial(progress, _STAGE, 0, 0))
        with takes_result("BRAINSFit"):
            return _read_result(result, model)


def use_executable(path: Path | None) -> None:
    """Run this executable from now on, in this process and those it starts; None changes nothing."""
    if path is not None:
        os.environ[EXECUTABLE_VARIABLE] = str(path)


def find_executable() -> str:
    """Return the path of the executable that the environment variable names, or else of the BRAINSFit on the PATH.

    A name without a folder is looked for on the PATH alone: the current folder holds the user's data.

    Raises RegistrationError when there is none.
    """
    named = os.environ.get(EXECUTABLE_VARIABLE)
    found = _runnable(named) if named and os.path.dirname(named) else find_program(named or "BRAINSFit")
    if found is None and named:
        raise RegistrationError(f"'{named}' cannot be run as a program; give the path of BRAINSFit's executable.")
    if found is None:
        raise RegistrationError(
            "There is no BRAINSFit on the PATH; name the executable with --brainsfit (3D Slicer brings one in its "
            "folder of command-line modules), or use 'sitk'."
        )
    return found


def _runnable(named: str) -> str | None:
    path = os.path.abspath(named)
    return path if os.path.isfile(path) and os.access(path, os.X_OK) else None


def _both(masks: RegistrationMasks, fixed: sitk.Image, moving: sitk.Image) -> RegistrationMasks:
    """Masks of both volumes or of none: older versions of BRAINSFit end with an error where one is missing."""
    if not masks:
        return masks
    return replace(masks, fixed=masks.fixed or _everywhere(fixed), moving=masks.moving or _everywhere(moving))


def _everywhere(image: sitk.Image) -> sitk.Image:
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8) + 1
    mask.CopyInformation(image)
    return mask


def _mask_parameters(masks: RegistrationMasks, fixed: sitk.Image, folder: Path) -> dict[str, Any]:
    if not masks:
        return {}
    # Samples are drawn from the whole volume, and those outside the mask are then dropped.
    share = min(1.0, _SAMPLES / masks.share_of(fixed))
    return {
        "maskProcessingMode": "ROI",
        "fixedBinaryVolume": folder / "fixed_mask.nrrd",
        "movingBinaryVolume": folder / "moving_mask.nrrd",
        "samplingPercentage": round(share, 6),
    }


def _arguments(parameters: dict[str, Any]) -> list[str]:
    """Parameters as command-line arguments: a switch stands alone if it is on, and is left out if it is off."""
    given = {name: value for name, value in parameters.items() if value is not False}
    pairs = ((f"--{name}", *(() if value is True else (str(value),))) for name, value in given.items())
    return [word for pair in pairs for word in pair]


def _read_result(file: Path, model: TransformModel) -> sitk.Transform:
    if not file.is_file():
        raise RegistrationError("BRAINSFit ended without a transform; try the method 'sitk'.")
    transform = sitk.ReadTransform(str(file))
    if model is TransformModel.RIGID:
        return as_rigid(transform)
    if model is TransformModel.AFFINE:
        return as_affine(transform)
    return transform


def brainsfit_parameters(model: TransformModel) -> dict[str, Any]:
    """Return BRAINSFit's parameters by their names, without its volumes and its output.

    model: RIGID, AFFINE (after rigid) or BSPLINE (after rigid and affine).
    """
    return {
        "initializeTransformMode": "useMomentsAlign",
        "useRigid": True,
        "useAffine": model is not TransformModel.RIGID,
        "useBSpline": model is TransformModel.BSPLINE,
        "splineGridSize": "14,10,12",
        "costMetric": "MMI",
        "samplingPercentage": _SAMPLES,
        "numberOfHistogramBins": 50,
        "maskProcessingMode": "NOMASK",
    }


def transform_parameter(model: TransformModel) -> str:
    """Return the name of the output that takes the transform: BRAINSFit ends with an error when it is the wrong one."""
    return "bsplineTransform" if model is TransformModel.BSPLINE else "linearTransform"
