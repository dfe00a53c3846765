"""CSAFusionLib/registration/transform_files.py and formats.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.transform_algebra import map_points, target_registration_error
from CSAFusionLib.registration.foreign_transforms import Frame, Frames, parse_matrix
from CSAFusionLib.registration.methods import MatrixKind
from CSAFusionLib.registration.transform_files import given_transform, read_given
from Testing.registration.transform_files.test_lta import VOXELS_TO_VOXELS
from Testing.registration.transform_files.test_matrices import BY_FLIRT, BY_FSLPY, IN_RAS

SOME_POINTS = np.array([[1.0, 2.0, 3.0], [-9.0, 12.0, 8.0], [15.0, -3.0, -11.0]])


def _written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "matrix", "said"),
    [
        ("flirt.mat", BY_FLIRT, None, 0),
        ("fslpy.mat", BY_FSLPY, None, 1),
        ("fslpy.mat", BY_FSLPY, MatrixKind.FSL, 0),
        ("greedy.mat", IN_RAS, MatrixKind.RAS, 0),
        ("robust.lta", VOXELS_TO_VOXELS, None, 0),
    ],
)
def test_each_text_format_is_told_by_its_content(
    tmp_path: Path, frames: Frames, error_mm, name: str, content: str, matrix: MatrixKind | None, said: int
) -> None:
    given = read_given([_written(tmp_path, name, content)], frames, matrix=matrix)
    assert error_mm(given.transform) < 1e-5
    assert len(given.notes) == said
    assert len(given.sources[0]["sha256"]) == 64
    assert name not in str(given.sources)


@pytest.mark.parametrize("name", ["flirt.mat", "robust.lta"])
def test_the_inverse_of_a_transform_undoes_it(tmp_path: Path, frames: Frames, name: str) -> None:
    path = _written(tmp_path, name, BY_FLIRT if name == "flirt.mat" else VOXELS_TO_VOXELS)
    forth = read_given([path], frames).transform
    # Used between the same two volumes, each in the other's part.
    back = read_given([path], frames.exchanged(), is_inverse=True)
    assert "inverse" in back.sources[0]["format"]
    np.testing.assert_allclose(map_points(back.transform, map_points(forth, SOME_POINTS)), SOME_POINTS, atol=1e-5)


def test_an_fsl_matrix_serves_other_volumes_by_those_it_was_found_between(
    tmp_path: Path, frames: Frames, error_mm
) -> None:
    labels = sitk.Image([9, 9, 9], sitk.sitkUInt8)
    other = Frames(frames.fixed, Frame(labels, tmp_path))
    path = _written(tmp_path, "flirt.mat", BY_FLIRT)
    given = read_given([path], other, found_between=(None, frames.moving))
    assert error_mm(given.transform) < 1e-5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"%PDF-1.4", "no transform that is read"),
        (b"MNI Transform File\n", "MINC .xfm"),
        (b"# 3dAllineate matrices\n1 0 0 0 0 1 0 0 0 0 1 0\n", "AFNI"),
        (b'(Transform "EulerTransform")\n', "elastix parameter file"),
        (b"0 0 0 0\n0 0 0 0\n0 0 0 0\n0 0 0 1\n", "has no inverse"),
    ],
)
def test_a_file_that_is_no_transform_is_named_with_the_reason(
    tmp_path: Path, frames: Frames, content: bytes, reason: str
) -> None:
    (tmp_path / "t.mat").write_bytes(content)
    with pytest.raises(InputError, match=rf"t\.mat.*{reason}"):
        read_given([tmp_path / "t.mat"], frames)


def test_a_transform_in_memory_serves_too_and_anything_else_does_not(frames: Frames, a_rigid_motion) -> None:
    assert given_transform(a_rigid_motion, frames).transform is a_rigid_motion
    for wrong in (7, [], [3], None):
        with pytest.raises(InputError, match="A transform is a SimpleITK transform"):
            given_transform(wrong, frames)
    with pytest.raises(InputError, match="2-D"):
        given_transform(sitk.Euler2DTransform(), frames)


@pytest.fixture(scope="session")
def ants_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What antsRegistration writes of a small SyN: warp and affine apart, and all of it as composites."""
    ants = pytest.importorskip("ants", reason="antspyx is not installed")
    folder = tmp_path_factory.mktemp("ants")
    rng = np.random.default_rng(0)
    blobs = sitk.GetImageFromArray((rng.random((24, 28, 26)) > 0.98).astype(np.float32))
    fixed = 1000 * sitk.SmoothingRecursiveGaussian(blobs, 2.5)
    fixed.SetSpacing((3.0, 3.0, 3.0))
    motion = sitk.Euler3DTransform((40, 40, 40), 0.05, -0.04, 0.08, (3.0, -2.0, 4.0))
    moving = sitk.Resample(fixed, motion.GetInverse())
    names = [str(folder / name) for name in ("fixed.nii.gz", "moving.nii.gz")]
    for image, name in zip((fixed, moving), names, strict=True):
        sitk.WriteImage(image, name)
    images = [ants.image_read(name) for name in names]
    for prefix, composite in (("parts_", False), ("whole_", True)):
        ants.registration(
            *images,
            "SyN",
            outprefix=str(folder / prefix),
            write_composite_transform=composite,
            reg_iterations=(6, 0, 0),
            aff_iterations=(30, 10, 0, 0),
        )
    return folder


