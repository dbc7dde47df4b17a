"""Letters have their shapes, digits their width, and everything its meaning."""

import hashlib
from pathlib import Path

import pytest

import payvand_faces
from payvand.papers.pdf.document import Document
from payvand.papers.pdf.faces import FAMILIES, WEIGHTS, Face, Faces, isolate
from payvand.papers.pdf.tagged import Painted, Paper, paint
from tests.papers import paper

PINNED = {
    "Roboto-Bold": "4aaf8c5b",
    "Roboto-Regular": "15256405",
    "Vazirmatn-Bold": "f635fdbe",
    "Vazirmatn-Regular": "b69fd4c6",
}
"""The files as published; a subset or another release would be another paper."""
LANGUAGES = {
    "fa": "آبپتثجچحخدذرزژسشصضطظعغفقکگلمنوهیءئؤأۀ٬٫۰۱۲۳۴۵۶۷۸۹،؛؟«»",
    "lv": "ĀāČčĒēĢģĪīĶķĻļŅņŠšŪūŽž",
    "tr": "ÇçĞğİıÖöŞşÜü",
    "ru": "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмнопрстуфхцчшщъыьэюя№",
    "en": "AZaz09−–…·“”€₽₺\u00a0",
}


def glyphs(text: str, *, rtl: bool = True, name: str = "Vazirmatn-Regular") -> list[int]:
    """Which glyphs a text is set in, whatever they stand for."""
    face = Face(name)
    found = face.shape(text, (0, len(text)), rtl=rtl, language="fa")
    by_code = {code: glyph for (glyph, _, _), code in face._codes.items()}
    return [by_code[glyph.code] for glyph in found]


def page(*texts: str, rtl: bool = True) -> paper.Paper:
    """A page with a text on each line."""
    document, faces = Document(bytes(16)), Faces("fa" if rtl else "en", rtl=rtl)
    made = Paper(document, faces, (600, 800), "fa")
    for n, text in enumerate(texts):
        setting = faces.set(text)
        operations = paint(setting, 50, 700 - 30 * n, 20)
        made.leaf("P", None, [Painted(operations, text, setting.hidden)])
    made.close("title", b"")
    return paper.Paper(document.take())


