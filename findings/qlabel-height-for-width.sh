#!/bin/bash
# QLabel.heightForWidth (Qt 6.9.3) never returns less than the label's minimum height. A wrapped label whose minimum
# height is set to that result therefore grows with a long text and never shrinks with a short one; set the minimum to 0
# before calling it.
#
# Seen (pixels depend on the font):
#   Qt 6.9.3: short text alone 14, long text 140, short text under the minimum of the long one 140, after a reset 14
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet PySide6-Essentials==6.9.3
QT_QPA_PLATFORM=offscreen "$folder/venv/bin/python" - <<'PYTHON'
from PySide6 import QtCore, QtWidgets

application = QtWidgets.QApplication([])
label = QtWidgets.QLabel("short")
label.setWordWrap(True)
alone = label.heightForWidth(300)
label.setText("a long text that wraps " * 20)
long = label.heightForWidth(300)
label.setMinimumHeight(long)
label.setText("short")
under_the_minimum = label.heightForWidth(300)
label.setMinimumHeight(0)
after_a_reset = label.heightForWidth(300)
print(
    f"Qt {QtCore.qVersion()}: short text alone {alone}, long text {long}, short text under the minimum of the long one "
    f"{under_the_minimum}, after a reset {after_a_reset}"
)
assert alone < long == under_the_minimum and after_a_reset == alone, "QLabel behaves differently now"
PYTHON
