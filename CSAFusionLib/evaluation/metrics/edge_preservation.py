"""EPI: how alike the edges of the fused image and of a source are."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def epi(source: np.ndarray, fused: np.ndarray) -> float:
    """Return the correlation coefficient of the two Laplacian images, -1 to 1; 0 if one of them has no edge at all.

    The Laplacian has four neighbours, edges replicated. Sattar et al. 1997.

    Args:
        source: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    of_source, of_fused = (
        ndimage.laplace(image.astype(np.float64), mode="nearest").ravel() for image in (source, fused)
    )
    of_source -= of_source.mean()
    of_fused -= of_fused.mean()
    scale = np.sqrt((of_source @ of_source) * (of_fused @ of_fused))
    return float(of_source @ of_fused / scale) if scale > 0 else 0.0
