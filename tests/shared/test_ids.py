"""Ids: what is minted is read back, what is not ours is refused, and time is their order."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.ids import (
    ALPHABET,
    EPOCH,
    MERCHANT_BITS,
    Book,
    PaymentId,
    PayoutId,
    derived,
    event_id,
    merchant_id,
    merchant_number,
)
from tests.shared.samples import BOOK, books, days, merchant_numbers, payment_ids

payout_ids = st.builds(PayoutId.of, books, st.integers(1, (1 << 27) - 1))
LOOK_ALIKES = "ILOU"
"""The letters that Crockford's alphabet leaves out."""


@given(payment_ids)
def test_a_payment_id_says_where_it_lives(id: PaymentId) -> None:
    assert PaymentId.parse(id.text) == id
    assert (len(id.text), str(id)) == (30, id.text)
    assert id.partition == f"{id.book.key}#{id.day}#{id.shard}"


@given(payout_ids)
def test_a_payout_id_says_which_seal_it_pays(id: PayoutId) -> None:
    assert PayoutId.parse(id.text) == id
    assert (len(id.text), str(id)) == (15, id.text)


@given(books)
def test_a_book_is_read_back_from_its_key(book: Book) -> None:
    assert Book.parse(book.key) == book
    assert book.number < 1 << 30


@given(merchant_numbers)
def test_a_merchant_id_is_its_number(number: int) -> None:
    assert merchant_number(merchant_id(number)) == number


def test_the_largest_of_everything_fits() -> None:
    book = Book(merchant_id((1 << MERCHANT_BITS) - 1), "live", "TRY")
    last_day = EPOCH + dt.timedelta((1 << 14) - 1)
    id = PaymentId.mint(book, last_day, (1 << 27) - 1, 255, b"\xff" * 6)
    assert PaymentId.parse(id.text) == id
    assert PayoutId.parse(PayoutId.of(book, (1 << 27) - 1).text).n == (1 << 27) - 1


@pytest.mark.parametrize(
    ("day", "ms", "shard", "entropy"),
    [
        (EPOCH - dt.timedelta(1), 0, 0, b"123456"),
        (EPOCH + dt.timedelta(1 << 14), 0, 0, b"123456"),
        (EPOCH, -1, 0, b"123456"),
        (EPOCH, 1 << 27, 0, b"123456"),
        (EPOCH, 0, 256, b"123456"),
        (EPOCH, 0, -1, b"123456"),
        (EPOCH, 0, 0, b"12345"),
    ],
)
def test_what_does_not_fit_is_never_minted(
    day: dt.date, ms: int, shard: int, entropy: bytes
) -> None:
    with pytest.raises(AssertionError):
        PaymentId.mint(BOOK, day, ms, shard, entropy)


@given(
    st.lists(
        st.tuples(days, st.integers(0, (1 << 27) - 1), books, st.binary(min_size=6, max_size=6)),
        min_size=2,
        max_size=8,
    ),
    st.sampled_from(["test", "live"]),
)
def test_ids_of_a_mode_sort_by_time_whoever_they_belong_to(
    made: list[tuple[dt.date, int, Book, bytes]], mode: str
) -> None:
    ids = [
        PaymentId.mint(Book.parse(f"{b.merchant_id}.{mode}.{b.currency}"), day, ms, 3, entropy)
        for day, ms, b, entropy in made
    ]
    in_order = sorted(ids, key=lambda id: id.text)
    times = [(id.day, id.ms) for id in in_order]
    assert times == sorted(times)


def test_the_mode_is_a_bit_of_its_own() -> None:
    made = [
        PaymentId.mint(Book(BOOK.merchant_id, mode, "IRR"), EPOCH, 0, 0, b"123456").text
        for mode in ("test", "live")
    ]
    assert made[0] != made[1]
    assert [PaymentId.parse(text).book.mode for text in made] == ["test", "live"]
    payouts = [str(PayoutId.of(Book(BOOK.merchant_id, m, "IRR"), 1)) for m in ("test", "live")]
    assert [PayoutId.parse(text).book.mode for text in payouts] == ["test", "live"]


def every_change(text: str, letters: str) -> list[str]:
    """The text with each character replaced by each letter."""
    return [
        text[:n] + letter + text[n + 1 :]
        for n in range(len(text))
        for letter in letters
        if letter != text[n]
    ]


@given(payment_ids)
def test_a_changed_letter_of_a_payment_id_is_another_id_or_refused(id: PaymentId) -> None:
    for text in every_change(id.text, ALPHABET):
        try:
            other = PaymentId.parse(text)
        except ValueError:
            continue
        assert other != id
        again = PaymentId.mint(other.book, other.day, other.ms, other.shard, _entropy(text))
        assert again.text == text


def _entropy(text: str) -> bytes:
    number = 0
    for letter in text[4:]:
        number = number * 32 + ALPHABET.index(letter)
    return (number & (1 << 48) - 1).to_bytes(6)


