"""A statement on paper: whole, in order, readable by people, viewers and reading aids."""

import itertools
import os
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest

from payvand.ids import Book
from payvand.papers import LOCALES, Statement, TooLong, Torn, close, statement_pdf
from payvand.papers.statement import Head
from payvand.papers.wording import wording
from payvand.settlement import Terms
from payvand_cli.paths import ROOT
from tests.papers import samples
from tests.papers.paper import Paper, Text

LONG = (
    "شرکت تعاونی چندمنظورهٔ تولید و توزیع کالاهای خانگی (سهامی خاص) International Trading & "
    "Services Co. — شعبهٔ مرکزی خیابان ولیعصر تهران بزرگ، پلاک ۱۲۳ طبقهٔ دوم واحد ۴"
)
REFERENCES = [
    *("order-1", "سفارش ۱۲", "=HYPERLINK(1)", "X" * 64, "漢字 😀 test", "Ķīļņš ğışç Ёжик"),
    "سفارش بسیار بلند برای آزمون برش متن در ستون شرح که جا نمی\u200cشود و باید کوتاه شود",
]
HUGE = 999_999_999_999_999
BOOKS = {
    "IRR": Book("mer_000007", "live", "IRR"),
    "EUR": Book("mer_000007", "test", "EUR"),
    "TRY": Book("mer_000007", "live", "TRY"),
}
PAGE = (595.28, 841.89)


@cache
def statement(currency: str) -> tuple[list[samples.Sealed], Statement]:
    """With everything that is hard to print; without payouts in liras."""
    book = BOOKS[currency]
    terms = Terms() if currency == "TRY" else samples.TERMS
    sealed = samples.chain(4, 14, book=book, largest=HUGE, terms=terms)
    head = samples.head(sealed, book=book, name=LONG)
    return sealed, close(head, samples.lines_of(sealed, REFERENCES))


@cache
def printed(currency: str, locale: str) -> Paper:
    sealed, made = statement(currency)
    lines = samples.lines_of(sealed, REFERENCES)
    return Paper(b"".join(statement_pdf(made, lines, locale, issuer="پیوند Pay")))


EVERY = list(itertools.product(BOOKS, LOCALES))


# ── what it says ──────────────────────────────────────────────────────────────────────────────


def booked(currency: str) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """Subject, moment, and amount, fee, referral and balance of each row, from the seals."""
    sealed, _ = statement(currency)
    balance = 0
    for one in sealed:
        for line in samples.lines_of([one]):
            balance += line.amount_minor - line.fee_minor
            minors = (line.amount_minor, line.fee_minor, line.referral_minor, balance)
            yield line.subject, line.at_ms, minors
        if one.seal.payout_minor:
            balance -= one.seal.payout_minor
            minors = (-one.seal.payout_minor, 0, 0, balance)
            yield str(one.seal.payout_id), one.seal.at_ms, minors


@pytest.mark.parametrize(("currency", "locale"), EVERY)
def test_every_line_stands_once_and_in_order(currency: str, locale: str) -> None:
    words = wording(locale)
    cells: dict[tuple[int, int], list[str]] = {}
    for text in printed(currency, locale).texts():
        if text.mcid is not None:
            cells.setdefault((text.page, text.mcid), []).append(text.text)
    shown = list(cells.values())
    head = next(n for n, cell in enumerate(shown) if cell[-1] == next(booked(currency))[0])
    rows = [shown[n - 1 : n + 5] for n in range(head, len(shown))]
    rows = [row for row in rows if re.fullmatch(r"(pay|po)_[0-9A-Z]+", row[1][-1])]
    expected = list(booked(currency))
    assert len(rows) == len(expected)
    for row, (subject, at_ms, minors) in zip(rows, expected, strict=True):
        when, what, *amounts = row
        assert what[-1] == subject
        assert when == list(words.moment(at_ms, currency))
        for n, (cell, minor) in enumerate(zip(amounts, minors, strict=True)):
            nothing = n in {1, 2} and not minor
            assert cell[0] == ("–" if nothing else words.amount(minor, currency))


