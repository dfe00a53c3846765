"""CSAFusionLib/volumes/dicom/labels.py."""

from __future__ import annotations

from pydicom import Dataset

from CSAFusionLib.volumes.dicom.labels import classic_labels, dimension_labels, group_labels, in_words
from Testing.volumes.dicom.objects import item


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
