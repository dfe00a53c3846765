"""The sections Registration (how volumes A and B are aligned) and Fusion (weights, balance, plane, device, outputs)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.engines import PACKAGES, SlicerElastix, engine_of, has_package, is_usable
from CSAFusionLib.slicer_host.panel.choices import PlaneChoice, StyleChoice, WeightsChoice
from CSAFusionLib.slicer_host.panel.sections import describe_items, enable_item, say
from CSAFusionLib.slicer_host.wording import device_in_words, title_of, words_of
from CSAFusionLib.worker.devices import Devices


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


DEVICE_SETTING = "CSAFusion/Device"
_OF_THE_NETWORK = (
    "weightsComboBox",
    "weightsFilePathLineEdit",
    "balanceSlider",
    "smoothingSlider",
    "deviceComboBox",
    "contributionCheckBox",
)
"""What has no effect on a style that no network makes."""


class FusionSection:
    """Shows how the volumes are fused; the device is stored in the application's settings, not in the scene."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._found: Devices | None = None
        self._fill_devices({})
        ui.deviceComboBox.connect("activated(int)", self._on_device)

    @property
    def device(self) -> str:
        """The chosen device, by its name in the fusion settings."""
        return self._ui.deviceComboBox.itemData(self._ui.deviceComboBox.currentIndex)

    @property
    def chosen_device(self) -> str:
        """The title of the chosen device; empty if it is chosen automatically."""
        return "" if self.device == "auto" else self._ui.deviceComboBox.currentText

    def describe(self) -> None:
        """Tooltips for the menus, after they were filled."""
        describe_items(self._ui.styleComboBox, (choice.value for choice in StyleChoice))
        describe_items(self._ui.weightsComboBox, (choice.value for choice in WeightsChoice))
        describe_items(self._ui.planeComboBox, (choice.value for choice in PlaneChoice))

    def update(self, parameters: Any) -> None:
        """Show a parameter node."""
        style = parameters.style
        self._ui.opacityLabel.visible = self._ui.opacitySlider.visible = style is StyleChoice.OVERLAY
        for name in _OF_THE_NETWORK:
            getattr(self._ui, name).enabled = style is StyleChoice.FUSED
        own = parameters.weights is WeightsChoice.FILE
        self._ui.weightsFileLabel.visible = own
        self._ui.weightsFilePathLineEdit.visible = own

    def show_devices(self, found: Devices) -> None:
        """Offer the devices that were found, and say which one is used, and why."""
        self._found = found
        self._fill_devices(found.titles)

    def _fill_devices(self, titles: dict[str, str]) -> None:
        menu, wanted = self._ui.deviceComboBox, slicer.util.settingsValue(DEVICE_SETTING, "auto")
        offered = {"auto": _("Automatic"), "cpu": _("Processor (CPU)")} | titles
        menu.clear()
        for name, title in offered.items():
            menu.addItem(title, name)
        menu.currentIndex = list(offered).index(wanted) if wanted in offered else 0
        self._say_device()

    def _on_device(self, index: int) -> None:
        qt.QSettings().setValue(DEVICE_SETTING, self.device)
        self._say_device()

    def _say_device(self) -> None:
        if self.device == "cpu":
            text = _("Runs on the processor, without a graphics card.")
        elif self.device != "auto":
            text = _("Takes as many slices at a time as fit into its memory.")
        elif self._found is None:
            text = _("A graphics card that works, otherwise the processor.")
        else:
            text = _("Uses {device}.").format(device=device_in_words(self._found.automatic, self._found.reason))
        say(self._ui.deviceLabel, text)