@pytest.mark.parametrize("locale", LOCALES)
def test_tomans_stand_beside_rials_and_nowhere_else(locale: str) -> None:
    words = wording(locale)
    _, made = statement("IRR")
    minor = made.sums["payment"].amount_minor
    texts = [text.text for text in printed("IRR", locale).texts()]
    at = texts.index(words.amount(minor, "IRR"))
    assert texts[at + 1] == words.toman(minor)
    _, other = statement("EUR")
    minor = other.sums["payment"].amount_minor
    assert words.toman(minor) not in [text.text for text in printed("EUR", locale).texts()]


@pytest.mark.parametrize("locale", LOCALES)
def test_sums_digest_and_file_are_on_it(locale: str) -> None:
    _, made = statement("EUR")
    words, paper = wording(locale), printed("EUR", locale)
    texts = [text.text for text in paper.texts()]
    for found in (*made.sums.values(), made.whole):
        assert words.amount(found.net_minor, "EUR") in texts
    assert texts.count(made.digest) == paper.pages + 1, "in each footer and at the end"
    assert f"sha256sum {made.head.file}" in texts
    for mark in made.head.marks:
        assert mark.digest in texts
        for part in mark.transfers:
            assert {part.reference, words.amount(part.amount_minor, "EUR")} <= set(texts)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_statement_before_is_named(locale: str) -> None:
    sealed = samples.chain(4, 1)
    first, second = (made for made, _ in samples.statements(sealed, 2))
    content = b"".join(statement_pdf(second, samples.lines_of(sealed[2:]), locale))
    texts = [text.text for text in Paper(content).texts()]
    assert texts.count(first.digest) == 1


@pytest.mark.parametrize(("currency", "locale"), EVERY)
def test_pages_are_counted(currency: str, locale: str) -> None:
    words, paper = wording(locale), printed(currency, locale)
    assert paper.pages > 2
    seen = paper.seen()
    for number in range(1, paper.pages + 1):
        assert words.count(number) in seen
    total = paper.reader.pages[0]["/Resources"]["/XObject"]["/N"].get_data()  # type: ignore[index]
    (font,) = [name for name in paper.fonts if name.encode() in total]
    shown = bytes.fromhex(total.split(b"<")[1].split(b">")[0].decode())
    assert paper.fonts[font].read(shown)[0] == words.count(paper.pages)
    for page in paper.reader.pages:
        assert b"/N Do" in page.get_contents().get_data()  # type: ignore[union-attr]


def test_viewers_copy_what_it_says() -> None:
    """PDFium turns Persian around by itself; all of these are one direction each."""
    seen = printed("IRR", "fa").seen()
    for text in ("صورت\u200cحساب", "خلاصه", "واریزها", "گردش حساب", "ماندهٔ پایان دوره"):
        assert text in seen, text
    for locale, text in {
        "lv": "Kopsavilkums",
        "ru": "Исходящий остаток",
        "tr": "İptal edilen iade",
    }.items():
        assert text in printed("IRR", locale).seen()
    assert "۱۴۰۴/۱۲/۲۷" in seen
    _, made = statement("IRR")
    assert wording("fa").amount(made.sums["payout"].amount_minor, "IRR") in seen


# ── how it stands ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("currency", "locale"), EVERY)
def test_nothing_runs_over_the_margin_or_into_its_neighbour(currency: str, locale: str) -> None:
    lines: dict[tuple[int, float], list[Text]] = {}
    for text in printed(currency, locale).texts():
        assert text.x > 39.5 and text.right < PAGE[0] - 39.5, text
        assert 20 < text.y < PAGE[1] - 20, text
        lines.setdefault((text.page, text.y), []).append(text)
    for line in lines.values():
        line.sort(key=lambda text: text.x)
        for left, right in itertools.pairwise(line):
            assert left.right <= right.x + 0.1, (left, right)


