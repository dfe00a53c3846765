"""The settings that determine the result of a training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import atomic_write, content_writer
from CSAFusionLib.losses.fusion_loss import LossWeights
from CSAFusionLib.losses.terms import RETENTION_TARGET
from CSAFusionLib.network.configuration import FULL, NetworkConfiguration
from CSAFusionLib.text import to_json
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.training.patches import BRIGHTEST, OPPOSITE
from CSAFusionLib.training.pointwise_start import start_named


@dataclass(frozen=True, kw_only=True)
class TrainingConfiguration:
    """The settings of one training run; the same settings on the same machine give the same weights."""

    kinds: tuple[PairKind, ...] = tuple(PairKind)
    network: NetworkConfiguration = FULL
    loss_weights: LossWeights = field(default_factory=LossWeights)
    retention_target: float = RETENTION_TARGET
    """The share of its source's contrast-to-noise ratio at which a training lesion stands out enough: over 0 to 1."""
    epochs: int = 200
    samples_per_epoch: int = 800
    """Patches drawn in an epoch, over all processes together."""
    batch_size: int = 8
    """Patches of one patient in a step of one process; each is fused twice, as it is and with lesions."""
    opposite_lesions: float = OPPOSITE
    """Share of training lesions that are dark in one source and bright in the other."""
    brightest: float = BRIGHTEST
    """The largest factor by which the augmentation brightens a source; what becomes brighter than white is clipped."""
    pointwise_start: str = "average"
    """What a pointwise part is fitted to first: the name of a start, as ``start_named`` takes it."""
    pointwise_steps: int = 100
    """Steps in which a pointwise part is trained alone, before the rest joins in."""
    pointwise_rate: float = 0.25
    """The pointwise part's learning rate after that, over the rest's."""
    patch_size: int = 120
    learning_rate: float = 1e-3
    validation_slices: int = 8
    """Validation slices of each kind, evenly spaced, that the loss is measured on after every epoch."""
    schedule: str = "plateau"
    """The learning rate: ``plateau`` halves it after ``patience`` epochs without a better validation loss, ``cosine``
    lets it fall to nothing over all epochs."""
    patience: int = 4
    """Epochs without a better validation loss before ReduceLROnPlateau halves the learning rate."""
    averaging: float = 0.98
    """Decay, per step, of the moving average of the weights that is validated and saved; 0 keeps the last step's."""
    seed: int = 0

    def __post_init__(self) -> None:
        _check_kinds(self.kinds)
        if not isinstance(self.network, NetworkConfiguration) or not isinstance(self.loss_weights, LossWeights):
            raise InputError("The training's network and loss weights must be of their own classes.")
        start_named(self.pointwise_start)
        if self.schedule not in ("plateau", "cosine"):
            raise InputError(f"The schedule must be plateau or cosine, not {checks.shown(str(self.schedule))}.")
        for name, (least, most) in _WHOLE_NUMBERS.items():
            what, hint = f"training's {name.replace('_', ' ')}", f"a whole number from {least} to {most}"
            whole = checks.whole_number(getattr(self, name), what, hint, low=least, high=most)
            object.__setattr__(self, name, whole)
        for name, (low, high, hint) in _NUMBERS.items():
            what = f"training's {name.replace('_', ' ')}"
            number = checks.number(getattr(self, name), what, hint, low=low, high=high)
            object.__setattr__(self, name, number)

    def write(self, path: Path) -> None:
        """Write all settings to ``path`` as JSON."""
        settings = {**asdict(self), "kinds": [kind.value for kind in self.kinds]}
        atomic_write({path: content_writer(to_json(settings, indent=2) + "\n")})

    @classmethod
    def read(cls, path: Path) -> TrainingConfiguration:
        """Read what :meth:`write` wrote; raise InputError if there is no such file or it holds other settings."""
        if not path.is_file():
            raise InputError(f"There is no {path}; give the folder of a training.")
        try:
            settings = checks.mapping(json.loads(path.read_text(encoding="utf-8")), "settings of a training")
            settings["kinds"] = tuple(PairKind(kind) for kind in settings["kinds"])
            settings["network"] = NetworkConfiguration.from_dict(settings["network"])
            settings["loss_weights"] = LossWeights.from_dict(settings["loss_weights"])
            return cls(**settings)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} does not hold the settings of a training: {error}.") from error

    def fingerprint(self) -> str:
        """Return as text the settings that a resumed run must not differ in: all but, on a plateau, the epochs."""
        free = {"epochs"} if self.schedule == "plateau" else set()
        settings = {name: value for name, value in vars(self).items() if name not in free}
        return repr(settings)


# From the least to the most of each. The most is far above all use, and below what would fill a memory or a disk.
_WHOLE_NUMBERS = {
    "epochs": (1, 1_000_000),
    "samples_per_epoch": (1, 10_000_000),
    "batch_size": (1, 4096),
    "patch_size": (48, 2048),
    "validation_slices": (1, 1_000_000),
    "patience": (0, 1_000_000),
    "pointwise_steps": (0, 1_000_000),
    "seed": (0, checks.LARGEST_SEED),
}
_NUMBERS = {
    "retention_target": (1e-6, 1.0, "a number above 0 and at most 1"),
    "brightest": (1.0, 4.0, "a number from 1 to 4"),
    "opposite_lesions": (0.0, 1.0, "a number from 0 to 1"),
    "pointwise_rate": (0.0, 1e3, "a number from 0 to 1000"),
    "learning_rate": (1e-12, 1.0, "a number above 0 and at most 1"),
    "averaging": (0.0, 1 - 1e-9, "a number of at least 0 and below 1"),
}


def _check_kinds(kinds: object) -> None:
    if not isinstance(kinds, tuple) or not kinds or not all(isinstance(kind, PairKind) for kind in kinds):
        raise InputError("Training needs at least one kind of image pair.")
