"""The heads of the sections that are collapsed at first: what is set in each of them stands in one line."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from CSAFusionLib.slicer_host.panel.widgets import shortened

# A head is as wide as its text, and the panel never narrower than a head.
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
        # An open section would show it over everything in it that has no tooltip of its own.
        self._button.toolTip = text if self._button.collapsed else ""
