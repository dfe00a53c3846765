"""FreeSurfer's linear transforms (.lta): a matrix from source (moving) to destination (fixed), and both grids."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import LPS_TO_RAS, corner_indices, ijk_to_ras
from CSAFusionLib.registration.transform_files.frames import Frames
from CSAFusionLib.registration.transform_files.unusable import Unusable

_VOXELS, _RAS = 0, 1

# Grids are those of the two volumes when no corner is farther off; files keep five decimals.
_SAME_MM = 0.05


@dataclass(frozen=True)
class _Grid:
    """The grid of a volume as the file describes it."""

    size: tuple[int, int, int]
    ijk_to_ras: np.ndarray


@dataclass(frozen=True)
class _Lta:
    """What the file says; the matrix (4, 4) goes from source to destination."""

    kind: int
    matrix: np.ndarray
    source: _Grid | None
    destination: _Grid | None


def is_lta(text: str) -> bool:
    """Tell whether a text is a FreeSurfer transform."""
    return re.search(r"^type\s*=\s*\d+", text, re.MULTILINE) is not None and "volume info" in text


def read_lta(text: str, frames: Frames) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the (4, 4) matrix from fixed to moving points, LPS mm, and what the user must know of it.

    FreeSurfer's programs take the moving volume as source. Where the file's own grids say that it was the other way
    round, as mri_vol2vol does, the matrix is taken the other way round.

    Raises Unusable for a damaged file, several matrices, or coordinates other than voxels and RAS.
    """
    lta = _parse(text)
    to_destination = _in_ras(lta)
    grids, images = (lta.source, lta.destination), (frames.moving.image, frames.fixed.image)
    as_usual, turned = (all(map(_fits, grids, order)) for order in (images, images[::-1]))
    if turned and not as_usual:
        note = "goes from the fixed to the moving volume by the grids it names, and was taken so."
        return LPS_TO_RAS @ to_destination @ LPS_TO_RAS, (note,)
    return LPS_TO_RAS @ np.linalg.inv(to_destination) @ LPS_TO_RAS, ()


def _parse(text: str) -> _Lta:
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    values = dict(part.split("=", 1) for part in lines if "=" in part)
    values = {name.strip(): value.strip() for name, value in values.items()}
    try:
        start = lines.index("1 4 4") + 1
        kind, count = int(values["type"]), int(values["nxforms"])
        matrix = np.array([line.split() for line in lines[start : start + 4]], float)
    except (ValueError, KeyError, IndexError) as error:
        raise Unusable("its header or its matrix is damaged; save it again with lta_convert") from error
    if count != 1:
        raise Unusable(f"it holds {count} matrices; save one of them")
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
        raise Unusable("its matrix is damaged; save it again with lta_convert")
    return _Lta(kind, matrix, _grid(lines, "src volume info"), _grid(lines, "dst volume info"))


def _grid(lines: list[str], title: str) -> _Grid | None:
    """The grid below a title; None where there is none or it is said not to be valid."""
    if title not in lines:
        return None
    values: dict[str, str] = {}
    for line in lines[lines.index(title) + 1 :]:
        name, _, value = line.partition("=")
        if line.endswith("volume info") or name.strip() in values:
            break
        values[name.strip()] = value.strip()
    if values.get("valid", "0").split()[0] != "1":
        return None
    try:
        size = np.array(values["volume"].split(), int)
        spacing = np.array(values["voxelsize"].split(), float)
        directions = np.stack([np.array(values[f"{axis}ras"].split(), float) for axis in "xyz"], axis=1)
        centre = np.array(values["cras"].split(), float)
        matrix = np.eye(4)
        matrix[:3, :3] = directions * spacing
        # The voxel of index size / 2 lies at cras.
        matrix[:3, 3] = centre - matrix[:3, :3] @ (size / 2)
    except (KeyError, ValueError) as error:
        raise Unusable(f"its {title} is damaged; save it again with lta_convert") from error
    return _Grid((int(size[0]), int(size[1]), int(size[2])), matrix)


def _in_ras(lta: _Lta) -> np.ndarray:
    if lta.kind == _RAS:
        return lta.matrix
    if lta.kind != _VOXELS:
        raise Unusable(f"its coordinates are of type {lta.kind}; convert it with lta_convert --outlta (RAS to RAS)")
    if lta.source is None or lta.destination is None:
        raise Unusable("it goes from voxels to voxels and does not say of which volumes; save it as RAS to RAS")
    found: np.ndarray = lta.destination.ijk_to_ras @ lta.matrix @ np.linalg.inv(lta.source.ijk_to_ras)
    return found


def _fits(grid: _Grid | None, image: sitk.Image) -> bool:
    if grid is None or grid.size != image.GetSize():
        return False
    apart = corner_indices(grid.size) @ (grid.ijk_to_ras - ijk_to_ras(image)).T
    return bool(np.linalg.norm(apart[:, :3], axis=1).max() <= _SAME_MM)
