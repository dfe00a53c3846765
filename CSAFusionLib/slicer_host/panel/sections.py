"""The heads of the panel's sections, which sum up a closed section in one line, and the widgets that sections share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import qt
from slicer.i18n import tr as _

from CSAFusionLib.slicer_host.panel.choices import (
    ColourChoice,
    Intensities,
    PlaneChoice,
    Reference,
    StyleChoice,
    WeightsChoice,
)
from CSAFusionLib.slicer_host.panel.request import SMOOTHING_MM, a_is_reference
from CSAFusionLib.slicer_host.wording import title_of

_REST_MS = 50


def describe_items(menu: Any, described: Iterable[tuple[str, str]]) -> None:
    """Give each item of a menu that was filled from an enum its title and its tooltip, in the enum's order."""
    for index, (title, tooltip) in enumerate(described):
        menu.setItemText(index, title)
        menu.setItemData(index, tooltip, qt.Qt.ToolTipRole)


def enable_item(menu: Any, index: int, enabled: bool, tooltip: str) -> None:
    """Enable or grey out an item, and say why in its tooltip."""
    menu.model().item(index).setEnabled(enabled)
    menu.setItemData(index, tooltip, qt.Qt.ToolTipRole)


def say(label: Any, text: str) -> None:
    """Show a text; an empty one hides the label."""
    label.text = text
    label.visible = bool(text)
    fit(label)


def fit(label: Any) -> None:
    """Give a label that wraps the height its text needs at its width.

    The height is fixed because form layouts keep the height of a former width, and the panel's window requests none.
    """
    label.minimumHeight = 0  # Below its minimum a label asks for no height.
    label.setFixedHeight(max(0, label.heightForWidth(label.width)))


class Fitting(qt.QWidget):
    """Keeps labels that wrap high enough, however wide they become; an event filter, never shown."""

    def eventFilter(self, label: Any, event: Any) -> bool:  # noqa: N802 (Qt's name)
        """Fit a label whose size changes."""
        if event.type() == qt.QEvent.Resize:
            fit(label)
        return False


def wrapping_labels(ui: Any) -> list[Any]:
    """The labels of the panel whose text wraps."""
    return [widget for widget in vars(ui).values() if widget.className() == "QLabel" and widget.wordWrap]


class Scrolling:
    """Brings parts of the panel into view once their layouts have settled."""

    def __init__(self) -> None:
        self._widgets: tuple[Any, ...] = ()
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.connect("timeout()", self._scroll)

    def bring(self, *widgets: Any) -> None:
        """Bring these into view as far as there is room; later ones take precedence."""
        self._widgets = widgets
        self._timer.start()

    def end(self) -> None:
        """Stop scrolling."""
        self._timer.stop()

    def _scroll(self) -> None:
        for widget in self._widgets:
            area = _scroll_area_of(widget)
            if area is not None and widget.visible:
                area.ensureWidgetVisible(widget, 0, 0)


def _scroll_area_of(widget: Any) -> Any:
    """The scroll area that a widget is in, or None."""
    area = widget.parent()
    while area is not None and not area.inherits("QScrollArea"):
        area = area.parent()
    return area


