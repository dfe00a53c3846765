"""Warnings of a pair that the weights were not trained on, and of a modality that the values leave open."""

from __future__ import annotations

from collections.abc import Sequence

from CSAFusionLib.fusion.source_pair import PreparedInput, SourcePair
from CSAFusionLib.intensity.evidence import is_in_hounsfield, shows_a_head
from CSAFusionLib.intensity.modality import Confidence, Modality
from CSAFusionLib.weights.catalogue import choose_weights
from CSAFusionLib.weights.trained_on import TRAINED_ON

_TRAINED_CONTRASTS = {"T1", "T2"}


def warnings_of_pair(pair: SourcePair, weights: str) -> list[str]:
    """Return whole sentences on what a reader should know of the two as a pair, none for a usual one.

    weights: the name of the bundled weights, or of a file, of whose training nothing is known.
    """
    inputs = pair.fixed, pair.moving
    said = [_of_guess(name, prepared) for name, prepared in zip(("fixed", "moving"), inputs, strict=True)]
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


def _of_modalities(inputs: tuple[PreparedInput, PreparedInput], weights: str, trained_on: str) -> str:
    both = {prepared.modality for prepared in inputs}
    if both == {Modality.CT, Modality.PET} and weights == choose_weights(*both):
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
    for prepared in inputs:
        if prepared.modality is Modality.CT and is_in_hounsfield(prepared.volume) and not shows_a_head(prepared.volume):
            return "The CT shows a trunk; all weights were trained on heads, and elsewhere the result is untested."
    return ""


def _untrained(pair: str, weights: str, trained_on: str) -> str:
    return f"The weights {weights} were trained on {trained_on}, not on {pair}; look at both originals too."


def _names(both: set[Modality], inputs: tuple[PreparedInput, PreparedInput]) -> str:
    names = sorted(modality.value for modality in both)
    return " with ".join(names) if len(names) == 2 else f"{inputs[0].modality.value} with {inputs[1].modality.value}"


def _article(modality: Modality) -> str:
    return f"{'an' if modality is Modality.MR else 'a'} {modality.value}"
