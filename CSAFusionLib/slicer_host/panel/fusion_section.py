"""The section Fusion: weights, balance of the sources, plane, device, outputs."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CSAFusionLib.slicer_host.panel.choices import PlaneChoice, StyleChoice, WeightsChoice
from CSAFusionLib.slicer_host.panel.widgets import describe_items, say
from CSAFusionLib.slicer_host.wording import device_in_words
from CSAFusionLib.worker.devices import Devices

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
