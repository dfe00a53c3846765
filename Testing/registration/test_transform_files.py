"""Transforms as other programs write them: FSL, FreeSurfer and those of named files, read as one in LPS mm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.transform_algebra import affine_of, map_points, target_registration_error
from CSAFusionLib.registration.foreign_transforms import (
    Frame,
    Frames,
    Unusable,
    is_lta,
    is_written_by_flirt,
    matrix_to_lps,
    parse_matrix,
    read_lta,
)
from CSAFusionLib.registration.given_transform import given_transform, read_given
from CSAFusionLib.registration.registration import MatrixKind

# The movement of all files here, from moving to fixed points in RAS mm, and where it has two fixed points come from, as
# FSL's fslpy 3.29.1 and FreeSurfer's surfa 0.6.3 say alike of the files they wrote for it.
POINTS = np.array([[1.0, 2.0, 3.0], [-20.0, 10.0, 15.0]])
CAME_FROM = np.array([[-3.20515327, 5.55973992, -0.91689573], [-22.80897522, 16.37563947, 10.83859844]])


def _volume(size, spacing, origin, flips, degrees) -> sitk.Image:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=size[::-1]).astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    direction = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) * flips
    image.SetDirection(direction.ravel().tolist())
    return image


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A "neurological" fixed and a "radiological" moving volume, turned against each other."""
    folder = tmp_path_factory.mktemp("frames")
    fixed = _volume((20, 22, 19), (4.0, 3.0, 5.0), (40.0, 30.0, -50.0), (-1, -1, 1), 6)
    moving = _volume((25, 18, 21), (3.0, 4.0, 4.0), (-35.0, 38.0, -40.0), (1, -1, 1), -11)
    sitk.WriteImage(fixed, str(folder / "fixed.nii"))
    sitk.WriteImage(moving, str(folder / "moving.nii"))
    return Frames(Frame(fixed, folder / "fixed.nii"), Frame(moving, folder / "moving.nii"))


@pytest.fixture(scope="session")
def error_mm():
    """How far off a transform is at most at the known points, in mm."""

    def measure(transform: sitk.Transform) -> float:
        found = map_points(transform, POINTS * [-1, -1, 1]) * [-1, -1, 1]
        return float(np.linalg.norm(found - CAME_FROM, axis=1).max())

    return measure


# Written by FreeSurfer's own library for Python, surfa 0.6.3.
VOXELS_TO_VOXELS = """\
type      = 0 # LINEAR_VOX_TO_VOX
nxforms   = 1
mean      = 0.0000 0.0000 0.0000
sigma     = 1.0000
1 4 4
-7.419434909342456e-01 1.461802844420639e-01 2.090569209444979e-03 2.104407914257135e+01
1.461802761648174e-01 1.319010624520931e+00 2.652058280354466e-02 -5.008030121614877e+00
-1.144853949546814e-03 -7.853017807006837e-03 8.240000000000001e-01 2.635999999999999e+00
0.000000000000000e+00 0.000000000000000e+00 0.000000000000000e+00 1.000000000000000e+00
src volume info
valid = 1
filename = none
volume = 25 18 21
voxelsize = 3.000000000000000e+00 4.000000000000000e+00 4.000000000000000e+00
xras   = -9.816271857014123e-01 1.908089837820156e-01 0.000000000000000e+00
yras   = 1.908089837820156e-01 9.816271857014121e-01 0.000000000000000e+00
zras   = 0.000000000000000e+00 0.000000000000000e+00 1.000000000000000e+00
cras   = 5.058102905750275e+00 4.493917316198349e+00 2.000000000000000e+00
dst volume info
valid = 1
filename = none
volume = 20 22 19
voxelsize = 4.000000000000000e+00 3.000000000000000e+00 5.000000000000000e+00
xras   = 9.945218954774298e-01 1.045284622291005e-01 0.000000000000000e+00
yras   = -1.045284622291005e-01 9.945218954774296e-01 0.000000000000000e+00
zras   = 0.000000000000000e+00 0.000000000000000e+00 1.000000000000000e+00
cras   = -3.668562769889832e+00 7.000362455844879e+00 -2.500000000000000e+00
"""
MATRIX_IN_RAS = """\
9.887710779360422e-01 -1.494381324735992e-01 0.000000000000000e+00 5.000000000000000e+00
1.494381324735992e-01 9.887710779360422e-01 2.000000000000000e-02 -3.000000000000000e+00
0.000000000000000e+00 -1.000000000000000e-02 1.030000000000000e+00 4.000000000000000e+00
0.000000000000000e+00 0.000000000000000e+00 0.000000000000000e+00 1.000000000000000e+00
"""


def _in_ras(matrix: str) -> str:
    lines = VOXELS_TO_VOXELS.replace(
        "type      = 0 # LINEAR_VOX_TO_VOX", "type      = 1 # LINEAR_RAS_TO_RAS"
    ).splitlines()
    return "\n".join([*lines[:5], *matrix.splitlines(), *lines[9:]]) + "\n"


@pytest.mark.parametrize("text", [VOXELS_TO_VOXELS, _in_ras(MATRIX_IN_RAS)])
def test_an_lta_moves_points_as_surfa_does(frames: Frames, error_mm, text: str) -> None:
    assert is_lta(text)
    matrix, notes = read_lta(text, frames)
    assert error_mm(affine_of(matrix)) < 1e-5
    assert not notes


def test_an_lta_whose_grids_are_exchanged_is_turned_round_and_says_so(frames: Frames, error_mm) -> None:
    forth, _ = read_lta(VOXELS_TO_VOXELS, frames)
    back, notes = read_lta(VOXELS_TO_VOXELS, frames.exchanged())
    np.testing.assert_allclose(forth @ back, np.eye(4), atol=1e-9)
    assert "by the grids it names" in notes[0]


def test_an_lta_in_ras_needs_no_grids(frames: Frames, error_mm) -> None:
    text = _in_ras(MATRIX_IN_RAS).replace("valid = 1", "valid = 0")
    assert error_mm(affine_of(read_lta(text, frames)[0])) < 1e-5


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("valid = 1", "valid = 0", "does not say of which volumes"),
        ("type      = 0", "type      = 3", "type 3"),
        ("nxforms   = 1", "nxforms   = 2", "2 matrices"),
        ("1 4 4", "", "damaged"),
        ("yras ", "yros ", "volume info is damaged"),
        ("-7.419434909342456e-01", "nan", "matrix is damaged"),
    ],
)
def test_an_lta_that_cannot_be_used_says_why(frames: Frames, old: str, new: str, reason: str) -> None:
    assert old in VOXELS_TO_VOXELS
    with pytest.raises(Unusable, match=reason):
        read_lta(VOXELS_TO_VOXELS.replace(old, new), frames)


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
        (b"%PDF-1.4", "its format is not supported"),
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
