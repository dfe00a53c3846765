"""CSAFusionLib/volumes/dicom/kinds.py."""

from __future__ import annotations

import pytest
from pydicom import uid

from CSAFusionLib.volumes.dicom.elements import Kind, kind_of, name_of


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
