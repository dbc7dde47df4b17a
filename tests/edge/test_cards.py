"""What is a card number in a text, and what only looks like one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.edge.cards import holds_card_number

CARDS = (
    "4111111111111111",
    "5555555555554444",
    "2223003122003222",
    "6011111111111117",
    "3530111333300000",
    "378282246310005",
    "6212345678901232",
    "6037991234561235",
    "5022291234565990",
    "2200000000000004",
    "9792030000000000",
    "6304000000000000000",
)


@pytest.mark.parametrize("card", CARDS)
def test_a_card_is_found_however_it_is_written(card: str) -> None:
    groups = [card[n : n + 4] for n in range(0, len(card), 4)]
    assert holds_card_number(card)
    assert not holds_card_number(card, grouped=True)
    for joint in (" ", "-", "\u00a0", "–", "."):
        for text in ("{}", "my card: {} 12/27", "({})", "7 {}", "شماره کارت {}،"):
            written = text.format(joint.join(groups))
            assert holds_card_number(written), written
            assert holds_card_number(written, grouped=True), written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111111111111112",  # the check digit
        "41111111111111",
        "41111111111111111",
        "A4111111111111111",
        "4111111111111111a",
        "1790000000000000",
        "order 2026050412345678",
        "IR870170000000123456789088",
        "IR87 0170 0000 0001 2345 6789 088",
        "+989121234567",
        "9121234567, 9121234568",
        "9f2c1d0e5a7b4c6d8e9f00112233445566778899aabbccddeeff001122334455",
    ],
)
def test_a_number_of_somebodys_own_is_none(text: str) -> None:
    assert not holds_card_number(text)


@given(st.text(st.characters(exclude_categories=["Nd"])), st.sampled_from(CARDS))
def test_words_around_it_do_not_hide_it(words: str, card: str) -> None:
    assert holds_card_number(f"{words} {card} {words}")


def test_few_numbers_look_like_cards() -> None:
    chance = random.Random(1)
    numbers = [str(chance.randrange(10**15, 10**16)) for _ in range(20_000)]
    assert 0.03 < sum(map(holds_card_number, numbers)) / len(numbers) < 0.05