@pytest.mark.parametrize("name", PINNED)
def test_the_typefaces_are_as_published(name: str) -> None:
    file = Path(payvand_faces.__path__[0]) / f"{name}.ttf"
    assert hashlib.sha256(file.read_bytes()).hexdigest()[:8] == PINNED[name]
    licence = file.with_name(f"OFL-{name.partition('-')[0]}.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "Reserved Font Name" not in licence.partition("PREAMBLE")[0]


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_of_the_languages_is_there(language: str, weight: str) -> None:
    covers = [Face(f"{family}-{weight}").covers for family in FAMILIES]
    assert not [c for c in LANGUAGES[language] if not any(ord(c) in there for there in covers)]


def test_a_letter_has_four_shapes() -> None:
    alone, final, middle, first = glyphs("ب")[0], *glyphs("ببب")
    assert len({alone, final, middle, first}) == 4


def test_letters_that_do_not_join_to_the_left_break_the_word() -> None:
    assert glyphs("داد")[0] == glyphs("د")[0]


def test_a_joiner_keeps_letters_apart() -> None:
    assert glyphs("می\u200cشود") != glyphs("میشود")
    assert glyphs("ب\u200cب")[-1] == glyphs("ب")[0] == glyphs("ب\u200cب")[0]


def test_lam_and_alef_are_one() -> None:
    blank, ligature = glyphs("لا")
    assert ligature not in {glyphs("ل")[0], glyphs("ا")[0]}
    assert blank == Face("Vazirmatn-Regular")._space


@pytest.mark.parametrize("text", ["سلام لالا", "می\u200cشود", "شمارهٔ ۱۲۳", "پیوند", "کالا"])
def test_what_is_copied_is_what_was_written(text: str) -> None:
    """Viewers turn the glyphs of a right-to-left line around; then each must be one letter."""
    made = page(text)
    assert made.seen() == text
    assert made.elements(0)[1:] == [("P", text, [0])]


def test_a_reading_aid_is_told_where_glyphs_are_not_the_order() -> None:
    made = page("Payment", "Payment: سفارش (۱۲)", "Rēķins", rtl=False)
    assert [text for _, text, _ in made.elements(0)[1:]] == ["", "Payment: سفارش (۱۲)", ""]


def test_letters_stand_from_left_to_right() -> None:
    made = page("پرداخت order-1 شد")
    assert "".join(text.text for text in made.texts()) == "دش order-1 تخادرپ"


def test_an_isolate_does_not_turn_what_is_around_it() -> None:
    turned = page("نوع: =A(1)")
    assert "".join(text.text for text in turned.texts()) == "A(1)= :عون"
    made = page(f"نوع: {isolate('=A(1)')}")
    assert "".join(text.text for text in made.texts()) == "=A(1) :عون"


def test_an_isolate_that_is_cut_open_reaches_to_the_end() -> None:
    faces = Faces("en", rtl=False)
    assert faces.set("a \u2068سلام…").width == faces.set(f"a {isolate('سلام…')}").width


def test_the_sign_that_stands_for_isolates_is_only_a_sign() -> None:
    made = page(f"\ufffc {isolate('b')}", rtl=False)
    assert "".join(text.text for text in made.texts()) == "\ufffd b"


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize(("rtl", "digits"), [(True, "۰۱۲۳۴۵۶۷۸۹"), (False, "0123456789")])
def test_digits_of_figures_are_of_one_width(rtl: bool, digits: str, bold: bool) -> None:  # noqa: FBT001
    faces = Faces("fa" if rtl else "en", rtl=rtl)
    assert len({faces.figures(digit * 3, bold=bold).width for digit in digits}) == 1


def test_persian_figures_stand_hardly_wider_than_latin_ones() -> None:
    persian, latin = Faces("fa", rtl=True), Faces("en", rtl=False)
    ten = latin.figures("0123456789").width
    assert ten < persian.figures("۰۱۲۳۴۵۶۷۸۹").width < 1.1 * ten


def test_words_of_one_face_are_set_as_one() -> None:
    faces = Faces("en", rtl=False)
    assert len(faces.set("سلام دنیا می\u200cشود").parts) == 1
    assert len(faces.set("a سلام").parts) == 2


def test_a_language_has_its_own_letters() -> None:
    """In Turkish an i keeps its dot beside an f."""
    widths = {language: Faces(language, rtl=False).set("fi").width for language in ("tr", "en")}
    turkish, english = (
        len(Face("Roboto-Regular").shape("fi", (0, 2), rtl=False, language=language))
        for language in ("tr", "en")
    )
    assert (turkish, english) == (2, 1)
    assert widths["tr"] != widths["en"]


def test_a_mark_is_raised_alone() -> None:
    texts = page("محمّد", "سلام").texts()
    assert [text.text for text in texts if text.rise] == ["\u0651"]
    assert not texts[-1].rise


def test_figures_need_not_be_of_one_face() -> None:
    faces = Faces("en", rtl=False)
    once, again = faces.figures("№ ۱۲,5"), faces.figures("№ ۱۲,5")
    assert once == again
    assert len(once.parts) == 3


def test_what_no_typeface_has_is_a_box_that_still_says_what_it_is() -> None:
    made = page("漢 سفارش 字")
    assert made.elements(0)[1][1] == "漢 سفارش 字"
    assert {"漢", "字"} <= set("".join(text.text for text in made.texts()))
    assert {name for name, font in made.fonts.items() if "漢" in font.meanings.values()} == {"/F0"}
    assert "Roboto" in made.fonts["/F0"].name, "its box can be seen"


def test_the_width_is_what_a_reader_advances() -> None:
    faces = Faces("fa", rtl=True)
    for text in ("پرداخت", "لالا الله", "AVAToday", "محمّد", "شمارهٔ ۱"):
        made = page(text)
        texts = made.texts()
        width = (max(t.right for t in texts) - min(t.x for t in texts)) * 1000 / 20
        assert abs(width - faces.set(text).width) <= 2 + len(text), text


def test_more_signs_than_codes_are_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payvand.papers.pdf.faces._CODES_MAX", 3)
    assert "".join(text.text for text in page("abcdef", rtl=False).texts()) == "abc"
