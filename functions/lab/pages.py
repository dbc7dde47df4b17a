"""The lab's pages: plain HTML without a script, in Persian and English where a payer looks.

No `form-action` in the policy: browsers hold it against the redirects that follow a form, and after
the bank's form the payer is sent to another host on purpose.
"""

import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from functions.lab import endings
from functions.lab.clock import rfc3339
from functions.lab.door import HTML_TYPE, Request, Response, as_json

_PERSIAN_DIGITS: Final = str.maketrans("0123456789,", "۰۱۲۳۴۵۶۷۸۹٬")

TEXTS: Final[dict[str, dict[str, str]]] = {
    "fa": {
        "dir": "rtl",
        "sandbox": "درگاه آزمایشی — هیچ پولی جابه‌جا نمی‌شود",
        "pay": "پرداخت",
        "refuse": "انصراف",
        "rial": "ریال",
        "toman": "تومان",
        "card": "کارت آزمایشی",
        "third": "راه سوم: این پنجره را ببندید. بانک ۱۵ دقیقه صبر می‌کند و بعد رها می‌کند.",
        "back": "بازگشت به پذیرنده",
        "unknown": "چنین پرداختی پیدا نشد.",
        "decided": "تکلیف این پرداخت پیش‌تر روشن شده است.",
        "expired": "زمان این پرداخت گذشته است.",
        "frozen": "پرداخت انجام شد، اما پنجره‌ی شما از کار افتاد و به پذیرنده برنمی‌گردید.",
    },
    "en": {
        "dir": "ltr",
        "sandbox": "Test gateway: no money moves",
        "pay": "Pay",
        "refuse": "Refuse",
        "rial": "rial",
        "toman": "toman",
        "card": "Test card",
        "third": "The third way: close this window. The bank waits 15 minutes and then gives up.",
        "back": "Back to the shop",
        "unknown": "There is no such payment.",
        "decided": "This payment is decided already.",
        "expired": "The time for this payment is over.",
        "frozen": "You have paid, but your window froze: it never goes back to the shop.",
    },
}

DOORS: Final = (
    ("zarinpal", "ZarinPal: sessions. API at zarinpal/pg/v4/payment/*.json"),
    ("noticebank", "NoticeBank: sessions and notices. POST noticebank/run sends what is due"),
    ("bank", "The payout bank: orders. POST bank/run makes it work"),
    ("sepabank", "The SEPA bank: its last steps. POST sepabank/run, sepabank/credits"),
    ("webhooks", "A merchant's inboxes. POST webhooks/<inbox>, webhooks/<inbox>/fail"),
    ("clock", "The lab's clock, as data"),
)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _page(name: str, status: int = 200, **values: object) -> Response:
    nonce = secrets.token_urlsafe(12)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
    }
    html = _templates().get_template(name).render(nonce=nonce, **values)
    return Response(status, html, HTML_TYPE, headers)


def _number(value: int, lang: str) -> str:
    text = f"{value:,}"
    return text.translate(_PERSIAN_DIGITS) if lang == "fa" else text


def bank(req: Request, party: str, description: str, rial: int, here: str) -> Response:
    """The page where a payer decides."""
    lang = req.lang
    point = "٫" if lang == "fa" else "."
    toman = _number(rial // 10, lang)
    toman += f"{point}{_number(rial % 10, lang)}" if rial % 10 else ""
    return _page(
        "bank.html",
        lang=lang,
        t=TEXTS[lang],
        party=party,
        description=description,
        rial=_number(rial, lang),
        toman=toman,
        here=here,
    )


def note(req: Request, what: str, *, link: str = "", status: int = 200) -> Response:
    """A page with one sentence and perhaps a way on."""
    lang = req.lang
    return _page("note.html", status, lang=lang, t=TEXTS[lang], text=TEXTS[lang][what], link=link)


def listing(
    req: Request, title: str, rows: Sequence[Mapping[str, object]], action: str = ""
) -> Response:
    """Rows as data or as a table."""
    if req.wants_json:
        return as_json({"data": list(rows)})
    return _page(
        "listing.html",
        lang="en",
        t=TEXTS["en"],
        title=title,
        rows=rows,
        action=action,
        base=req.base,
    )


def index(req: Request, offset_s: int, *, controls_open: bool) -> Response:
    """GET /lab: every door, the clock and the magic amounts."""
    if req.wants_json:
        return as_json({"data": [{"door": f"{req.base}/lab/{n}", "what": w} for n, w in DOORS]})
    return _page(
        "index.html",
        lang="en",
        t=TEXTS["en"],
        base=req.base,
        doors=DOORS,
        now=rfc3339(req.now),
        offset_s=offset_s,
        controls_open=controls_open,
        endings=endings.ENDINGS,
    )
