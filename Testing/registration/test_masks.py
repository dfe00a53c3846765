"""CSAFusionLib/registration/masks.py, and the engines that take masks."""

from __future__ import annotations

import importlib.util
from functools import partial

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.transform_algebra import identity, target_registration_error
from CSAFusionLib.registration.engines import ants, elastix, landmarks, simpleitk
from CSAFusionLib.registration.given import masks_from, register_from
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.registration.transform_files.reading import GivenTransform
from CSAFusionLib.volumes.volume import Volume

INSIDE = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.03, -0.02, 0.04, (9.0, -4.0, 3.0))
OUTSIDE = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, -0.03, (-3.0, 2.0, -2.0))
# Corners of the box that the mask marks.
POINTS = np.array([[x, y, z] for x in (-40.0, 40.0) for y in (-60.0, -5.0) for z in (-30.0, 30.0)])


def _half(image: sitk.Image) -> sitk.Image:
    """The front of a phantom, uint8."""
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(image)
    mask[6:54, 6:36, 8:52] = 1
    return mask


@pytest.fixture(scope="module")
def torn(a_folded_head) -> tuple[Volume, Volume, RegistrationMasks]:
    """A head; the same in another contrast, whose front has moved otherwise than its back; and masks of the front."""
    fixed, other = a_folded_head("T1"), a_folded_head("T2")
    of_fixed = _half(fixed)
    front, back = (sitk.Resample(other, motion.GetInverse(), sitk.sitkLinear) for motion in (INSIDE, OUTSIDE))
    of_moving = sitk.Resample(of_fixed, INSIDE.GetInverse(), sitk.sitkNearestNeighbor)
    moving = sitk.Mask(front, of_moving) + sitk.Mask(back, of_moving == 0)
    return Volume(fixed, "t1"), Volume(moving, "t2"), RegistrationMasks(of_fixed, of_moving)


def _error(found: sitk.Transform) -> float:
    return float(target_registration_error(found, INSIDE, POINTS).mean())


@pytest.mark.parametrize("engine", [simpleitk, landmarks, elastix, ants], ids=lambda engine: engine.__name__[-9:])
def test_each_engine_looks_inside_the_masks_alone(torn, engine) -> None:
    needed = {elastix: "itk", ants: "ants"}.get(engine)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    fixed, moving, masks = torn
    find = partial(engine.run, fixed.image, moving.image, TransformModel.RIGID)
    found = {which: _error(find(masks=used)) for which, used in {
        "both": masks, "fixed": RegistrationMasks(masks.fixed), "moving": RegistrationMasks(moving=masks.moving), "no": NO_MASKS
    }.items()}
    print(engine.__name__, found)
    assert found["both"] < 1
