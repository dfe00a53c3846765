"""A stand-in for ``slicer.i18n``, which leaves every text in English; there as soon as it is imported."""

from __future__ import annotations

import sys

import slicer

from Testing.host.modules import module_of


def _tr(text: str) -> str:
    return text


def _translate(context: str, text: str) -> str:
    return text


slicer.i18n = sys.modules.setdefault("slicer.i18n", module_of("slicer.i18n", {"tr": _tr, "translate": _translate}))