@pytest.mark.parametrize("names", [["parts_1Warp.nii.gz", "parts_0GenericAffine.mat"], ["parts_0GenericAffine.mat"]])
def test_files_of_ants_move_points_as_ants_does(ants_files: Path, frames: Frames, names: list[str]) -> None:
    import ants
    import pandas

    files = [ants_files / name for name in names]
    found = map_points(read_given(files, frames).transform, SOME_POINTS + 35)
    table = pandas.DataFrame(SOME_POINTS + 35, columns=list("xyz"))
    by_ants = ants.apply_transforms_to_points(3, table, [str(file) for file in files])[list("xyz")].to_numpy()
    assert np.linalg.norm(found - by_ants, axis=1).max() < 1e-4


def test_a_composite_of_ants_resamples_as_ants_does(ants_files: Path, frames: Frames) -> None:
    import ants

    fixed, moving = (ants.image_read(str(ants_files / name)) for name in ("fixed.nii.gz", "moving.nii.gz"))
    composite = ants_files / "whole_Composite.h5"
    by_ants = ants.apply_transforms(fixed, moving, [str(composite)]).numpy()
    transform = read_given([composite], frames).transform
    images = [sitk.ReadImage(str(ants_files / name)) for name in ("fixed.nii.gz", "moving.nii.gz")]
    ours = sitk.GetArrayFromImage(sitk.Resample(images[1], images[0], transform, sitk.sitkLinear)).T
    np.testing.assert_allclose(ours, by_ants, atol=1e-4)


def test_fields_in_volume_files_are_displacements_in_lps(tmp_path: Path, frames: Frames) -> None:
    field = sitk.TransformToDisplacementField(
        sitk.Euler3DTransform((0, 0, 0), 0.05, 0.02, -0.1, (3, 4, 5)),
        sitk.sitkVectorFloat32,
        [20, 20, 20],
        [-30.0, -30.0, -30.0],
        [3.0, 3.0, 3.0],
    )
    truth = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    for name in ("field.nii.gz", "field.nrrd", "field.mha"):
        sitk.WriteImage(field, str(tmp_path / name))
        found = read_given([tmp_path / name], frames).transform
        assert target_registration_error(found, truth, SOME_POINTS).max() < 1e-5, name


@pytest.mark.parametrize("are_places", [False, True])
def test_a_field_of_fnirt_moves_points_as_the_matrix_it_was_made_of(
    tmp_path: Path, frames: Frames, error_mm, are_places: bool
) -> None:
    import nibabel

    matrix = parse_matrix(BY_FSLPY)
    assert matrix is not None
    size, spacing = frames.fixed.image.GetSize(), frames.fixed.image.GetSpacing()
    i, j, k = np.indices(size)
    # FSL turns the first axis of the "neurological" fixed volume round.
    points = np.stack([(size[0] - 1 - i) * spacing[0], j * spacing[1], k * spacing[2], np.ones(size)], axis=-1)
    places = (points @ np.linalg.inv(matrix).T)[..., :3]
    vectors = (places if are_places else places - points[..., :3]).astype(np.float32)
    affine = nibabel.load(frames.fixed.path).affine
    field = nibabel.Nifti1Image(vectors, affine)
    field.header["intent_code"] = 2006
    nibabel.save(field, tmp_path / "field.nii.gz")
    given = read_given([tmp_path / "field.nii.gz"], frames)
    assert error_mm(given.transform) < 1e-3
    assert given.sources[0]["format"] == "FSL field"
    field.header["intent_code"] = 2007
    nibabel.save(field, tmp_path / "coefficients.nii.gz")
    with pytest.raises(InputError, match="fnirt --fout"):
        read_given([tmp_path / "coefficients.nii.gz"], frames)


def test_a_volume_is_no_transform(frames: Frames) -> None:
    assert frames.fixed.path is not None
    with pytest.raises(InputError, match="is a volume and no field of displacements"):
        read_given([frames.fixed.path], frames)


@pytest.mark.parametrize("is_file", [False, True])
def test_a_transform_that_flattens_space_is_refused(frames: Frames, tmp_path: Path, is_file: bool) -> None:
    flat = sitk.AffineTransform([1, 0, 0, 0, 1, 0, 0, 0, 0], [0.0, 0.0, 0.0])
    sitk.WriteTransform(flat, str(tmp_path / "flat.tfm"))
    with pytest.raises(InputError, match="has no inverse"):
        given_transform(tmp_path / "flat.tfm" if is_file else flat, frames)
