"""CSAFusionLib/registration/foreign_transforms.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.transform_algebra import affine_of
from CSAFusionLib.registration.foreign_transforms import Frame, Frames, is_written_by_flirt, matrix_to_lps, parse_matrix
from CSAFusionLib.registration.methods import MatrixKind

BY_FSLPY = """\
0.989257987912327 -0.146180284442064 -0.00209056920944498 -8.17631657028539
0.146180276164817 0.989257968390698 0.0198904371026585 -15.0240903648446
-0.00190808991591136 -0.00981627225875854 1.03 13.18
0 0 0 1
"""
# The same as FLIRT prints it.
BY_FLIRT = """\
0.9892579879  -0.1461802844  -0.0020905692  -8.1763165703  \n\
0.1461802762  0.9892579684  0.0198904371  -15.0240903648  \n\
-0.0019080899  -0.0098162723  1.0300000000  13.1800000000  \n\
0.0000000000  0.0000000000  0.0000000000  1.0000000000  \n\
"""
# As Greedy writes it: from fixed to moving points.
IN_RAS = """\
0.9887754134 0.1494094467 -0.002901154305 -4.48404411
-0.1494094467 0.9885812759 -0.01919575293 3.789574073
-0.001450577152 0.009597876465 0.9706874199 -3.846703164
0 0 0 1
"""


def _transform(text: str, kind: MatrixKind, frames: Frames):
    matrix = parse_matrix(text)
    assert matrix is not None
    return affine_of(matrix_to_lps(matrix, kind, frames))


@pytest.mark.parametrize("text", [BY_FSLPY, BY_FLIRT])
def test_an_fsl_matrix_moves_points_as_fslpy_does(frames: Frames, error_mm, text: str) -> None:
    assert error_mm(_transform(text, MatrixKind.FSL, frames)) < 1e-5


def test_an_fsl_matrix_between_dicom_volumes_asks_for_the_nifti_files(frames: Frames, tmp_path) -> None:
    other = replace(frames, fixed=Frame(frames.fixed.image, tmp_path))
    with pytest.raises(InputError, match="name those files with --transform-fixed"):
        _transform(BY_FSLPY, MatrixKind.FSL, other)


def test_a_ras_matrix_needs_no_volumes(frames: Frames, error_mm) -> None:
    assert error_mm(_transform(IN_RAS, MatrixKind.RAS, frames.exchanged())) < 1e-5


def test_flirt_is_known_by_how_it_spaces_its_numbers() -> None:
    assert is_written_by_flirt(BY_FLIRT)
    assert not is_written_by_flirt(BY_FSLPY)
    assert not is_written_by_flirt(IN_RAS)


@pytest.mark.parametrize("text", ["", "1 2 3", "a b c d\n" * 4, "1 0 0 0\n" * 4, BY_FSLPY + "1 2 3 4\n"])
def test_what_is_no_matrix_is_none(text: str) -> None:
    assert parse_matrix(text) is None


def test_a_header_without_orientation_is_radiological_as_fsl_takes_it(frames: Frames, tmp_path) -> None:
    import nibabel as nib

    from CSAFusionLib.registration.foreign_transforms import lps_to_fsl
    from CSAFusionLib.volumes.reading import read_volume

    bare = nib.Nifti1Image(np.zeros((4, 5, 6), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    bare.set_qform(None, 0)
    bare.set_sform(None, 0)
    nib.save(bare, tmp_path / "bare.nii")
    frame = Frame(read_volume(tmp_path / "bare.nii").image, tmp_path / "bare.nii")
    # Voxel (0, 0, 0) lies at FSL's 0, not at the far end of its first axis.
    np.testing.assert_allclose(lps_to_fsl(frame) @ [*frame.image.GetOrigin(), 1.0], [0, 0, 0, 1], atol=1e-9)
