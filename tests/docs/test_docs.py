"""The documentation names what is there: links, guards, alarms, functions, numbers."""

import re
import time
from pathlib import Path
from typing import Final

import pytest

from functions.payment_timer import handler as payment_timer
from functions.payment_verify import handler as payment_verify
from functions.payout import handler as payout
from functions.refund import give_back
from functions.refund import handler as refund
from payvand import resolve, webhook
from payvand.payment import FIRST_TIMER_S
from payvand.store.guards import GUARDS
from payvand_cli.load.report import Report
from payvand_cli.simulate import parties
from tools import load_page

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = sorted(DOCS.rglob("*.md"))
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK: Final = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
DIAGRAMS: Final = {"flowchart", "sequenceDiagram", "stateDiagram-v2", "classDiagram", "erDiagram"}
MACHINE_PATHS: Final = re.compile(
    r"(?<![\w.>/}])/(home|root|Users|tmp|work|opt|usr|mnt|var)/|[A-Z]:\\"
)


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _anchors(page: Path) -> set[str]:
    """The fragments a reader's browser finds, made of headings as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", _text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _numbers(values: tuple[int, ...]) -> str:
    return ", ".join(f"{value:,}".replace(",", " ") for value in values)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", _text(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        if fragment:
            assert fragment in _anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_is_about_the_product_alone(page: Path) -> None:
    text = _text(page)
    assert not MACHINE_PATHS.search(text)
    assert text.startswith("# ")
    assert len(re.findall(r"^```", text, re.MULTILINE)) % 2 == 0, "a fence stays open"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_diagrams_are_diagrams(page: Path) -> None:
    for language, body in FENCE.findall(_text(page)):
        if language == "mermaid":
            assert body.split(maxsplit=1)[0] in DIAGRAMS
            assert ";" not in body, "mermaid takes a semicolon for the end of a line"


def test_every_flow_has_its_picture() -> None:
    for page in (DOCS / "flows").glob("*.md"):
        assert "```mermaid\nsequenceDiagram" in _text(page), page.name


def test_every_guard_is_explained_in_a_flow() -> None:
    flows = "".join(_text(page) for page in (DOCS / "flows").glob("*.md"))
    assert [name for name in GUARDS if f"`{name}`" not in flows] == []


def test_every_guard_a_page_names_exists() -> None:
    families = {name.partition(".")[0] for name in GUARDS}
    for page in PAGES:
        for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", _text(page)):
            first, _, rest = name.partition(".")
            looks_like_one = first in families and any(
                rest == guard.partition(".")[2] for guard in GUARDS
            )
            assert not looks_like_one or name in GUARDS, f"{page.name}: {name}"


def test_every_alarm_has_its_runbook_entry() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    alarms = template.count("AWS::CloudWatch::Alarm")
    named = re.findall(r"AlarmDescription: .*?Runbook: ([^.\"]+)\.", template)
    assert len(named) == alarms > 0
    headings = set(re.findall(r"^## (.+)$", _text(DOCS / "runbook.md"), re.MULTILINE))
    assert set(named) <= headings


def test_every_widget_the_runbook_names_is_on_the_dashboard() -> None:
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    titles = set(re.findall(r'"title": "([^"]+)"', template))
    shown = re.findall(r"[Ww]idgets? \*\*(.+?)\*\*", _text(DOCS / "runbook.md"))
    assert shown
    assert set(shown) <= titles


def test_every_function_is_in_the_architecture() -> None:
    text = _text(DOCS / "architecture.md")
    folders = [path.parent.name for path in (ROOT / "functions").glob("*/handler.py")]
    assert [name for name in folders if f"`{name}`" not in text] == []


def test_every_decision_is_listed() -> None:
    index = _text(DOCS / "adr" / "README.md")
    for page in (DOCS / "adr").glob("0*.md"):
        number, title = re.fullmatch(r"# (\d{4}) (.+)", _text(page).split("\n", 1)[0]).groups()  # type: ignore[union-attr]
        assert page.name.startswith(number)
        assert f"| [{number}]({page.name}) | {title} |" in index
        for part in ("**Context.**", "**Choice.**", "**Instead of.**", "**Consequence.**"):
            assert part in _text(page), page.name


def test_the_waits_on_paper_are_the_waits_in_code() -> None:
    timers = _text(DOCS / "flows" / "timers.md")
    rows = {line.split("|")[1].strip(): line for line in timers.splitlines() if "Queue |" in line}
    assert _numbers(payment_timer.STEPS_S) in rows["payment_timer"]
    assert f"| {FIRST_TIMER_S} s |" in rows["payment_timer"]
    assert _numbers(refund.STEPS_S) in rows["refund"]
    assert f"| {give_back.FIRST_TIMER_S} s |" in rows["refund"]
    assert _numbers(payout.STEPS_S) in rows["payout"]
    assert _numbers(payment_verify.AGAIN_S) in rows["payment_verify"]
    refunds = _text(DOCS / "flows" / "refund.md")
    assert f"due in {give_back.FIRST_TIMER_S} s" in refunds
    assert _numbers(refund.STEPS_S) in refunds
    assert f"`resolve.APART_S` = {resolve.APART_S} s later: {resolve.LIFE_MAX_S} s" in refunds
    assert min(give_back.FIRST_TIMER_S, *refund.STEPS_S) > resolve.APART_S
    payments = _text(DOCS / "flows" / "payment.md")
    assert f"| booking rounds | {resolve.BOOK_TRIES} |" in payments
    assert f"| {resolve.APART_S} s | `resolve.APART_S` |" in payments
    assert parties.LIFE_MAX_MS == resolve.LIFE_MAX_S * 1000, "the simulator assumes what we say"
    assert parties.IN_FLIGHT_MAX_MS == resolve.IN_FLIGHT_MAX_S * 1000


def test_the_webhook_snippet_verifies_what_we_sign() -> None:
    (snippet,) = (
        body
        for language, body in FENCE.findall(_text(DOCS / "flows" / "api.md"))
        if language == "python"
    )
    scope: dict[str, object] = {}
    exec(snippet, scope)  # noqa: S102 - it is our own page
    verified = scope["verified"]
    assert callable(verified)
    secret, body, now_s = webhook.secret("master", "whe_1", 1), b'{"type":"x"}', int(time.time())
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(now_s),
        "webhook-signature": webhook.signature(secret, "evt_1", now_s, body),
    }
    assert verified(secret, headers, body)
    assert not verified(secret, headers, body + b" ")
    assert not verified(webhook.secret("master", "whe_1", 2), headers, body)
    old = {**headers, "webhook-timestamp": str(now_s - 3_600)}
    assert not verified(secret, old, body)


def test_the_page_about_load_quotes_the_soak_that_is_kept() -> None:
    text = (DOCS / "load.md").read_text(encoding="utf-8")
    report = Report.from_json((DOCS / "load.json").read_text(encoding="utf-8"))
    assert load_page.page(text, report) == text
    assert report.holds
