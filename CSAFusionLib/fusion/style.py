"""How two aligned volumes become one: by the network, or plainly."""

from __future__ import annotations

from enum import Enum


class Style(Enum):
    """The styles; only FUSED asks the network, and only SIDE_BY_SIDE has another grid than the fixed volume's."""

    FUSED = "fused"
    OVERLAY = "overlay"
    SIDE_BY_SIDE = "side-by-side"
    TWO_COLOUR = "two-colour"
