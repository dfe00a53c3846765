"""Register two volumes as settings say, or by a transform that is given: used as it is, or to start from."""

from __future__ import annotations

from functools import partial

from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.given import as_registration, masks_from, register_from
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks, check_guides
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.registration.transform_files.reading import GivenTransform
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume


def registration_by(
    fixed: Volume,
    moving: Volume,
    settings: FusionSettings,
    given: GivenTransform | None,
    *,
    is_start: bool = False,
    masks: RegistrationMasks = NO_MASKS,
    progress: Progress = silent,
) -> Registration:
    """Return the registration of two volumes.

    Args:
        given: a transform that is used as it is, and checked; None registers as the settings say.
        is_start: let that registration start at the given transform instead.
        masks: where the registration compares the two.

    Raises:
        InputError: a volume cannot be used, or under the given transform the volumes do not meet.
        RegistrationError: the registration failed or its method is not installed.
        Cancelled: from ``progress``.
    """
    for volume in (fixed, moving):
        check_volume(volume)
    if given is not None and not is_start:
        if masks:
            check_guides(settings.registration, is_given=True)
        return as_registration(fixed, moving, given, progress)
    find = partial(
        register,
        method=settings.registration,
        model=settings.transform_model,
        seed=settings.seed,
        threads=settings.threads,
        masks=masks if given is None else masks_from(masks, fixed, given),
        progress=progress,
    )
    return find(fixed, moving) if given is None else register_from(fixed, moving, given, find)
