"""The sections Inputs, Registration and Fusion: the volumes, how they are aligned, and how they are fused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CSAFusionLib.errors import CSAFusionError
from CSAFusionLib.intensity.mapping import IntensityMapping
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.registration import Method, TransformModel
from CSAFusionLib.slicer_host.engines import PACKAGES, SlicerElastix, engine_of, has_package, is_usable
from CSAFusionLib.slicer_host.panel.choices import (
    ColourChoice,
    Intensities,
    ModalityChoice,
    PlaneChoice,
    Reference,
    StyleChoice,
    WeightsChoice,
)
from CSAFusionLib.slicer_host.panel.preview import (
    DisplayWatch,
    Input,
    IntensityEstimate,
    IntensityPreview,
    PairInViews,
)
from CSAFusionLib.slicer_host.panel.request import (
    PRESETS,
    a_is_reference,
    apply_preset,
    modality_of,
    preset_of,
    voxel_volume,
    window_of,
)
from CSAFusionLib.slicer_host.panel.sections import describe_items, enable_item, number, say
from CSAFusionLib.slicer_host.wording import device_in_words, title_of, words_of
from CSAFusionLib.worker.devices import Devices


class InputsSection:
    """Shows the chosen inputs and what is guessed about them."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._estimate = IntensityEstimate()
        self._preview = IntensityPreview()
        self._views = PairInViews()
        self._displays = DisplayWatch(self._say_limits)
        self._parameters: Any = None
        presets = [(_("None"), _("What the volumes are is guessed, or as it is set in the sections below."))]
        presets += [(preset.title, preset.tooltip) for preset in PRESETS]
        ui.presetComboBox.addItems([title for title, _tooltip in presets])
        describe_items(ui.presetComboBox, presets)
        ui.presetComboBox.connect("activated(int)", self._on_preset)
        ui.previewCheckBox.connect("toggled(bool)", self._on_preview)

    def describe(self) -> None:
        """Set the tooltips of the filled menus."""
        for side in ("A", "B"):
            describe_items(self._menu("modality", side), (choice.value for choice in ModalityChoice))
            describe_items(self._menu("intensities", side), (choice.value for choice in Intensities))
        describe_items(self._ui.referenceComboBox, (choice.value for choice in Reference))
        describe_items(self._ui.colourTableComboBox, (choice.value for choice in ColourChoice))

    def update(self, parameters: Any) -> None:
        """Show a parameter node."""
        self._parameters = parameters
        for side in ("A", "B"):
            self._update_side(side)
        say(self._ui.referenceLabel, self._why_reference())
        self._show_preset()
        self._show_preview()

    def end_saved_preview(self) -> None:
        """Restore the display of volumes whose scene was saved during a preview."""
        if not self._ui.previewCheckBox.checked:
            self._preview.end()

    def release(self) -> None:
        """Show the volumes as they were shown before the preview, and forget the scene."""
        self._parameters = None
        self._displays.end()
        self._preview.end()
        self._views.end()
        self._estimate.forget()
        self._ui.previewCheckBox.checked = False

    def _update_side(self, side: str) -> None:
        chosen = getattr(self._parameters, f"intensities{side}")
        getattr(self._ui, f"window{side}Widget").visible = chosen is Intensities.GIVEN
        guess = self._estimate.guess(getattr(self._parameters, f"volume{side}"))
        title = ModalityChoice.AUTOMATIC.title
        text = title if guess is None else _("{automatic}: {modality}").format(automatic=title, modality=guess.name)
        self._menu("modality", side).setItemText(0, text)

    def _why_reference(self) -> str:
        volumes = (self._parameters.volumeA, self._parameters.volumeB)
        if any(volume is None or volume.GetImageData() is None for volume in volumes):
            return ""
        chosen, other = ("A", "B") if a_is_reference(self._parameters) else ("B", "A")
        fixed, moving = volumes if chosen == "A" else volumes[::-1]
        if self._parameters.reference is not Reference.FINER:
            return _("The result gets the grid of '{name}'.").format(name=fixed.GetName())
        if voxel_volume(fixed) == voxel_volume(moving):
            return _("Volume A: both have voxels of {fixed} mm.").format(fixed=_voxels(fixed))
        return _("Volume {chosen}: its voxels have {fixed} mm, those of {other} {moving} mm.").format(
            chosen=chosen, fixed=_voxels(fixed), other=other, moving=_voxels(moving)
        )

    def _on_preset(self, index: int) -> None:
        if index > 0 and self._parameters is not None:
            with slicer.util.NodeModify(self._parameters):
                apply_preset(PRESETS[index - 1], self._parameters)
        self._show_preset()

    def _show_preset(self) -> None:
        preset = preset_of(self._parameters) if self._parameters is not None else None
        self._ui.presetComboBox.currentIndex = 0 if preset is None else PRESETS.index(preset) + 1

    def _on_preview(self, checked: bool) -> None:
        if not checked:
            self._preview.end()
            self._views.end()
        if self._parameters is not None:
            self._show_preview()

    def _show_preview(self) -> None:
        volumes = [getattr(self._parameters, f"volume{side}") for side in ("A", "B") if self._as_displayed(side)]
        self._displays.end()
        self._preview.end_for(volumes)
        self._displays.begin(volumes)
        self._say_limits()
        pair = (self._parameters.volumeA, self._parameters.volumeB)
        if self._ui.previewCheckBox.checked and None not in pair and pair[0] is not pair[1]:
            self._views.show(*pair)

    def _as_displayed(self, side: str) -> bool:
        return getattr(self._parameters, f"intensities{side}") is Intensities.DISPLAYED

    def _say_limits(self) -> None:
        """State for both volumes which values are black and white, and preview them that way."""
        inputs: dict[str, Input] = {}
        texts = {"A": "", "B": ""}
        for side in texts:
            volume = getattr(self._parameters, f"volume{side}")
            if volume is None:
                continue
            try:
                window = window_of(self._parameters, side, volume)
            except CSAFusionError as error:
                texts[side] = str(error)
                continue
            inputs[side] = Input(volume, modality_of(getattr(self._parameters, f"modality{side}")), window)
        for side, mapping in self._mappings(inputs).items():
            if mapping is not None:
                texts[side] = self._in_words(side, inputs[side], mapping)
                if self._ui.previewCheckBox.checked and not self._as_displayed(side):
                    self._preview.show(inputs[side].node, mapping)
        for side, text in texts.items():
            say(getattr(self._ui, f"intensity{side}Label"), text)

    def _mappings(self, inputs: dict[str, Input]) -> dict[str, IntensityMapping | None]:
        """How the fusion maps the two volumes; of a single one, how it is mapped by itself."""
        if len(inputs) < 2 or inputs["A"].node is inputs["B"].node:
            return {side: self._estimate.mapping(one) for side, one in inputs.items()}
        fixed, moving = ("A", "B") if a_is_reference(self._parameters) else ("B", "A")
        found = self._estimate.mappings(inputs[fixed], inputs[moving])
        return dict(zip((fixed, moving), found, strict=True))

    def _in_words(self, side: str, one: Input, mapping: IntensityMapping) -> str:
        """The assumed modality of a volume, and the values that are black and white."""
        modality = one.modality or self._estimate.guess(one.node) or Modality.MR
        unit = self._estimate.unit(one.node, modality)
        low, high = (f"{number(value)}{unit}" for value in (mapping.low, mapping.high))
        kind = _("{modality}:") if one.modality else _("{modality} (guessed):")
        said = [kind.format(modality=modality.name), _("{low} is black, {high} is white.").format(low=low, high=high)]
        if mapping.knee is not None:
            value, brightness = mapping.knee
            text = _("Up to {value}: the darker {share} %.")
            said.append(text.format(value=f"{number(value)}{unit}", share=f"{brightness:.0%}"[:-1]))
        if modality is Modality.MR and self._parameters.biasCorrection:
            said.append(_("N4, which runs first, changes these values a little."))
        return " ".join(said)

    def _menu(self, what: str, side: str) -> Any:
        return getattr(self._ui, f"{what}{side}ComboBox")


def _voxels(node: slicer.vtkMRMLVolumeNode) -> str:
    return " x ".join(f"{length:.3g}" for length in node.GetSpacing())


class RegistrationSection:
    """Shows which methods can be used.

    Args:
        install: called with a method to install its package.
    """

    def __init__(self, ui: Any, install: Callable[[Method], None]) -> None:
        self._ui = ui
        self._install = install
        self._install_buttons = {Method.ANTS: ui.installAntsButton, Method.ELASTIX: ui.installElastixButton}
        ui.installAntsButton.connect("clicked(bool)", self._on_install_ants)
        ui.installElastixButton.connect("clicked(bool)", self._on_install_elastix)

    def describe(self) -> None:
        """Set the texts and tooltips of the filled menus, and grey out unavailable methods."""
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
    """The tooltip of a method, with particulars of running it in this Slicer."""
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
"""The widgets without effect on a style that does not use the network."""


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
        """Set the tooltips of the filled menus."""
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