@pytest.mark.parametrize(("currency", "locale"), EVERY)
def test_no_line_runs_into_the_one_below(currency: str, locale: str) -> None:
    paper = printed(currency, locale)
    for page in range(paper.pages):
        texts = [text for text in paper.texts() if text.page == page and text.text.strip()]
        for above, below in itertools.combinations(sorted(texts, key=lambda t: -t.y), 2):
            beside = above.right <= below.x or below.right <= above.x
            same = abs(above.y - below.y) < 0.01
            assert beside or same or above.y - below.y > 0.8 * below.size, (above, below)


@pytest.mark.parametrize(("currency", "locale"), EVERY)
def test_no_rule_runs_through_a_text(currency: str, locale: str) -> None:
    paper = printed(currency, locale)
    texts = paper.texts()
    for page in range(paper.pages):
        heights = {(text.y, text.size) for text in texts if text.page == page}
        for rule in paper.rules(page):
            assert not [y for y, size in heights if y - 0.2 * size < rule < y + 0.7 * size]
    assert paper.rules(1)


@pytest.mark.parametrize("locale", LOCALES)
def test_columns_begin_at_the_readers_side(locale: str) -> None:
    texts = [text for text in printed("IRR", locale).texts() if text.page == 1]
    date = next(text for text in texts if re.fullmatch(r"[\d/.-]{10,11}", text.text))
    subject = next(text for text in texts if text.text.startswith("pay_"))
    assert (date.x > subject.x) == (locale == "fa")


def test_what_is_too_long_is_made_smaller_and_then_cut() -> None:
    texts = printed("IRR", "en").texts()
    assert min(text.size for text in texts) >= 5.5
    cut = [text for text in texts if text.text.startswith("XXX")]
    assert {text.text.rstrip("X")[-1:] + text.text[-1] for text in cut} == {"……"}
    assert min(len(text.text) for text in cut) > 30
    column = max(text.right for text in cut)
    assert 250 < column <= 40 + 54 + 169 - 3


def test_a_name_has_its_own_direction() -> None:
    def name(locale: str) -> list[str]:
        bold = [text for text in printed("IRR", locale).texts() if text.size == 12]
        lines = itertools.groupby(bold, lambda text: text.y)
        return ["".join(text.text for text in line) for _, line in lines]

    assert len(name("en")) == 2
    assert name("en") == name("fa")


@pytest.mark.parametrize(("currency", "locale"), EVERY)
def test_numbers_of_a_column_end_together(currency: str, locale: str) -> None:
    words = wording(locale)
    sealed, _ = statement(currency)
    amounts = {words.amount(x.amount_minor, currency) for x in samples.lines_of(sealed)}
    ends = {
        round(text.right, 1)
        for text in printed(currency, locale).texts()
        if text.text in amounts and text.page == 1
    }
    assert 1 <= len(ends) <= 2, "amounts and balances"


@pytest.mark.parametrize(("currency", "locale"), EVERY)
def test_the_head_of_the_table_comes_again(currency: str, locale: str) -> None:
    paper = printed(currency, locale)
    bold = [t for t in paper.texts() if t.size == 6.5 and t.font in {"/F2", "/F3"}]
    tops = {
        page: max(t.y for t in bold if t.page == page and t.y < 820) for page in range(paper.pages)
    }
    for page in range(1, paper.pages - 1):
        assert tops[page] > 780, f"page {page + 1}"


@pytest.mark.parametrize("locale", LOCALES)
def test_persian_runs_from_the_right(locale: str) -> None:
    titles = [text for text in printed("IRR", locale).texts() if text.size == 18]
    at_right = min(PAGE[0] - 40 - text.right for text in titles) < 1
    assert at_right == (locale == "fa")


