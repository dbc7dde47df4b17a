"""Whatever colour a merchant picks, its buttons can be read and seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.pages.colour import CARD_DARK, CARD_LIGHT, contrast, palette

COLOURS = st.integers(0, 0xFFFFFF).map(lambda n: f"#{n:06x}")


@given(COLOURS)
def test_button_text_reaches_aa(colour: str) -> None:
    found = palette(colour)
    assert found.primary == colour
    assert contrast(found.primary, found.on_primary) >= 4.5
    assert contrast(found.edge_light, CARD_LIGHT) >= 3
    assert contrast(found.edge_dark, CARD_DARK) >= 3


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_wcags(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)
    assert contrast(other, one) == contrast(one, other)
