"""Everything that decides a training's result."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from CSAFusionLib.errors import InputError
from CSAFusionLib.losses.fusion_loss import LossWeights
from CSAFusionLib.losses.retention import TARGET
from CSAFusionLib.network.configuration import FULL, NetworkConfiguration
from CSAFusionLib.training.pairs import PairKind


@dataclass(frozen=True, kw_only=True)
class TrainingConfiguration:
    """The settings of one training run; the same settings on the same machine give the same weights."""

    kinds: tuple[PairKind, ...] = tuple(PairKind)
    network: NetworkConfiguration = FULL
    loss_weights: LossWeights = field(default_factory=LossWeights)
    retention_target: float = TARGET
    """From where on a training lesion stands out enough, next to its source: over 0 to 1."""
    epochs: int = 200
    samples_per_epoch: int = 800
    """Patches drawn in an epoch, over all processes together."""
    batch_size: int = 8
    """Patches in a step of one process; each is fused twice, as it is and with lesions in one source."""
    patch_size: int = 120
    learning_rate: float = 1e-3
    validation_slices: int = 8
    """Validation slices of each kind, evenly spaced, that the loss is measured on after every epoch."""
    patience: int = 4
    """Epochs without a better validation loss before ReduceLROnPlateau halves the learning rate."""
    averaging: float = 0.98
    """Decay, per step, of the moving average of the weights that is validated and saved; 0 keeps the last step's."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.kinds:
            raise InputError("Training needs at least one kind of image pair.")
        for name in ("epochs", "samples_per_epoch", "batch_size", "validation_slices"):
            if getattr(self, name) < 1:
                raise InputError(f"The training's {name.replace('_', ' ')} must be at least 1.")
        if self.patch_size < 48:
            raise InputError(f"The patch size must be at least 48 pixels, not {self.patch_size}.")
        if not 0 < self.retention_target <= 1:
            raise InputError(f"The retention target must be above 0 and at most 1, not {self.retention_target}.")
        if not 0 <= self.averaging < 1:
            raise InputError(f"The averaging of the weights must be at least 0 and below 1, not {self.averaging}.")
        if not self.learning_rate > 0:
            raise InputError(f"The learning rate must be above 0, not {self.learning_rate}.")

    def write(self, path: Path) -> None:
        """Write all settings to ``path`` as JSON."""
        settings = {**asdict(self), "kinds": [kind.value for kind in self.kinds]}
        path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> TrainingConfiguration:
        """Read what :meth:`write` wrote; raise InputError if there is no such file or it holds other settings."""
        if not path.is_file():
            raise InputError(f"There is no {path}; give the folder of a training.")
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            settings["kinds"] = tuple(PairKind(kind) for kind in settings["kinds"])
            settings["network"] = NetworkConfiguration.from_dict(settings["network"])
            settings["loss_weights"] = LossWeights(**settings["loss_weights"])
            return cls(**settings)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} does not hold the settings of a training: {error}.") from error

    def fingerprint(self) -> str:
        """Return all settings but the number of epochs as text: a resumed run must not differ in any of them."""
        settings = {name: value for name, value in vars(self).items() if name != "epochs"}
        return repr(settings)