def test_a_test_book_says_so_on_every_page() -> None:
    paper, words = printed("EUR", "en"), wording("en")
    banner = words.text("mode.test")
    assert {t.page for t in paper.texts() if t.text == banner and t.mcid is None} == set(
        range(paper.pages)
    )
    assert banner not in printed("IRR", "en").seen()


def test_an_empty_statement() -> None:
    sealed = samples.chain(1, 3)
    made, _ = samples.made(sealed)
    day = samples.FIRST
    period = day.replace(day=day.day + 1), day.replace(day=day.day + 9)
    head = Head.of(samples.BOOK, "", period, [], after=made.link, before=sealed[0].seal)
    empty = close(head, [])
    for locale in LOCALES:
        paper = Paper(b"".join(statement_pdf(empty, [], locale)))
        assert paper.pages == 1
        assert Counter(paper.kinds())["/Table"] == 1
    assert (
        wording("en").text("lines.none") in Paper(b"".join(statement_pdf(empty, [], "en"))).seen()
    )


# ── the file ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("currency", "locale"), EVERY)
def test_typefaces_are_embedded_and_only_what_is_used_of_them(currency: str, locale: str) -> None:
    paper = printed(currency, locale)
    assert paper.fonts
    for font in paper.fonts.values():
        program = font.descriptor["/FontFile2"].get_data()
        assert program[:4] == b"\0\1\0\0"
        assert len(program) < 60_000
        assert font.name[7] == "+" and font.name[1:7].isupper()
    assert b"Helvetica" not in paper.content


@pytest.mark.parametrize(("currency", "locale"), EVERY)
def test_it_has_a_title_a_language_and_tags(currency: str, locale: str) -> None:
    paper = printed(currency, locale)
    root = paper.reader.trailer["/Root"]
    assert root["/Lang"] == locale  # type: ignore[index]
    assert root["/MarkInfo"]["/Marked"]  # type: ignore[index]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]  # type: ignore[index]
    title = str(paper.reader.metadata.title)  # type: ignore[union-attr]
    assert title.startswith(wording(locale).text("title"))
    kinds = Counter(paper.kinds())
    _, made = statement(currency)
    tables = 2 if currency == "TRY" else 3
    assert kinds["/H1"] == 1 and kinds["/Table"] == tables
    rows = len(made.sums) + 3 + made.whole.count + len(made.head.marks) + tables
    rows += sum(len(mark.transfers) for mark in made.head.marks)
    assert kinds["/TR"] == rows
    assert kinds["/TH"] == 12 if tables == 2 else 18


@pytest.mark.parametrize("locale", LOCALES)
def test_every_piece_of_content_belongs_to_an_element(locale: str) -> None:
    paper = printed("IRR", locale)
    for page in range(paper.pages):
        painted = {t.mcid for t in paper.texts() if t.page == page and t.mcid is not None}
        held = [n for _, _, numbers in paper.elements(page) for n in numbers]
        assert painted <= set(held)
        assert len(held) == len(set(held))


@pytest.mark.parametrize("locale", ["fa", "en"])
def test_elements_are_found_from_their_content(locale: str) -> None:
    root = printed("IRR", locale).reader.trailer["/Root"]["/StructTreeRoot"]  # type: ignore[index]
    numbers = root["/ParentTree"]["/Nums"]
    for page, held in zip(printed("IRR", locale).reader.pages, numbers[1::2], strict=True):
        elements = [element.get_object() for element in held.get_object()]
        assert [element["/K"] for element in elements] == list(range(len(elements)))
        pages = {element.raw_get("/Pg").idnum for element in elements}
        assert pages == {page.indirect_reference.idnum}  # type: ignore[union-attr]


def test_a_reading_aid_gets_persian_in_its_order() -> None:
    told = {text for _, text, _ in printed("IRR", "fa").elements(0)}
    assert {
        "صورت\u200cحساب",
        LONG,
        "ماندهٔ ابتدای دوره",
        "منطقهٔ زمانی ساعت\u200cها Asia/Tehran",
    } <= told


