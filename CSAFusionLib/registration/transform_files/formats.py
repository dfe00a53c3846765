"""Tell transform files apart by what they begin with."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from CSAFusionLib.errors import InputError
from CSAFusionLib.registration.transform_files.lta import is_lta
from CSAFusionLib.registration.transform_files.matrices import parse_matrix
from CSAFusionLib.registration.transform_files.unusable import Unusable
from CSAFusionLib.volumes.formats import format_of


class TransformFormat(Enum):
    """What wrote a transform file; each value is what a summary calls it."""

    ITK = "ITK"
    LTA = "FreeSurfer LTA"
    MATRIX = "4 x 4 matrix"
    FIELD = "displacement field"


_HEAD = 64 * 1024
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ITK_TEXT = b"#Insight Transform File"
_FOREIGN_TEXTS = {
    b"MNI Transform File": "it is a MINC .xfm file; convert it to an ITK .tfm file",
    b"mat_name": "it is no transform; give the file that the registration wrote",
    b"<?xml": "it is an XML file; give the file that the registration wrote",
    b"(Transform ": "it is an elastix parameter file; set ITKTransformOutputFileNameExtension and give that file",
    b"# 3dAllineate": "it is an AFNI matrix; convert it with cat_matvec and c3d_affine_tool to an ITK .tfm file",
    b"# 3dvolreg": "it is an AFNI matrix; convert it with cat_matvec and c3d_affine_tool to an ITK .tfm file",
}


def transform_format_of(path: Path) -> TransformFormat:
    """Return the format of a transform file, by its content.

    Raises Unusable for one of a format that is known and not read, OSError where it cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise Unusable("it is empty; save the transform again")
    if head.startswith((_HDF5, _ITK_TEXT)) or _is_matlab(path, head):
        return TransformFormat.ITK
    text = text_of(head)
    for start, reason in _FOREIGN_TEXTS.items():
        if head.lstrip().startswith(start):
            raise Unusable(reason)
    if is_lta(text):
        return TransformFormat.LTA
    if parse_matrix(text) is not None:
        return TransformFormat.MATRIX
    try:
        format_of(path)
    except InputError as error:
        raise Unusable(
            "it is no transform that is read; give an ITK, ANTs or Slicer transform (.tfm, .txt, .mat, .h5), a "
            "FreeSurfer .lta, an FSL matrix, or a displacement field"
        ) from error
    return TransformFormat.FIELD


def text_of(content: bytes) -> str:
    """Return a file's content as text, whatever its encoding: numbers and names are ASCII in all of these formats."""
    return content.decode("latin-1")


def _is_matlab(path: Path, head: bytes) -> bool:
    """Whether it is no text, and so can only be ITK's Matlab 4 file, which begins with its type as a number."""
    return path.suffix.lower() == ".mat" and b"\0" in head[:20]
