"""The indicators that methods are ranked and tested by; the larger the better, each of them."""

from __future__ import annotations

INDICATORS = ("SSIM sum", "EPI sum", "QNCIE", "FMI", "VIF", "QABF")