@given(payout_ids)
def test_a_changed_letter_of_a_payout_id_is_another_id_or_refused(id: PayoutId) -> None:
    for text in every_change(id.text, ALPHABET):
        try:
            other = PayoutId.parse(text)
        except ValueError:
            continue
        assert other != id
        assert PayoutId.of(other.book, other.n).text == text


@given(merchant_numbers)
def test_a_changed_letter_of_a_merchant_id_is_another_or_refused(number: int) -> None:
    for text in every_change(merchant_id(number), ALPHABET):
        try:
            other = merchant_number(text)
        except ValueError:
            continue
        assert other != number
        assert merchant_id(other) == text


PARSERS = {
    PaymentId.parse: PaymentId.mint(BOOK, dt.date(2026, 5, 4), 1, 0, b"abcdef").text,
    PayoutId.parse: PayoutId.of(BOOK, 1).text,
    merchant_number: BOOK.merchant_id,
    Book.parse: BOOK.key,
}


@pytest.mark.parametrize("parse", PARSERS)
def test_nothing_but_the_exact_letters_is_read(parse: object) -> None:
    assert callable(parse)
    text = PARSERS[parse]
    parse(text)
    strangers = [
        "",
        " ",
        text + " ",
        " " + text,
        text + "\n",
        text + "\x00",
        text[:-1],
        text + text[-1],
        text * 1_000,
        text.lower(),
        text.upper(),
        text.replace("0", "O", 1) if "0" in text else text + "O",
        text.replace("0", "٠", 1) if "0" in text else text + "٠",
        text.replace("1", "l", 1) if "1" in text else text + "l",
        text.replace("A", "А", 1) if "A" in text else text + "А",  # Cyrillic
        text.replace("e", "е") if "e" in text else text + "е",
        "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text),
        "پرداخت",
        "pay_",
        "po_",
        "mer_",
        "..",
        "\ud800",
    ]
    for stranger in strangers:
        with pytest.raises(ValueError):  # noqa: PT011 - the one kind every door expects
            parse(stranger)


@pytest.mark.parametrize("letter", LOOK_ALIKES + LOOK_ALIKES.lower() + "*-_=%\u200d٣")
def test_letters_outside_the_alphabet_are_refused_everywhere(letter: str) -> None:
    for parse, text in PARSERS.items():
        for changed in every_change(text, letter):
            with pytest.raises(ValueError):  # noqa: PT011
                parse(changed)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in PARSERS:
        for candidate in (text, f"pay_{text}", f"po_{text}", f"mer_{text}", f"mer_{text}.live.IRR"):
            try:
                parse(candidate)
            except ValueError:
                continue


def test_ids_of_another_version_or_an_unknown_currency_are_refused() -> None:
    id = PARSERS[PaymentId.parse]
    for changed in (id[:4] + "Z" + id[5:], id[:4] + "0" + id[5:]):
        with pytest.raises(ValueError, match="version"):
            PaymentId.parse(changed)
    unknown = [t for t in every_change(id, ALPHABET) if _refusal(t) == "unknown currency in id"]
    assert unknown, "four bits hold sixteen currencies, and there are fewer"


def _refusal(text: str) -> str | None:
    try:
        PaymentId.parse(text)
    except ValueError as exc:
        return str(exc)
    return None


def test_a_payout_of_no_seal_is_refused() -> None:
    with pytest.raises(AssertionError):
        PayoutId.of(BOOK, 0)
    with pytest.raises(ValueError, match="version"):
        PayoutId.parse("po_" + "0" * 12)


@pytest.mark.parametrize("key", ["mer_000000.prod.IRR", "mer_000000.test.USD", "mer_000000.test"])
def test_books_of_other_modes_and_currencies_are_refused(key: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Book.parse(key)


def test_currencies_keep_their_place_in_ids() -> None:
    """The position is stored in every id for ever: append, never reorder."""
    numbers = [Book(merchant_id(0), "test", c).number for c in ("IRR", "EUR", "RUB", "TRY")]
    assert numbers == [0, 1, 2, 3]


def test_an_id_minted_today_is_read_for_ever() -> None:
    """The layout of stored ids, letter for letter."""
    made = PaymentId.mint(Book("mer_0004K7", "live", "IRR"), dt.date(2026, 5, 4), 1, 2, b"abcdef")
    assert made.text == "pay_CJ2R00002004K700K1C9HP8SB6"
    assert PayoutId.of(Book("mer_0004K7", "live", "IRR"), 3).text == "po_C0096E000003"


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\x1f")), min_size=1, max_size=4
    )
)
def test_a_derived_id_follows_from_its_parts_alone(parts: list[str]) -> None:
    one = derived("rfd_", *parts)
    assert one == derived("rfd_", *parts)
    assert len(one) == 20
    assert one != derived("rfd_", *parts, "more")


@given(st.integers(0, 1 << 45), st.integers(0, 1 << 45))
def test_event_ids_sort_by_time(one: int, other: int) -> None:
    assert (event_id(one, "a") < event_id(other, "a")) == (one < other)
