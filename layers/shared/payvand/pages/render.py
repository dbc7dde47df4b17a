"""From a page's values to HTML and headers: the one module that knows Jinja2."""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from payvand.pages import colour, policy
from payvand.pages.locale import LOCALES, Catalogue, catalogue
from payvand.pages.model import Frame, Html


def page(template: str, frame: Frame, values: Mapping[str, object]) -> Html:
    """Render a template with what all pages share, and the headers that fit exactly this page."""
    words = catalogue(frame.locale)
    merchant = frame.merchant
    merchant_name = (merchant.name if merchant else "") or words.texts["merchant"]
    style = _style(merchant.primary if merchant else None)
    context = {
        **values,
        "words": words,
        "say": _speaker(words),
        "merchant": merchant,
        "merchant_name": merchant_name,
        "test": frame.test,
        # Both are ours and are hashed byte by byte, so they go in unescaped; neither holds a `<`.
        "style": Markup(style),  # noqa: S704
        "script": Markup(frame.script) if frame.script else None,  # noqa: S704
        "languages": _languages(words.locale, frame.page_url),
    }
    return Html(
        _environment().get_template(template).render(context),
        policy.headers(
            locale=words.locale,
            style=style,
            script=frame.script,
            logo_url=merchant.logo_url if merchant else None,
            form_action=frame.form_action,
            referrer=frame.referrer,
        ),
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("payvand.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["isolated"] = _isolated
    return environment


@lru_cache(maxsize=64)
def _style(primary: str | None) -> str:
    return (
        _environment()
        .get_template("style.css")
        .render(
            palette=colour.palette(primary),
            card_light=colour.CARD_LIGHT,
            card_dark=colour.CARD_DARK,
            ink_light=colour.INK_LIGHT,
            ink_dark=colour.INK_DARK,
        )
    )


def _isolated(text: str) -> Markup:
    """Outsiders' text in its own direction, so that it cannot rearrange the words around it."""
    return Markup('<bdi dir="auto">{}</bdi>').format(text)


def _speaker(words: Catalogue) -> Callable[..., Markup]:
    """`say(key, name=…)`: our text, with outsiders' values escaped or already isolated."""

    def say(key: str, **values: str) -> Markup:
        return escape(words.texts[key]).format(**values)

    return say


def _languages(current: str, page_url: str | None) -> list[tuple[str, str, str | None]]:
    """Each language with its own name and a link (None for the current); [] without an address."""
    if not page_url or not policy.link(page_url):
        return []
    joint = "&" if "?" in page_url else "?"
    return [
        (
            locale,
            catalogue(locale).name,
            None if locale == current else page_url + joint + urlencode({"lang": locale}),
        )
        for locale in LOCALES
    ]