@pytest.mark.parametrize("locale", LOCALES)
def test_equal_values_make_equal_bytes(locale: str) -> None:
    sealed, made = statement("IRR")
    again = b"".join(
        statement_pdf(made, samples.lines_of(sealed, REFERENCES), locale, issuer="پیوند Pay")
    )
    assert again == printed("IRR", locale).content
    assert b"CreationDate" not in again and b"ModDate" not in again


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "import hashlib; from tests.papers import samples;"
        "from payvand.papers import statement_pdf;"
        "c = samples.chain(2, 5); m, _ = samples.made(c, ['سفارش']);"
        "b = b''.join(statement_pdf(m, samples.lines_of(c, ['سفارش']), 'fa'));"
        "print(hashlib.sha256(b).hexdigest())"
    )
    path = os.pathsep.join(str(ROOT / part) for part in (".", "layers/shared", "layers/papers"))
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONPATH": path, "PYTHONHASHSEED": seed, "LANG": lang, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, lang, zone in (("1", "C", "UTC"), ("2", "fa_IR.UTF-8", "Asia/Tehran"))
    }
    assert len(found) == 1
    assert len(found.pop().strip()) == 64


def test_another_issuer_is_another_file() -> None:
    sealed, made = statement("IRR")
    one, other = (
        b"".join(statement_pdf(made, samples.lines_of(sealed, REFERENCES), "en", issuer=issuer))
        for issuer in ("A", "B")
    )
    ids = [Paper(content).reader.trailer["/ID"] for content in (one, other)]
    assert ids[0] != ids[1]


# ── limits ────────────────────────────────────────────────────────────────────────────────────


def test_other_lines_are_not_printed_to_the_end() -> None:
    sealed, made = statement("IRR")
    with pytest.raises(Torn):
        list(statement_pdf(made, samples.lines_of(sealed, ["other"]), "en"))


def test_nothing_is_begun_that_is_too_long_or_in_no_language(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, made = statement("IRR")
    with pytest.raises(KeyError):
        statement_pdf(made, [], "de")
    monkeypatch.setattr("payvand.papers.PDF_LINES_MAX", made.whole.count - 1)
    with pytest.raises(TooLong):
        statement_pdf(made, [], "en")
    monkeypatch.setattr("payvand.papers.PDF_LINES_MAX", made.whole.count)
    statement_pdf(made, [], "en")


def test_memory_hardly_grows_with_the_lines() -> None:
    """Kept of a line: the places of its objects, some hundred bytes."""

    def peak(days: int) -> tuple[int, int]:
        sealed = samples.chain(days, 40)
        made, _ = samples.made(sealed)
        lines = list(samples.lines_of(sealed))
        tracemalloc.start()
        try:
            for _ in statement_pdf(made, lines, "fa"):
                pass
            return tracemalloc.get_traced_memory()[1], made.whole.count
        finally:
            tracemalloc.stop()

    peak(1)
    (small, few), (large, many) = peak(6), peak(24)
    assert (large - small) / (many - few) < 500


def test_it_comes_in_chunks() -> None:
    sealed = samples.chain(20, 60)
    made, _ = samples.made(sealed)
    chunks = [len(chunk) for chunk in statement_pdf(made, samples.lines_of(sealed), "en")]
    assert len(chunks) > 3
    assert max(chunks) < 200_000


def test_golden() -> None:
    """What it says, line by line; the bytes depend on the version of zlib."""
    sealed = samples.chain(1, 3)
    made, _ = samples.made(sealed, ["order-1", "سفارش ۲"])
    lines = samples.lines_of(sealed, ["order-1", "سفارش ۲"])
    paper = Paper(b"".join(statement_pdf(made, lines, "fa", issuer="پیوند")))
    told = [f"{kind} {text}" for kind, text, _ in paper.elements(0) if text]
    file = ROOT / "tests/papers/files/statement-fa.txt"
    assert told == file.read_text("utf-8").splitlines()
