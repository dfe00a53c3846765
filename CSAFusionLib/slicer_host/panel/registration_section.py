"""The section Registration: how volume B and A are aligned, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.engines.programs import PACKAGES, SlicerElastix, engine_of, has_package, is_usable
from CSAFusionLib.slicer_host.panel.widgets import describe_items, enable_item
from CSAFusionLib.slicer_host.wording import title_of, words_of


class RegistrationSection:
    """Shows which methods can be used.

    Args:
        install: called with a method to have its package installed.
    """

    def __init__(self, ui: Any, install: Callable[[Method], None]) -> None:
        self._ui = ui
        self._install = install
        self._install_buttons = {Method.ANTS: ui.installAntsButton, Method.ELASTIX: ui.installElastixButton}
        ui.installAntsButton.connect("clicked(bool)", self._on_install_ants)
        ui.installElastixButton.connect("clicked(bool)", self._on_install_elastix)

    def describe(self) -> None:
        """Texts and tooltips for the menus, after they were filled, and what cannot be used greyed out."""
        describe_items(self._ui.methodComboBox, map(words_of, Method))
        describe_items(self._ui.transformModelComboBox, map(words_of, TransformModel))
        self._grey_out_missing()

    def update(self, parameters: Any) -> None:
        """Show a parameter node."""
        models = parameters.method.models
        self._ui.transformModelComboBox.enabled = bool(models)
        for index, model in enumerate(TransformModel):
            can = not models or model in models
            cannot = _("{method} cannot find it.").format(method=title_of(parameters.method))
            why = words_of(model)[1] if can else cannot
            enable_item(self._ui.transformModelComboBox, index, can, why)

    def _on_install_ants(self, checked: bool = False) -> None:
        self._install_package(Method.ANTS)

    def _on_install_elastix(self, checked: bool = False) -> None:
        self._install_package(Method.ELASTIX)

    def _install_package(self, method: Method) -> None:
        self._install(method)
        self._grey_out_missing()

    def _grey_out_missing(self) -> None:
        for index, method in enumerate(Method):
            usable = is_usable(method)
            enable_item(self._ui.methodComboBox, index, usable, _how(method) if usable else self._why_not(method))
        for method, button in self._install_buttons.items():
            button.visible = not has_package(method)

    def _why_not(self, method: Method) -> str:
        if method in PACKAGES:
            text = _("Not installed: press '{button}' in the section Registration.")
            return text.format(button=self._install_buttons[method].text)
        return _("This Slicer has no BRAINSFit.")


def _how(method: Method) -> str:
    """The tooltip of a method, with what is particular about running it in this Slicer."""
    tooltip = words_of(method)[1]
    if engine_of(method) is SlicerElastix:
        tooltip += " " + _("By the extension SlicerElastix: Slicer answers only now and then while it runs.")
    elif method in PACKAGES and engine_of(method):
        tooltip += " " + _("By the extension SlicerANTs: two runs differ a little.")
    return tooltip
