"""``csafusion demo``: register and fuse the MNI152 template and a PET simulated from its tissue maps."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import SimpleITK as sitk
import typer

from CSAFusionLib.cli.outputs import check_output_folder, filled_folder, print_fusion_summary, print_written
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.errors import InputError
from CSAFusionLib.example.head import known_movement, simulate_pet
from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import volume_writer


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


_EXPLANATION = """\
REAL: the MNI152 T1 template, the average of 152 scans, brain only (from the package nilearn).
SIMULATED: the PET. Grey and white matter, from the template's maps, were given an uptake like that of FDG; the brain
was then turned by 6, -4 and 9 degrees, shifted by 16 mm, and scanned at 6 mm resolution with counting noise, on a
coarser grid. The movement is known, so the registration's error can be measured."""


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("demo-output"),
) -> None:
    """Register and fuse a real T1 template and a PET simulated from its tissue maps, and measure the error."""
    # The help of the whole command should not wait for PyTorch.
    from CSAFusionLib.cli.volume_job import VolumeOutputs
    from CSAFusionLib.fusion.pipeline import fuse_volumes

    check_output_folder(output)
    typer.echo(_EXPLANATION)
    settings = FusionSettings(fixed_modality=Modality.MR, moving_modality=Modality.PET, colour_table="hot-iron")
    with ProgressBar() as progress:
        progress("Simulating the PET", 0, 0)
        t1 = read_t1()
        pet = simulate_pet(read_tissue("gm"), read_tissue("wm"), known_movement())
        result = fuse_volumes(Volume(t1, "T1"), Volume(pet, "simulated PET"), settings, progress=progress)
        outputs = VolumeOutputs(
            fused=output / "fused.nii.gz",
            transform=output / "transform.tfm",
            png=output / "fused.png",
            provenance=output / "provenance.json",
        )
        writers = {
            output / "t1.nii.gz": volume_writer(t1),
            output / "pet_simulated.nii.gz": volume_writer(pet),
        } | outputs.writers(result, settings, progress)
        with filled_folder(output):
            atomic_write(writers, progress)
    print_fusion_summary(result.provenance)
    errors = target_registration_error(result.registration.transform, known_movement(), head_points(t1))
    typer.echo(f"Registration error over the brain: mean {errors.mean():.2f} mm, largest {errors.max():.2f} mm")
    print_written(writers)
