"""Rigid, affine and deformable registration with ANTs, through the package antspyx.

ANTs runs in a Python process of its own. In this one it would hold the interpreter until it is done, so nothing could
be cancelled; it would fix its number of threads at its first use, on which repeatability hangs; and it would take the
host down with it should it crash.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.methods import TransformModel
from CSAFusionLib.registration.search.start import find_start
from CSAFusionLib.registration.transforms import nearest_rigid

_STAGE = "Registering with ANTs"
_POLL_SECONDS = 0.1


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
    model: RIGID gives an Euler3DTransform, AFFINE an AffineTransform, SYN a CompositeTransform of an affine transform
        and a displacement field on the fixed grid, the field applied first.
    seed: of ANTs' random samples, 0 or more.
    threads: None is one, with which the same input and seed give the same transform.

    Raises RegistrationError when antspyx is not installed or ANTs fails; Cancelled from ``progress``.
    """
    if importlib.util.find_spec("ants") is None:
        raise RegistrationError("ANTs needs the package antspyx; install it with 'pip install antspyx', or use 'sitk'.")
    on_wait = partial(progress, _STAGE, 0, 0)
    on_wait()
    start = find_start(fixed, moving, seed=seed, threads=threads or 1, on_iteration=on_wait)
    with tempfile.TemporaryDirectory(prefix="csafusion-ants-") as name:
        folder = Path(name)
        sitk.WriteImage(fixed, str(folder / "fixed.nrrd"))
        sitk.WriteImage(moving, str(folder / "moving.nrrd"))
        sitk.WriteTransform(_as_affine(start), str(folder / "start.mat"))
        _run_child(folder, model, _environment(folder, seed, threads or 1), on_wait)
        return _read_result(folder, model, fixed)


def _run_child(folder: Path, model: TransformModel, environment: dict[str, str], on_wait: partial[None]) -> None:
    command = [_interpreter(), "-m", "CSAFusionLib.registration.engines.ants_child", str(folder), model.name]
    log = folder / "log.txt"
    with log.open("w") as output:
        child = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        try:
            while child.poll() is None:
                on_wait()
                time.sleep(_POLL_SECONDS)
        finally:
            child.kill()
            child.wait()
    if child.returncode != 0:
        words = log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(words) if line.strip()), f"exit code {child.returncode}")
        raise RegistrationError(f"ANTs could not register the two volumes ({last}); try the method 'sitk'.")


def _environment(folder: Path, seed: int, threads: int) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        # ANTs takes 0 for "seed from the clock".
        "ANTS_RANDOM_SEED": str(seed + 1),
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(threads),
        # Whatever ANTs leaves behind goes with the folder.
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder)),
    }


def _interpreter() -> str:
    """This Python; inside the Slicer application, whose executable is Slicer itself, the Python it ships."""
    if "python" in Path(sys.executable or "").name.lower():
        return sys.executable
    return shutil.which("PythonSlicer") or "python"


def _read_result(folder: Path, model: TransformModel, fixed: sitk.Image) -> sitk.Transform:
    affine = sitk.AffineTransform(sitk.ReadTransform(str(folder / "result0GenericAffine.mat")))
    if model is TransformModel.RIGID:
        return nearest_rigid(affine)
    if model is TransformModel.AFFINE:
        return affine
    field = sitk.ReadImage(str(folder / "result1Warp.nii.gz"), sitk.sitkVectorFloat64)
    # The field lies on the fixed grid; NIfTI keeps its geometry in single precision only.
    field.CopyInformation(fixed)
    return sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)])


def _as_affine(rigid: sitk.Euler3DTransform) -> sitk.AffineTransform:
    return sitk.AffineTransform(rigid.GetMatrix(), rigid.GetTranslation(), rigid.GetCenter())
