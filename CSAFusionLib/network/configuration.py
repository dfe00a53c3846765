"""The configuration of the network; the three ablations of the article are configurations of the same code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError

# Far above what trains in days; a network of any more would not fit in memory, which is found out too late.
_MOST_CHANNELS = 256
_LARGEST_WINDOW = 64
_FARTHEST = 10.0
"""Logits this far from any base give gains of 0 and of 2."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfiguration:
    """Everything needed to build a :class:`CSAFusionLib.network.csafusion.CSAFusion`."""

    channels: int = 16
    """Feature channels C at full resolution; 2C and 4C at 1/2 and 1/4."""
    window: int = 8
    """Side of an attention window, in tokens."""
    dual_fusion: bool = True
    """Parallel branches joined by the encoder fusion module; False: the branches in series (ablation 1)."""
    attention: bool = True
    """SE channel attention and CM spatial attention; False: neither (ablation 2)."""
    adaptive: bool = True
    """Adaptive convolution and Swin blocks; False: standard convolution and transformer blocks (ablation 3)."""
    gains: bool = True
    """The last 1x1 convolution gives a gain for each source, and the image is the sum of the sources times their gains;
    False: it gives the image itself, through a sigmoid, as the article has it."""
    pointwise: bool = False
    """The gains are one function of the two values of a pixel, which the network's own part is added to before the
    sigmoid, so that the same tissue looks the same everywhere; only with gains."""
    reach: float = 0.0
    """How far, as logits, the network's own part can move the gains from the pointwise ones; 0: any distance."""
    token: int = 1
    """Side of a token of the decoder's attention, in pixels of the slice: 1, 2 or 4, and never less than a pixel of the
    stage it is in; each doubling leaves a quarter as many tokens. 0: no attention in the decoder."""

    def __post_init__(self) -> None:
        hint = f"a multiple of 8 from 8 to {_MOST_CHANNELS}"
        channels = checks.whole_number(self.channels, "network's channels", hint, low=8, high=_MOST_CHANNELS)
        if channels % 8:
            raise InputError(f"The network's channels must be a multiple of 8, not {channels}.")
        hint = f"an even number of tokens from 2 to {_LARGEST_WINDOW}"
        window = checks.whole_number(self.window, "attention window", hint, low=2, high=_LARGEST_WINDOW)
        if window % 2:
            raise InputError(f"The attention window must be an even number of tokens, not {window}.")
        token = checks.whole_number(self.token, "attention's token", "0, 1, 2 or 4 pixels", low=0, high=4)
        if token == 3:
            raise InputError("The attention's token must be 0, 1, 2 or 4 pixels, not 3.")
        object.__setattr__(self, "channels", channels)
        object.__setattr__(self, "window", window)
        object.__setattr__(self, "token", token)
        hint = f"a number from 0 to {_FARTHEST:g}"
        object.__setattr__(self, "reach", checks.number(self.reach, "network's reach", hint, low=0, high=_FARTHEST))
        for name in ("dual_fusion", "attention", "adaptive", "gains", "pointwise"):
            checks.flag(getattr(self, name), name)
        if self.pointwise and not self.gains:
            raise InputError("A network that is pointwise at its base needs gains; set both.")
        if self.reach and not self.pointwise:
            raise InputError("A network's reach is measured from its pointwise base; set both.")

    def to_dict(self) -> dict[str, int | float | bool]:
        """Return the configuration as a flat dictionary of JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> NetworkConfiguration:
        """Build a configuration from :meth:`to_dict`'s result; InputError for an unknown key or a wrong value."""
        given = checks.mapping(values, "network configuration")
        unknown = set(given) - {field.name for field in fields(cls)}
        if unknown:
            names = checks.shown(", ".join(sorted(unknown)))
            raise InputError(f"The network configuration has unknown entries: {names}.")
        return cls(**given)


FULL = NetworkConfiguration()

CONFIGURATIONS: dict[str, NetworkConfiguration] = {
    "full": FULL,
    "no-dual-fusion": replace(FULL, dual_fusion=False),
    "no-attention": replace(FULL, attention=False),
    "no-adaptive": replace(FULL, adaptive=False),
    "direct-output": replace(FULL, gains=False),
    "consistent": replace(FULL, pointwise=True, token=4),
    "bounded": replace(FULL, pointwise=True, token=4, reach=0.25),
}
"""By the command line's names: the full network, the three ablations of the article's Table 2, its output layer, and
the network whose fused values are one function of the sources' but for local detail, with cheaper attention, without
and with a bound on how far that detail goes."""
