"""The section Registration: how volume B and A are aligned, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host import brains
from CSAFusionLib.slicer_host.dependencies import is_installed
from CSAFusionLib.slicer_host.panel.widgets import describe_items, enable_item


class RegistrationSection:
    """Shows which methods can be used.

    Args:
        install: called to have ANTs installed.
    """

    def __init__(self, ui: Any, install: Callable[[], None]) -> None:
        self._ui = ui
        self._install = install
        ui.installButton.connect("clicked(bool)", self._on_install)

    def describe(self) -> None:
        """Tooltips for the menus, after they were filled, and what cannot be used greyed out."""
        describe_items(self._ui.methodComboBox, Method)
        describe_items(self._ui.transformModelComboBox, TransformModel)
        self._grey_out_missing()

    def update(self, parameters: Any) -> None:
        """Show a parameter node."""
        models = parameters.method.models
        self._ui.transformModelComboBox.enabled = bool(models)
        for index, model in enumerate(TransformModel):
            can = not models or model in models
            why = model.tooltip if can else _("{method} cannot find it.").format(method=parameters.method.title)
            enable_item(self._ui.transformModelComboBox, index, can, why)

    def _on_install(self, checked: bool = False) -> None:
        self._install()
        self._grey_out_missing()

    def _grey_out_missing(self) -> None:
        has_ants = is_installed("antspyx")
        missing = {
            Method.ANTS: "" if has_ants else _("Not installed: press Install ANTs."),
            Method.BRAINS: "" if brains.is_available() else _("This Slicer has no BRAINSFit."),
        }
        for method, reason in missing.items():
            enable_item(self._ui.methodComboBox, list(Method).index(method), not reason, reason or method.tooltip)
        self._ui.installButton.visible = not has_ants
