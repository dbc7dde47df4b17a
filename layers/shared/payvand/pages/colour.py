"""Colours a merchant may choose and everybody can read (WCAG 2.2: 1.4.3 text, 1.4.11 edges)."""

import re
from dataclasses import dataclass
from typing import Final

HOUSE: Final = "#2563eb"
CARD_LIGHT: Final = "#ffffff"
CARD_DARK: Final = "#1b1f27"
INK_LIGHT: Final = "#16181d"
INK_DARK: Final = "#eef0f4"

EDGE_CONTRAST_MIN: Final = 3.0

_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Palette:
    """A button's fill and text, and its edge on a light and on a dark card."""

    primary: str
    on_primary: str
    edge_light: str
    edge_dark: str


def palette(primary: str | None) -> Palette:
    """The palette of a merchant's colour; anything but #rrggbb becomes the house colour."""
    fill = primary.lower() if primary and _HEX.fullmatch(primary) else HOUSE
    # Pure black or white always reaches 4.58:1, because sqrt(21 × 1) is where the two meet.
    text = max(("#ffffff", "#000000"), key=lambda candidate: contrast(candidate, fill))
    return Palette(
        fill,
        text,
        fill if contrast(fill, CARD_LIGHT) >= EDGE_CONTRAST_MIN else INK_LIGHT,
        fill if contrast(fill, CARD_DARK) >= EDGE_CONTRAST_MIN else INK_DARK,
    )


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two #rrggbb colours, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
