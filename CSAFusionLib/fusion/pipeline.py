"""Two volumes in, one fused volume out, exactly on the grid of the fixed one.

Warnings tell of a pair that the weights were not trained on, and of a modality that the values leave open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.fusion.aligned_pair import AlignedPair
from CSAFusionLib.fusion.colouring import blend, coloured, composed, wide_volume
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.inference import device_for
from CSAFusionLib.fusion.result import FusionResult, ImagesOnDemand, describe_run
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.fusion.source_pair import PreparedInput, SourcePair
from CSAFusionLib.fusion.weight_maps import WeightMaps
from CSAFusionLib.geometry.planes import from_slices
from CSAFusionLib.intensity.modality import Confidence, Modality
from CSAFusionLib.logs import logger_of
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.registration.register import RegistrationRun
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.weights.catalogue import FOR_PET_CT, TRAINED_ON

if TYPE_CHECKING:
    from CSAFusionLib.fusion.slices import FusedSlices
    from CSAFusionLib.weights.catalogue import WeightsInfo


_TRAINED_CONTRASTS = {"T1", "T2"}


def warnings_of_pair(pair: SourcePair, weights: str) -> list[str]:
    """Return whole sentences on what a reader should know of the two as a pair, none for a usual one.

    weights: the name of the bundled weights, or of a file, of whose training nothing is known.
    """
    inputs = pair.fixed, pair.moving
    said = [_of_guess(name, prepared) for name, prepared in zip(("fixed", "moving"), inputs, strict=True)]
    said += [_of_uptake(name, prepared) for name, prepared in zip(("fixed", "moving"), inputs, strict=True)]
    trained_on = TRAINED_ON.get(weights)
    if trained_on is not None:
        said += [
            _of_modalities(inputs, weights, trained_on),
            _of_contrasts(inputs, weights, trained_on),
            _of_body(inputs),
        ]
    return [sentence for sentence in said if sentence]


def _of_guess(name: str, prepared: PreparedInput) -> str:
    if prepared.guess is None or prepared.guess.confidence is not Confidence.UNSURE or prepared.volume.is_colour:
        return ""
    return (
        f"The {name} volume was taken for {_article(prepared.modality)}, which its values leave open; state it with "
        f"--{name}-modality if it is another."
    )


def _of_uptake(name: str, prepared: PreparedInput) -> str:
    why = prepared.volume.acquisition.suv_note
    if prepared.modality is not Modality.PET or not why:
        return ""
    unit = prepared.volume.acquisition.unit
    return (
        f"The {name} PET has no SUV, because {why}; its values are told {f'in {unit}' if unit else 'without a unit'}."
    )


def _of_modalities(inputs: tuple[PreparedInput, PreparedInput], weights: str, trained_on: str) -> str:
    both = {prepared.modality for prepared in inputs}
    if both == {Modality.CT, Modality.PET} and weights == FOR_PET_CT:
        return (
            f"No weights were trained on PET with CT; {weights}, trained on {trained_on}, kept lesions of the PET best "
            "on the whole body of one patient, which is too few to rely on; look at both originals too."
        )
    if Modality.MR in both and (len(both) == 2 or weights == "t1-t2"):
        expected = {Modality[name.upper()] for name in weights.split("-") if name.upper() in Modality.__members__}
        return "" if both == (expected or {Modality.MR}) else _untrained(_names(both, inputs), weights, trained_on)
    return _untrained(_names(both, inputs), weights, trained_on)


def _of_contrasts(inputs: tuple[PreparedInput, PreparedInput], weights: str, trained_on: str) -> str:
    if any(prepared.modality is not Modality.MR for prepared in inputs):
        return ""
    contrasts = [prepared.volume.acquisition.contrast for prepared in inputs]
    known = {contrast for contrast in contrasts if contrast}
    if known <= _TRAINED_CONTRASTS and len(known) == len(list(filter(None, contrasts))):
        return ""
    pair = " with ".join(contrast or "an MR of unknown contrast" for contrast in contrasts)
    return _untrained(pair, weights, trained_on)


def _of_body(inputs: Sequence[PreparedInput]) -> str:
    if any(prepared.shows_a_trunk for prepared in inputs):
        return "The CT shows a trunk; all weights were trained on heads, and elsewhere the result is untested."
    return ""


def _untrained(pair: str, weights: str, trained_on: str) -> str:
    return f"The weights {weights} were trained on {trained_on}, not on {pair}; look at both originals too."


def _names(both: set[Modality], inputs: tuple[PreparedInput, PreparedInput]) -> str:
    names = sorted(modality.value for modality in both)
    return " with ".join(names) if len(names) == 2 else f"{inputs[0].modality.value} with {inputs[1].modality.value}"


def _article(modality: Modality) -> str:
    return f"{'an' if modality is Modality.MR else 'a'} {modality.value}"


_log = logger_of(__name__)


def fuse_volumes(
    fixed: Volume,
    moving: Volume,
    settings: FusionSettings,
    *,
    registration: Registration | None = None,
    region: sitk.Image | None = None,
    contribution: bool = False,
    progress: Progress = silent,
) -> FusionResult:
    """Register the moving volume to the fixed one, and fuse the two slice by slice on the fixed volume's grid.

    Where the moving volume does not reach, and outside the region, the result is the fixed volume as it was mapped to
    [0, 1].

    Args:
        registration: an alignment already known; ``settings.registration`` is then not run.
        region: where to fuse, uint8 1 inside and 0 outside, on the fixed volume's grid; None fuses everywhere.
        contribution: whether to make the map of the fixed volume's contribution too.

    Raises:
        NotEnoughMemory: this machine cannot hold what the fusion needs.
        InputError: a volume, a setting or the weights cannot be used, or the volumes do not overlap.
        RegistrationError: the registration engine failed or is not installed.
        Cancelled: from ``progress``.
    """
    device = device_for(fixed, moving, settings)
    sources = SourcePair.settle(fixed, moving, settings)
    return fuse_settled(
        sources,
        settings,
        device,
        registration=registration,
        region=region,
        contribution=contribution,
        progress=progress,
    )


def fuse_settled(
    sources: SourcePair,
    settings: FusionSettings,
    device: Device,
    *,
    registration: Registration | None = None,
    region: sitk.Image | None = None,
    contribution: bool = False,
    progress: Progress = silent,
) -> FusionResult:
    """Fuse two volumes of which modality, mapping and plane are settled; the rest as of :func:`fuse_volumes`."""
    maps = WeightMaps.load_for(sources, settings) if settings.style is Style.FUSED else None
    found = _registration(sources, settings, registration, progress)
    fused, pixels = _fused(
        sources,
        found.transform,
        region,
        maps,
        settings,
        device=device,
        contribution=contribution,
        progress=progress,
    )
    return _result(sources, found, maps.weights if maps else None, settings, fused, pixels)


def _registration(
    sources: SourcePair, settings: FusionSettings, known: Registration | None, progress: Progress
) -> Registration:
    modalities = " and ".join(modality.value for modality in sources.modalities)
    _log.info("fusing %s, %s voxels", modalities, sources.fixed.volume.image.GetSize())
    method, model = settings.registration, settings.transform_model
    run = RegistrationRun(method, model, settings.seed, settings.threads, progress, known)
    return run.registered(sources.fixed.volume, sources.moving.volume)


def _fused(
    sources: SourcePair,
    transform: sitk.Transform,
    region: sitk.Image | None,
    maps: WeightMaps | None,
    settings: FusionSettings,
    *,
    device: Device,
    contribution: bool,
    progress: Progress,
) -> tuple[FusedSlices, np.ndarray]:
    """Fuse the slices, by the network or, without weight maps, in a style that needs none; and the result's pixels.

    The contribution is the fixed volume's. The slices of the sources are gone when it returns: the images made next
    take as much memory again.
    """
    from CSAFusionLib.fusion.slices import FusedSlices, fuse_slices

    progress("Resampling", 0, 0)
    pair = AlignedPair.bring(sources, transform, region)
    if maps is None:
        nothing = FusedSlices(np.empty(0), Device("cpu", "no network was needed"))
        return nothing, composed(pair, sources, settings.style, settings.opacity)
    a, b = sources.in_order(*pair.network_input(maps.neighbours))
    fused = fuse_slices(
        maps.network,
        a,
        b,
        device,
        strengths=maps.strengths,
        neighbours=maps.neighbours,
        batch_size=settings.batch_size,
        with_contribution=contribution or sources.has_colour_table,
        progress=progress,
    )
    progress("Writing colour and geometry", 0, 0)
    of_fixed = fused.contribution
    if of_fixed is not None and not sources.fixed_is_a:
        np.subtract(1, of_fixed, out=of_fixed)
    pixels = coloured(fused.slices, of_fixed, pair, sources, settings.balance)
    if of_fixed is not None:
        # Where the moving volume does not reach, all of the value is the fixed one's.
        for own, inside in zip(of_fixed, pair.coverage, strict=True):
            own[...] = blend(own, np.ones_like(own), inside)
    return replace(fused, contribution=of_fixed if contribution else None), pixels


def _result(
    sources: SourcePair,
    registration: Registration,
    weights: WeightsInfo | None,
    settings: FusionSettings,
    fused: FusedSlices,
    pixels: np.ndarray,
) -> FusionResult:
    reference, plane = sources.fixed.volume.image, sources.plane
    is_wide = settings.style is Style.SIDE_BY_SIDE
    image = (wide_volume if is_wide else from_slices)(pixels, reference, plane)
    doubts = _doubts(registration)
    pair = warnings_of_pair(sources, weights.name if weights else "")
    read, mapped = sources.notes()
    warnings = [*read, *registration.warnings, *doubts, *mapped, *pair, *fused.warnings]
    _log.info("fused %d slices on %s, %d warnings", len(pixels), fused.device.torch_device, len(warnings))
    images = ImagesOnDemand(sources, registration.transform, image)
    return FusionResult(
        fused=image,
        fixed_mapped=images.fixed_mapped,
        moving_mapped=images.moving_mapped,
        moving_on_grid=images.moving_on_grid,
        field_of_view=images.field_of_view,
        figures={} if is_wide else images.figures,
        registration=registration,
        provenance=describe_run(settings, weights, fused.device)
        | sources.describe()
        | {"registration": registration.describe(), "warnings": warnings},
        warnings=warnings,
        contribution=None if fused.contribution is None else from_slices(fused.contribution, reference, plane),
    )


def _doubts(registration: Registration) -> list[str]:
    quality = registration.quality
    if quality is None or quality.grade is Grade.GOOD:
        return []
    return [f"The registration is {quality.grade.value}: {quality.reason}"]
