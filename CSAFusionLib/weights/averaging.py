"""Two sets of weights averaged into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from CSAFusionLib.errors import InputError

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion


def average_weights(first: CSAFusion, second: CSAFusion, share: float) -> CSAFusion:
    """Return a network whose weights lie between two others': (1 - share) of the first and share of the second.

    Sound only where one was trained on from the other, so that both lie in one basin (Wortsman et al., Model soups,
    ICML 2022). Each keeps in part what it is better at: the way to choose between two loss weightings without training
    again.

    Args:
        share: of the second, in [0, 1].

    Raises:
        InputError: they are different networks, or the share is out of range.
    """
    from CSAFusionLib.network.csafusion import CSAFusion

    if not 0 <= share <= 1:
        raise InputError(f"The share of the second weights must be between 0 and 1, not {share}.")
    if first.configuration != second.configuration:
        raise InputError("The two weights belong to different networks; give two trainings of one network.")
    others = second.state_dict()
    averaged = CSAFusion(first.configuration)
    averaged.load_state_dict(
        {
            name: value.lerp(others[name], share) if value.is_floating_point() else value
            for name, value in first.state_dict().items()
        }
    )
    return averaged.eval()
