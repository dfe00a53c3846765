"""The work of ``csafusion fuse`` on aligned pictures: one pair, or two folders of pictures with equal names."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer

from CSAFusionLib.cli.outputs import (
    check_absent,
    check_extension,
    check_outputs,
    filled_folder,
    print_fusion_summary,
    print_written,
)
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, check_folder, content_writer, is_same_file
from CSAFusionLib.fusion.device import load_torch
from CSAFusionLib.fusion.picture_pairs import FusedPictures, fuse_pictures
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.text import to_json
from CSAFusionLib.volumes.pictures import picture_writer, read_picture


@dataclass(frozen=True)
class PictureOutputs:
    """Where the results go: a PNG for a pair of PNGs, a folder for a pair of folders; None is not written."""

    fused: Path
    png: Path | None = None
    provenance: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class _Pair:
    fixed: Path
    moving: Path
    fused: Path


def fuse_picture_files(fixed: Path, moving: Path, settings: FusionSettings, outputs: PictureOutputs) -> None:
    """Fuse pictures from disk to disk.

    Raises:
        CSAFusionError: an input, an output or a setting cannot be used; nothing was written.
    """
    in_folders = fixed.is_dir()
    if not in_folders:
        check_extension(outputs.fused, (".png",))
    pairs = _find_pairs(fixed, moving, outputs) if in_folders else [_Pair(fixed, moving, outputs.fused)]
    check_extension(outputs.png, (".png",))
    check_extension(outputs.provenance, (".json",))
    wanted = [None if in_folders else outputs.fused, outputs.png, outputs.provenance]
    check_outputs(wanted, (fixed, moving), overwrite=outputs.overwrite)
    for pair in pairs:
        check_absent(pair.fused, pair.fused, overwrite=outputs.overwrite)
    with ProgressBar() as progress:
        sources = [(_read_unit(pair.fixed), _read_unit(pair.moving)) for pair in pairs]
        load_torch(for_good=True)
        result = fuse_pictures([pair[0] for pair in sources], [pair[1] for pair in sources], settings, progress)
        writers = _writers(pairs, result, outputs)
        if outputs.png is not None:
            from CSAFusionLib.cli.montage import montage

            picture = montage([(*sources[0], result.pictures[0] / np.float32(255))])
            writers[outputs.png] = picture_writer(picture)
        with filled_folder(outputs.fused) if in_folders else nullcontext():
            atomic_write(writers, progress)
    print_fusion_summary(result.provenance)
    print_written([outputs.fused] if in_folders else writers)


def _find_pairs(fixed: Path, moving: Path, outputs: PictureOutputs) -> list[_Pair]:
    if outputs.png is not None:
        raise InputError("--png shows one pair; leave it out when whole folders are fused.")
    if outputs.fused.is_file() or any(is_same_file(outputs.fused, path) for path in (fixed, moving)):
        raise InputError(f"'{outputs.fused}' is a file or an input; give another folder for the fused pictures.")
    check_folder(outputs.fused if outputs.fused.is_dir() else outputs.fused.parent)
    names = [{file.name for file in folder.iterdir() if file.suffix.lower() == ".png"} for folder in (fixed, moving)]
    common = sorted(names[0] & names[1])
    if not common:
        raise InputError(
            f"'{fixed}' and '{moving}' have no PNG of the same name; give both pictures of a pair the same name."
        )
    alone = len(names[0] ^ names[1])
    if alone:
        what = "1 picture has" if alone == 1 else f"{alone} pictures have"
        typer.echo(f"{what} no partner of the same name; left out.", err=True)
    return [_Pair(fixed / name, moving / name, outputs.fused / name) for name in common]


def _writers(pairs: list[_Pair], result: FusedPictures, outputs: PictureOutputs) -> dict[Path, Writer]:
    writers: dict[Path, Writer] = {
        pair.fused: picture_writer(picture) for pair, picture in zip(pairs, result.pictures, strict=True)
    }
    if outputs.provenance is not None:
        text = to_json(result.provenance, indent=2) + "\n"
        writers[outputs.provenance] = content_writer(text)
    return writers


def _read_unit(path: Path) -> np.ndarray:
    """A picture in [0, 1]: RGB (H, W, 3), or grey (H, W), also when it was saved as RGB with three equal channels."""
    picture = read_picture(path)
    if picture.ndim == 3 and (picture == picture[..., :1]).all():
        picture = picture[..., 0]
    return picture.astype(np.float32) / np.float32(np.iinfo(picture.dtype).max)
