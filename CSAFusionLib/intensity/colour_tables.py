"""The colour tables for scalar PET and SPECT volumes, with their sources."""

from __future__ import annotations

# Each table: control points (position, R, G, B), all in [0, 1], joined by straight lines.
_Points = tuple[tuple[float, float, float, float], ...]


def _evenly(colours: str) -> _Points:
    """Control points at even distances, of colours as six hexadecimal digits with blanks between them."""
    channels = [[int(word[place : place + 2], 16) / 255 for place in (0, 2, 4)] for word in colours.split()]
    last = len(channels) - 1
    return tuple((index / last, red, green, blue) for index, (red, green, blue) in enumerate(channels))


# By Nathaniel Smith and Stefan van der Walt, CC0; every eighth colour of matplotlib's, exact to 2 of 255 between them.
_VIRIDIS = (
    "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e 2c728e 297a8e 26828e "
    "23898e 21918c 1f978b 1f9f88 21a685 27ad81 31b57b 3dbc74 4cc26c 5cc863 6ece58 81d34d 95d840 aadc32 c0df25 "
    "d5e21a eae51a fde725"
)
_INFERNO = (
    "000004 040312 0b0724 150b37 210c4a 2f0a5b 3d0965 4a0c6b 57106e 64156e 71196e 7d1e6d 8a226a 972766 a32c61 "
    "b0315b bc3754 c63d4d d04545 da4e3c e35933 eb6429 f1711f f67e14 f98c0a fb9b06 fcaa0f fbba1f f9c932 f5d949 "
    "f2e865 f3f586 fcffa4"
)

# Hot-iron and PET are those of DICOM PS3.6 B.1.1 and B.1.2, hot is matplotlib's (after MATLAB's). All but PET and
# rainbow grow brighter all the way, so the fused luminance keeps the order of uptake.
COLOUR_TABLES: dict[str, _Points] = {
    "hot-iron": ((0, 0, 0, 0), (0.5, 1, 0, 0), (0.75, 1, 0.5, 0), (1, 1, 1, 1)),
    "dicom-pet": ((0, 0, 0, 0), (0.25, 0, 0.5, 0.5), (0.5, 0.5, 0, 1), (0.75, 1, 0.5, 0), (1, 1, 1, 1)),
    "hot": ((0, 0.0416, 0, 0), (0.365079, 1, 0, 0), (0.746032, 1, 1, 0), (1, 1, 1, 1)),
    "viridis": _evenly(_VIRIDIS),
    "inferno": _evenly(_INFERNO),
    "grey": ((0, 0, 0, 0), (1, 1, 1, 1)),
    "ice": ((0, 0, 0, 0), (0.4, 0, 0.2, 0.8), (0.75, 0, 0.8, 1), (1, 1, 1, 1)),
    "rainbow": ((0, 0, 0, 0), (0.2, 0, 0, 1), (0.4, 0, 1, 1), (0.6, 0, 1, 0), (0.8, 1, 1, 0), (1, 1, 0, 0)),
}
