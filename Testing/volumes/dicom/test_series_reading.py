"""One volume from a DICOM folder, series or file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset, dcmread, uid
from pydicom.config import disable_value_validation

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.frames import classic_labels, dimension_labels, group_labels, in_words
from CSAFusionLib.volumes.dicom.headers import (
    DIRECTORY,
    HeaderError,
    Kind,
    describe_file,
    find_dicom,
    holds_dicom,
    is_dicom,
    kind_of,
    listed_by_directory,
    name_of,
    number_of,
    numbers_of,
    printable,
    readable,
    text_of,
)
from CSAFusionLib.volumes.dicom.series_reading import read_dicom_file, read_dicom_folder
from CSAFusionLib.volumes.input_path import SeveralVolumesError
from Testing.volumes.dicom.objects import (
    PLACES,
    ROOT,
    image,
    item,
    put_pixels,
    save,
    stored,
    write_classic,
    write_enhanced,
)


def position_read_from(path: Path, text: str) -> Dataset:
    """A header, as read from a file, that holds some text as a decimal string for the position."""
    dataset = image("2", "CT", (6, 8), 1)
    # As LO, which pydicom writes whatever it is; then under the name of a decimal string.
    dataset.add_new("ImagePositionPatient", "LO", text)
    save(dataset, path)
    path.write_bytes(path.read_bytes().replace(b"\x20\x00\x32\x00LO", b"\x20\x00\x32\x00DS"))
    return dcmread(path)


def test_a_comma_is_read_as_a_decimal_point(tmp_path: Path) -> None:
    header = position_read_from(tmp_path / "a.dcm", "0\\-1,5\\4.25")
    assert numbers_of(header, "ImagePositionPatient") == (0, -1.5, 4.25)


@pytest.mark.parametrize("text", ["1\\x\\3", "1\\2", "1\\2\\3\\4", "1\\nan\\3", "1,234.5\\2\\3", "1_0\\2\\3", "1\\\\3"])
def test_what_is_no_position_is_told_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(HeaderError, match=r"gives '.*' for Image Position \(Patient\), where 3 numbers should be"):
        numbers_of(position_read_from(tmp_path / "a.dcm", text), "ImagePositionPatient", 3)


def test_an_element_that_is_missing_or_empty_is_none() -> None:
    assert number_of(item(), "RescaleSlope") is None
    assert number_of(item(RescaleSlope=None), "RescaleSlope") is None
    assert text_of(item(), "SeriesDescription") == ""


def test_control_characters_never_reach_a_sentence() -> None:
    assert printable("head\x1b[31m\r\n\x07 1\u202e") == "head [31m 1"
    assert len(printable("long " * 50)) == 64


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        (uid.CTImageStorage, Kind.IMAGE),
        (uid.EnhancedMRImageStorage, Kind.IMAGE),
        (uid.LegacyConvertedEnhancedPETImageStorage, Kind.IMAGE),
        (uid.NuclearMedicineImageStorage, Kind.IMAGE),
        (uid.ParametricMapStorage, Kind.IMAGE),
        (uid.EnhancedUSVolumeStorage, Kind.IMAGE),
        (uid.RTDoseStorage, Kind.DOSE),
        (uid.SecondaryCaptureImageStorage, Kind.PICTURE),
        (uid.XRayAngiographicImageStorage, Kind.PICTURE),
        (uid.DigitalXRayImageStorageForPresentation, Kind.PICTURE),
        (uid.SegmentationStorage, Kind.SEGMENTATION),
        (uid.RTStructureSetStorage, Kind.NO_IMAGE),
        (uid.ComprehensiveSRStorage, Kind.NO_IMAGE),
        (uid.GrayscaleSoftcopyPresentationStateStorage, Kind.NO_IMAGE),
        (uid.SpatialRegistrationStorage, Kind.NO_IMAGE),
        (uid.RealWorldValueMappingStorage, Kind.NO_IMAGE),
        (uid.EncapsulatedPDFStorage, Kind.NO_IMAGE),
        (uid.MediaStorageDirectoryStorage, Kind.NO_IMAGE),
    ],
)
def test_every_object_that_lies_beside_a_scan_has_its_kind(sop_class: str, kind: Kind) -> None:
    assert kind_of(sop_class, "ORIGINAL\\PRIMARY\\AXIAL") is kind


def test_a_localizer_is_a_picture() -> None:
    assert kind_of(uid.CTImageStorage, "ORIGINAL\\PRIMARY\\LOCALIZER") is Kind.PICTURE


def test_a_kind_is_named_without_its_last_word() -> None:
    assert name_of(uid.RTStructureSetStorage) == "RT Structure Set"
    assert name_of("1.2.3") == "object of an unknown kind"


def test_a_file_is_known_by_how_it_begins(tmp_path: Path) -> None:
    file = write_classic(tmp_path) / "a000.dcm"
    bare = tmp_path / "bare"
    bare.write_bytes(file.read_bytes()[132:])
    text = tmp_path / "text.dcm"
    text.write_text("not DICOM")
    assert [is_dicom(path) for path in (file, bare, text, tmp_path)] == [True, True, False, False]
    assert describe_file(bare).series == describe_file(file).series


def test_files_are_found_below_a_folder_and_loops_of_links_end(tmp_path: Path) -> None:
    write_classic(tmp_path / "study" / "series")
    (tmp_path / "study" / "notes.txt").write_text("nothing")
    os.symlink(tmp_path / "study", tmp_path / "study" / "loop")
    assert [file.path.name for file in find_dicom(tmp_path)] == [f"a00{number}.dcm" for number in range(4)]
    assert holds_dicom(tmp_path) and not holds_dicom(tmp_path / "nowhere")


def test_a_file_without_an_image_is_no_image(tmp_path: Path) -> None:
    dataset = image("4", "MR", (6, 8), 1)
    del dataset.Rows
    assert describe_file(save(dataset, tmp_path / "a.dcm")).kind is Kind.NO_IMAGE


def test_a_directory_lists_the_files_below_it_and_no_others(tmp_path: Path) -> None:
    for name in ("DISK/CT/A001", "DISK/CT/A002", "ELSEWHERE/A000"):
        save(image("2", "CT", (6, 8), 1), tmp_path / name)
    names = (["CT", "A001"], ["..", "ELSEWHERE", "A000"], "MISSING")
    directory = image("1", "OT", (1, 1), 1)
    directory.SOPClassUID = DIRECTORY
    with disable_value_validation():
        directory.DirectoryRecordSequence = [item(ReferencedFileID=name) for name in names] + [item()]
    path = save(directory, tmp_path / "DISK" / "DICOMDIR")
    assert [file.path.name for file in listed_by_directory(path)] == ["A001"]


def test_what_pydicom_raises_for_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    file = write_classic(tmp_path) / "a000.dcm"
    content = bytearray(file.read_bytes())
    place = content.index(b"\x28\x00\x10\x00US")
    content[place + 6] = 3  # Rows, three bytes long.
    file.write_bytes(content)
    with pytest.raises(InputError, match="a000.dcm' is a DICOM file that cannot be read; copy or export it again."):
        describe_file(file)


def test_control_characters_of_a_file_name_stay_out_of_the_sentence() -> None:
    with pytest.raises(InputError) as refusal, readable(Path("a\x1b[31m\nb.dcm")):
        raise ValueError
    assert "'a?[31m?b.dcm'" in str(refusal.value)


def _refusal_of(folder: Path) -> str:
    with pytest.raises(InputError) as refusal:
        read_dicom_folder(folder)
    message = str(refusal.value)
    assert folder.name in message
    assert message.endswith(".")
    return message


def test_a_ct_series_is_read_in_hounsfield_units_in_the_order_of_its_positions(tmp_path: Path, write_series) -> None:
    values = write_series(tmp_path / "ct")
    volume = read_dicom_folder(tmp_path / "ct")
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), values)
    assert volume.modality_hint == "CT"
    assert volume.name == "ct"
    assert volume.image.GetSpacing() == pytest.approx((0.5, 0.75, 3))
    assert volume.image.GetOrigin() == pytest.approx((10, 20, 0))


def test_an_oblique_series_keeps_its_directions_and_its_slice_distance_comes_from_positions(
    tmp_path: Path, write_series
) -> None:
    write_series(tmp_path / "mr", oblique=True, modality="MR", places=(0, 4.5, 9))
    volume = read_dicom_folder(tmp_path / "mr")
    assert volume.image.GetSpacing()[2] == pytest.approx(4.5, abs=1e-4)
    np.testing.assert_allclose(volume.image.GetDirection(), (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8), atol=1e-6)
    assert volume.modality_hint == "MR"


def test_every_pet_slice_is_scaled_by_its_own_slope(tmp_path: Path, write_series) -> None:
    values = write_series(tmp_path / "pet", modality="PT", slopes=(1, 0.5, 2.25, 0.125, 3), intercept=0)
    volume = read_dicom_folder(tmp_path / "pet")
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), values)
    assert volume.modality_hint == "PT"


def test_small_rounding_of_the_positions_is_forgiven(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct", places=(0, 3.01, 6, 8.99, 12.02))
    assert read_dicom_folder(tmp_path / "ct").image.GetSpacing()[2] == pytest.approx(3, abs=0.01)


def test_missing_slices_are_counted(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct", places=(0, 3, 6, 15, 18, 21))
    assert "lacks 2 of its slices" in _refusal_of(tmp_path / "ct")


def test_uneven_slices_are_refused_with_their_distances(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct", places=(0, 3, 6, 10, 14))
    assert "slices 3 to 4 mm apart" in _refusal_of(tmp_path / "ct")


def test_several_slices_at_one_position_are_refused(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "perfusion", places=(0, 0, 3, 3, 6, 6))
    assert "holds 2 volumes: 1 (number 1 in" in _refusal_of(tmp_path / "perfusion")


def test_a_tilted_gantry_is_refused_with_its_angle(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct", tilt=np.tan(np.radians(15)))
    assert "tilted gantry (15 degrees)" in _refusal_of(tmp_path / "ct")


def test_a_localizer_of_another_size_or_direction_in_the_series_is_refused(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "sizes")
    write_series(tmp_path / "sizes", places=(50,), size=(4, 4), prefix="b")
    assert "different sizes" in _refusal_of(tmp_path / "sizes")
    write_series(tmp_path / "turns")
    write_series(tmp_path / "turns", places=(50,), oblique=True, prefix="b")
    assert "not parallel" in _refusal_of(tmp_path / "turns")


def test_several_series_are_listed_and_either_can_be_chosen(tmp_path: Path, write_series) -> None:
    folder = tmp_path / "study"
    write_series(folder, description="axial head")
    write_series(folder, description="bone", series_uid="1.2.826.0.1.3680043.2.1125.2", places=(0, 3, 6), prefix="b")
    message = _refusal_of(folder)
    assert "2 DICOM series" in message
    assert "'axial head' (CT, 5 files, e.g. 'a00" in message
    assert "'bone' (CT, 3 files, e.g. 'b00" in message
    assert "give one file of the series you want" in message
    assert read_dicom_file(next(folder.glob("b*.dcm"))).image.GetSize()[2] == 3


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    assert "holds no DICOM series" in _refusal_of(tmp_path)


def test_a_series_of_one_slice_is_a_volume_of_one_slice(tmp_path: Path, write_series) -> None:
    values = write_series(tmp_path / "ct", places=(6,))
    volume = read_dicom_folder(tmp_path / "ct")
    np.testing.assert_allclose(sitk.GetArrayFromImage(volume.image), values)


def test_a_damaged_slice_is_not_left_out_silently(tmp_path: Path, write_series) -> None:
    write_series(tmp_path / "ct")
    victim = sorted((tmp_path / "ct").iterdir())[2]
    victim.write_bytes(victim.read_bytes()[:-40])
    assert "holds 56 bytes of voxels, where its header says 96" in _refusal_of(tmp_path / "ct")


def _voxels(path: Path, volume: int | None = None) -> np.ndarray:
    read = read_dicom_folder if path.is_dir() else read_dicom_file
    return sitk.GetArrayFromImage(read(path, volume).image)


def test_files_that_are_there_twice_are_read_once(tmp_path: Path) -> None:
    write_classic(tmp_path)
    shutil.copy(tmp_path / "a001.dcm", tmp_path / "a001 (1).dcm")
    np.testing.assert_array_equal(_voxels(tmp_path), stored())


def test_copies_with_new_identifiers_are_read_once(tmp_path: Path) -> None:
    write_classic(tmp_path)
    write_classic(tmp_path, name="b")
    np.testing.assert_array_equal(_voxels(tmp_path), stored())


def test_two_different_files_of_one_image_are_told(tmp_path: Path) -> None:
    write_classic(tmp_path)
    write_classic(tmp_path / "again", stored() + 1)
    said = "two different files of the same image, 'a000.dcm' and 'a000.dcm'"
    assert said in _refusal_of(tmp_path)


def test_several_volumes_of_a_series_are_listed_and_chosen_by_number(tmp_path: Path) -> None:
    echoes = [PLACES[number % 4] for number in range(8)]

    def echo(number, dataset):
        dataset.EchoTime = (4.6, 9.2)[number // 4]

    write_classic(tmp_path, stored(8), positions=echoes, change=echo)
    with pytest.raises(SeveralVolumesError) as refusal:
        read_dicom_folder(tmp_path)
    assert str(refusal.value) == (
        f"'{tmp_path}' holds 2 volumes: 1 (echo time 4.6 ms, 4 slices), 2 (echo time 9.2 ms, 4 slices); "
        f"choose one by its number with --volume."
    )
    chosen = read_dicom_file(tmp_path / "a000.dcm", 2)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(chosen.image), stored(8)[4:])
    assert chosen.notes == ("is number 2 of the 2 that its source holds.",)
    with pytest.raises(InputError, match="holds 2 volumes, so there is no volume 3; choose from 1 to 2"):
        read_dicom_folder(tmp_path, 3)


def test_two_volumes_in_one_multi_frame_file_are_listed_and_chosen(tmp_path: Path) -> None:
    def index(number, group):
        group.FrameContentSequence[0].TemporalPositionIndex = number % 2 + 1

    interleaved = [PLACES[number // 2] for number in range(8)]
    path = write_enhanced(tmp_path / "mr.dcm", stored(8), positions=interleaved, change=index)
    with pytest.raises(SeveralVolumesError, match="temporal position index 2, 4 slices"):
        read_dicom_file(path)
    np.testing.assert_array_equal(_voxels(path, 1), stored(8)[::2])
    np.testing.assert_array_equal(_voxels(path, 2), stored(8)[1::2])


def test_what_lies_beside_a_scan_is_passed_over(tmp_path: Path) -> None:
    write_classic(tmp_path)
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesInstanceUID": ROOT + "5"}
    write_classic(tmp_path, name="s", **scout)
    others = {"66.4": "SEG", "481.3": "RTSTRUCT", "481.2": "RTDOSE", "88.33": "SR", "11.1": "PR", "7": "OT"}
    for number, (sop_class, modality) in enumerate(others.items()):
        beside = image(sop_class, modality, (6, 8), 50 + number, SeriesInstanceUID=f"{ROOT}6.{number}")
        put_pixels(beside, stored(1))
        save(beside, tmp_path / f"{modality}.dcm")
    (tmp_path / "preview.png").write_bytes(b"no DICOM")
    np.testing.assert_array_equal(_voxels(tmp_path), stored())


def test_a_localizer_inside_the_series_is_passed_over(tmp_path: Path) -> None:
    write_classic(tmp_path)
    coronal = {"orientation": (1, 0, 0, 0, 0, -1), "positions": PLACES[:1]}
    write_classic(tmp_path, name="s", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **coronal)
    np.testing.assert_array_equal(_voxels(tmp_path), stored())


@pytest.mark.parametrize(
    ("sop_class", "said"),
    [
        ("66.4", "is a segmentation, whose voxels are labels; give the image it was drawn on"),
        ("481.3", "is a DICOM RT Structure Set, which holds no volume"),
        ("88.33", "is a DICOM Comprehensive SR, which holds no volume"),
    ],
)
def test_an_object_that_is_no_image_is_called_what_it_is(tmp_path: Path, sop_class: str, said: str) -> None:
    dataset = image(sop_class, "OT", (6, 8), 1)
    put_pixels(dataset, stored(1))
    with pytest.raises(InputError, match=said):
        read_dicom_file(save(dataset, tmp_path / "a.dcm"))
    with pytest.raises(InputError, match=said):
        read_dicom_folder(tmp_path)


def test_folders_inside_are_searched_unless_a_series_lies_at_the_top(tmp_path: Path) -> None:
    write_classic(tmp_path / "disk" / "0001")
    np.testing.assert_array_equal(_voxels(tmp_path / "disk"), stored())
    write_classic(tmp_path / "disk", stored() + 1, name="b", SeriesInstanceUID=ROOT + "5")
    np.testing.assert_array_equal(_voxels(tmp_path / "disk"), stored() + 1)


def test_a_series_spread_over_folders_is_read_whole(tmp_path: Path) -> None:
    write_classic(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "a002.dcm").rename(tmp_path / "more" / "a002.dcm")
    np.testing.assert_array_equal(_voxels(tmp_path), stored())


def test_a_directory_of_a_disk_gives_the_series_it_lists(tmp_path: Path) -> None:
    write_classic(tmp_path / "CT")
    for file in (tmp_path / "CT").iterdir():
        file.rename(file.with_name(file.stem.upper()))
    directory = image("1", "OT", (1, 1), 1, SOPClassUID="1.2.840.10008.1.3.10")
    directory.DirectoryRecordSequence = [item(ReferencedFileID=["CT", f"A00{number}"]) for number in range(4)]
    np.testing.assert_array_equal(_voxels(save(directory, tmp_path / "DICOMDIR")), stored())


def test_the_files_of_a_concatenation_are_one_volume(tmp_path: Path) -> None:
    for part in range(2):
        of_part = slice(2 * part, 2 * part + 2)
        elements = {"ConcatenationUID": ROOT + "7", "SOPInstanceUID": f"{ROOT}8.{part}", "InstanceNumber": part}
        write_enhanced(tmp_path / f"{part}.dcm", stored()[of_part], positions=PLACES[of_part], **elements)
    np.testing.assert_array_equal(_voxels(tmp_path / "1.dcm"), stored())
    np.testing.assert_array_equal(_voxels(tmp_path), stored())


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"PixelSpacing": None}, "pixel spacing of every slice"),
        ({"PixelSpacing": None, "ImagerPixelSpacing": [0.5, 0.75]}, "pixel spacing of every slice"),
        ({"PixelSpacing": [0, 0.75]}, "gives a pixel spacing of 0 x 0.75 mm"),
        ({"PixelSpacing": [-0.5, 0.75]}, "gives a pixel spacing of -0.5 x 0.75 mm"),
        ({"PixelSpacing": [0.5, 0.75, 1]}, "where 2 numbers should be"),
        ({"RescaleSlope": [1, 2]}, "for Rescale Slope, where a number should be"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "no unit vectors at 90 degrees"),
        ({"ImagePositionPatient": None}, "without a position in the patient"),
    ],
)
def test_headers_that_give_no_geometry_are_refused(tmp_path: Path, elements: dict, said: str) -> None:
    assert said in _refusal_of(write_classic(tmp_path, **elements))


def test_a_position_with_a_decimal_comma_is_read(tmp_path: Path) -> None:
    def with_comma(number, dataset):
        dataset.add_new("ImagePositionPatient", "LO", f"0\\0\\{3 * number},5")

    volume = read_dicom_folder(write_classic(tmp_path, change=with_comma))
    assert volume.image.GetOrigin() == (0, 0, 0.5)
    assert volume.image.GetSpacing()[2] == 3


def test_control_characters_stay_out_of_the_list_of_series(tmp_path: Path) -> None:
    write_classic(tmp_path, SeriesDescription="head\x1b[31m")
    write_classic(tmp_path, name="b", SeriesInstanceUID=ROOT + "5", SeriesDescription="neck\x07", Modality="C\x07T")
    message = _refusal_of(tmp_path)
    assert message.isprintable()
    assert "'head [31m' (CT, 4 files, e.g. 'a000.dcm')" in message


def test_a_file_of_a_series_leaves_other_kinds_of_that_series_alone(tmp_path: Path) -> None:
    write_classic(tmp_path)
    other = image("66.4", "SEG", (6, 8), 60)
    put_pixels(other, stored(1))
    save(other, tmp_path / "seg.dcm")
    np.testing.assert_array_equal(_voxels(tmp_path / "a000.dcm"), stored())


def finder(groups: Dataset):
    return lambda keyword: list(groups.get(keyword) or [])


def test_labels_are_numbers_where_they_are_and_text_otherwise() -> None:
    labels = classic_labels(item(EchoTime=4.6, ImageType=["ORIGINAL", "PRIMARY", "M"], ContentTime="101010"))
    assert labels == {"EchoTime": 4.6, "ImageType": "ORIGINAL\\PRIMARY\\M", "ContentTime": 101010}


def test_functional_groups_give_labels_and_so_do_converted_attributes() -> None:
    groups = item(
        MREchoSequence=[item(EffectiveEchoTime=9.2)],
        MRDiffusionSequence=[
            item(
                DiffusionBValue=1000.0,
                DiffusionGradientDirectionSequence=[item(DiffusionGradientOrientation=[1.0, 0.0, 0.0])],
            )
        ],
        UnassignedPerFrameConvertedAttributesSequence=[item(TriggerTime=5)],
    )
    assert group_labels(finder(groups)) == {
        "EffectiveEchoTime": 9.2,
        "DiffusionBValue": 1000,
        "DiffusionGradientOrientation": "1, 0, 0",
        "TriggerTime": 5,
    }


def test_only_dimensions_that_are_not_spatial_are_labels() -> None:
    pointers = (0x00200032, 0x00189082)
    root = item(DimensionIndexSequence=[item(DimensionIndexPointer=pointer) for pointer in pointers])
    content = item(DimensionIndexValues=[3, 1, 2])
    assert dimension_labels(root, content) == {"EffectiveEchoTime, index 2": 1, "dimension, index 3": 2}
    assert dimension_labels(root, None) == {}


def test_labels_are_told_in_words_with_their_units() -> None:
    assert in_words("EchoTime", 4.6) == "echo time 4.6 ms"
    assert in_words("ImageType", "ORIGINAL\\PRIMARY") == "image type ORIGINAL/PRIMARY"
    assert in_words("dimension, index 3", 2.0) == "number 2 in dimension 3"
    assert in_words("EffectiveEchoTime, index 2", 1.0) == "number 1 in dimension 2 (effective echo time)"
    assert in_words("KVP", 80.0) == "KVP 80 kV"
    assert in_words("time slot", 1.0) == "time slot 1"
    assert in_words("EchoTime", "") == "no echo time"