def number(value: float) -> str:
    """An intensity with four significant digits, and all digits before the point."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def shortened(text: str, most: int) -> str:
    """The text cut to at most this many characters, with an ellipsis if it was longer."""
    return text if len(text) <= most else text[: most - 1].rstrip(" ,.") + "\N{HORIZONTAL ELLIPSIS}"


def of_inputs(parameters: Any) -> str:
    """The grid of the result, the colour, N4, the fused region, and the chosen ranges."""
    parts = [_grid(parameters)]
    if parameters.colourTable is not ColourChoice.GREY:
        parts.append(parameters.colourTable.title)
    parts += [_("N4")] if parameters.biasCorrection else []
    places = [place for place in (parameters.region, parameters.mask) if place is not None]
    parts += [_("in '{name}'").format(name=place.GetName()) for place in places]
    for side in ("A", "B"):
        chosen = getattr(parameters, f"intensities{side}")
        if chosen is not Intensities.AUTOMATIC:
            parts.append(_("{side}: {range}").format(side=side, range=chosen.title))
    return ", ".join(parts)


def of_registration(parameters: Any) -> str:
    """The kind of transform, the registration masks, and the node that stores the transform."""
    if not parameters.method.models:
        return _("as the headers say")
    parts = [title_of(parameters.transformModel)]
    masked = [side for side in ("A", "B") if getattr(parameters, f"registrationMask{side}") is not None]
    if masked:
        parts.append(_("in the mask of {sides}").format(sides=_(" and ").join(masked)))
    if parameters.transform is not None:
        parts.append(_("kept as '{name}'").format(name=parameters.transform.GetName()))
    return ", ".join(parts)


def of_fusion(parameters: Any, device: str) -> str:
    """The settings that differ from the defaults, or a note that none does.

    Args:
        device: the title of the chosen device; empty if automatic.
    """
    parts = [parameters.style.title] if parameters.style is not StyleChoice.FUSED else []
    if parameters.style is StyleChoice.OVERLAY:
        parts.append(_("opacity {opacity:.2f}").format(opacity=parameters.opacity))
    elif parameters.style is StyleChoice.FUSED:
        parts += _of_network(parameters)
    if parameters.plane is not PlaneChoice.AUTO:
        parts.append(parameters.plane.title)
    if device and parameters.style is StyleChoice.FUSED:
        parts.append(device)
    return ", ".join(parts) or _("automatic")


def _of_network(parameters: Any) -> list[str]:
    """The network settings that differ from the defaults."""
    parts = []
    if parameters.weights is not WeightsChoice.AUTOMATIC:
        parts.append(_("weights {weights}").format(weights=parameters.weights.title))
    if parameters.balance:
        towards = "A" if parameters.balance < 0 else "B"
        parts.append(_("balance {amount:.2f} to {side}").format(amount=abs(parameters.balance), side=towards))
    if parameters.throughSliceSmoothing != SMOOTHING_MM:
        parts.append(_("smoothing {length:g} mm").format(length=parameters.throughSliceSmoothing))
    return parts


def of_outputs(parameters: Any) -> str:
    """The volume for the result, and the other outputs."""
    fused = parameters.fusedVolume
    parts = [_("new volume") if fused is None else _("into '{name}'").format(name=fused.GetName())]
    parts += [_("contribution map")] if parameters.makeContribution else []
    parts += [_("table of slices")] if parameters.makeSliceTable else []
    return ", ".join(parts)


def _grid(parameters: Any) -> str:
    if parameters.volumeA is not None and parameters.volumeB is not None:
        return _("grid of {side}").format(side="A" if a_is_reference(parameters) else "B")
    finer = parameters.reference is Reference.FINER
    return _("the finer grid") if finer else _("grid of {side}").format(side=parameters.reference.name)


# A head is as wide as its text, and the panel is never narrower than a head.
_MOST_CHARACTERS = 40


class SectionHead:
    """The head of a section: its title, and while the section is collapsed, what is set in it.

    Args:
        button: the collapsible button; its text is the title.
    """

    def __init__(self, button: Any) -> None:
        self._button = button
        self._title = button.text
        self._summary = ""
        button.connect("contentsCollapsed(bool)", self._show)

    def summarise(self, summary: str) -> None:
        """Show another summary; an empty one leaves the title alone."""
        self._summary = summary
        self._show()

    def _show(self, collapsed: bool | None = None) -> None:
        text = self._title
        if self._button.collapsed and self._summary:
            text = _("{title}: {summary}").format(title=self._title, summary=self._summary)
        self._button.text = shortened(text, _MOST_CHARACTERS)
        # In an open section, it would appear over every widget that has no tooltip of its own.
        self._button.toolTip = text if self._button.collapsed else ""
