"""The work of ``csafusion fuse`` on two volumes: read, fuse, say what was done, write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import SimpleITK as sitk
import typer

from CSAFusionLib.cli.misalignment import map_files, measured
from CSAFusionLib.cli.montage import montage_of
from CSAFusionLib.cli.options import ReadingOptions
from CSAFusionLib.cli.outputs import check_extension, check_outputs
from CSAFusionLib.cli.progress_bar import ProgressBar
from CSAFusionLib.cli.summary import print_fusion_summary, print_written
from CSAFusionLib.cli.transform_options import TransformChoice
from CSAFusionLib.files.atomic_write import Writer, atomic_write, content_writer
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.fusion.inference import memory_need
from CSAFusionLib.fusion.known_registration import registration_by
from CSAFusionLib.fusion.pipeline import FusionResult, fuse_volumes
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.json_text import to_json
from CSAFusionLib.progress import Progress
from CSAFusionLib.registration.methods import TransformModel
from CSAFusionLib.registration.transforms import check_transform_path, transform_writer
from CSAFusionLib.volumes.pictures import picture_writer
from CSAFusionLib.volumes.writing import VOLUME_EXTENSIONS, volume_writer


@dataclass(frozen=True)
class VolumeOutputs:
    """Where the results go; None is not written."""

    fused: Path
    transform: Path | None = None
    png: Path | None = None
    provenance: Path | None = None
    misalignment: Path | None = None

    def check(self, inputs: tuple[Path, ...], model: TransformModel) -> None:
        """Raise InputError for an output that could not be written in the end."""
        check_extension(self.fused, VOLUME_EXTENSIONS)
        if self.transform is not None:
            check_transform_path(self.transform, deformable=not model.is_linear)
        check_extension(self.png, (".png",))
        check_extension(self.provenance, (".json",))
        maps = map_files(self.misalignment)
        check_outputs((self.fused, self.transform, self.png, self.provenance, *maps), inputs)

    def check_transform(self, transform: sitk.Transform) -> None:
        """Raise InputError where the transform of the result will not be one that its file can hold."""
        if self.transform is not None and not transform.IsLinear():
            check_transform_path(self.transform, deformable=True)

    def writers(self, result: FusionResult, settings: FusionSettings, progress: Progress) -> dict[Path, Writer]:
        """What writes each output that was asked for; it can be cancelled over a large volume."""
        writers: dict[Path, Writer] = {self.fused: volume_writer(result.fused, partial(progress, "Writing", 0, 0))}
        if self.transform is not None:
            writers[self.transform] = transform_writer(result.registration.transform)
        if self.png is not None:
            writers[self.png] = picture_writer(montage_of(result, settings.plane))
        if self.provenance is not None:
            writers[self.provenance] = content_writer(to_json(result.provenance, indent=2) + "\n")
        return writers


def fuse_volume_files(
    fixed: Path,
    moving: Path,
    settings: FusionSettings,
    outputs: VolumeOutputs,
    reading: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
    known: TransformChoice | None = None,
) -> FusionResult:
    """Fuse two volumes from disk to disk.

    known: a transform that takes the place of the registration, or where it starts.

    Raises:
        CSAFusionError: an input, an output or a setting cannot be used; nothing was written.
    """
    outputs.check((fixed, moving, *(known.inputs if known else ())), settings.transform_model)
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        volumes = reading.read(fixed, moving)
        need = memory_need(*volumes, settings, choose_device(settings.device))
        typer.echo(f"Memory       about {need} at the peak")
        registration = None
        if known is not None:
            given = known.read(*volumes, (fixed, moving))
            outputs.check_transform(given.transform)
            registration = registration_by(*volumes, settings, given, is_start=known.is_start, progress=progress)
        result = fuse_volumes(*volumes, settings, registration=registration, progress=progress)
        said, transform = result.provenance["registration"], result.registration.transform
        maps = measured(outputs.misalignment, volumes, transform, said, progress)
        writers = outputs.writers(result, settings, progress) | maps
        atomic_write(writers, progress)
    print_fusion_summary(result.provenance)
    print_written(writers)
    return result
