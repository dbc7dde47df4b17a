"""Statements and exports through the API: files behind a link, held against the books."""

import csv
import datetime as dt
import hashlib
import io
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from functions.statements import handler as statements
from payvand import ledger, papers
from payvand.fee import FeePlan
from payvand.ids import Book
from tests.support.merchant import balance, create, paid, refund
from tests.support.world import MERCHANT, OTHER, Got, World, check_books

BOOK: Final = Book(MERCHANT, "test", "IRR")
ALL: Final = "first_day=2026-05-03&last_day=2026-05-05"
ZEROS: Final = "0" * 64


def fetch(world: World, told: dict[str, Any]) -> bytes:
    """What the link leads to, and that it is what was told."""
    place = urlsplit(told["url"])
    assert {"Expires", "X-Amz-Expires"} & parse_qs(place.query).keys()
    key = unquote(place.path).lstrip("/").removeprefix("filesbucket/")
    assert key.startswith(f"papers/{MERCHANT}.")
    found = world.raw["s3"].get_object(Bucket="filesbucket", Key=key)
    content: bytes = found["Body"].read()
    assert len(content) == told["size_bytes"]
    assert found["ContentDisposition"] == f'attachment; filename="{told["file"]}"'
    assert found["CacheControl"] == "no-store"
    kind = "application/pdf" if told["file"].endswith(".pdf") else "text/csv; charset=utf-8"
    assert found["ContentType"] == kind
    return content


def get(world: World, key: str, path: str) -> dict[str, Any]:
    got = world.call("GET", path, key=key)
    assert got.status == 200, got.text
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    found: dict[str, Any] = got.json()
    return found


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def refused(got: Got, code: str) -> None:
    assert got.json()["code"] == code, got.text
    assert got.status == (409 if code == "period_open" else 400)


@pytest.fixture
def two_days(world: World) -> str:
    """Two sealed days with refunds, a referrer and a name that would be a formula."""
    world.add_merchant(OTHER)
    key = world.add_merchant(fee_plan=FeePlan(referrer=OTHER))["test"]
    first = paid(world, key, 250_300, reference="=HYPERLINK(A1)")
    paid(world, key, 100_000, reference="سفارش ۲")
    world.until_closed()
    world.settle()
    refund(world, key, first["id"], amount=50_000)
    paid(world, key, 70_000, reference="order-3")
    world.until_closed(dt.date(2026, 5, 5))
    world.settle()
    world.bank_runs()
    world.run()
    return key


def test_a_statement_is_the_books(world: World, two_days: str) -> None:
    told = get(world, two_days, f"/statements?{ALL}")
    content = fetch(world, told)
    assert hashlib.sha256(content).hexdigest() == told["digest"]
    link = papers.verify([(lambda: io.BytesIO(content), told["digest"])])
    assert link is not None and link.closing_minor == told["closing_balance"] == 0
    found = rows(content)
    lines = [row for row in found if row["record"] == "line" and row["kind"] != "payout"]
    seals = world.seals(BOOK)
    booked = {x.id: x for seal in seals for x in world.lines(seal).lines}
    assert {row["entry"] for row in lines} == booked.keys()
    for row in lines:
        assert int(row["amount"]) - int(row["fee"]) == ledger.owed(booked[row["entry"]].legs)
    assert [row["digest"] for row in found if row["record"] == "seal"] == [s.digest for s in seals]
    transfers = [row for row in found if row["record"] == "transfer"]
    assert [row["kind"] for row in transfers] == ["executed", "executed"]
    assert transfers[0]["reference"] == seals[0].parts[0].bank_reference
    assert (told["entries_count"], told["number"]) == (len(booked), 1)
    names = {row["reference"] for row in lines}
    assert names == {"'=HYPERLINK(A1)", "سفارش ۲", "order-3"}
    check_books(world)


def test_statements_form_a_chain(world: World, two_days: str) -> None:
    one = get(world, two_days, "/statements?first_day=2026-05-03&last_day=2026-05-04")
    assert (one["number"], one["previous_digest"]) == (1, ZEROS)
    two = get(
        world,
        two_days,
        f"/statements?first_day=2026-05-05&last_day=2026-05-05&after={one['next_after']}",
    )
    assert (two["number"], two["previous_digest"]) == (2, one["digest"])
    files = [(fetch(world, told), told["digest"]) for told in (one, two)]
    chain = [(lambda content=content: io.BytesIO(content), digest) for content, digest in files]
    last = papers.verify(chain)
    assert last is not None and last.digest == two["digest"]
    alone = get(world, two_days, "/statements?first_day=2026-05-05&last_day=2026-05-05")
    assert alone["number"] == 1
    fresh = fetch(world, alone)
    with pytest.raises(papers.Broken):
        papers.verify([chain[0], (lambda: io.BytesIO(fresh), alone["digest"])])


def test_a_statement_on_paper(world: World, two_days: str) -> None:
    shown = get(world, two_days, f"/statements?{ALL}")
    for locale in ("fa", "en"):
        told = get(world, two_days, f"/statements?{ALL}&format=pdf&locale={locale}")
        assert fetch(world, told).startswith(b"%PDF-")
        assert told["file"].endswith(f"-0001.{locale}.pdf")
        assert told["digest"] == shown["digest"]
    assert get(world, two_days, f"/statements?{ALL}&format=pdf")["file"].endswith(".fa.pdf")


def test_asked_again_it_is_the_same_file(world: World, two_days: str) -> None:
    told = [get(world, two_days, f"/statements?{ALL}") for _ in range(2)]
    assert fetch(world, told[0]) == fetch(world, told[1])
    listed = world.raw["s3"].list_objects_v2(Bucket="filesbucket", Prefix="papers/")
    assert listed["KeyCount"] == 1


def test_days_without_a_seal(world: World, key: str) -> None:
    world.later(days=1)
    told = get(world, key, "/statements")
    assert (told["entries_count"], told["opening_balance"], told["closing_balance"]) == (0, 0, 0)
    assert told["last_day"] == "2026-05-04"
    papers.read(lambda: io.BytesIO(fetch(world, told)))


def test_a_period_that_is_not_over(world: World, two_days: str) -> None:
    ask = "/statements?first_day=2026-05-05&last_day={}"
    refused(world.call("GET", ask.format("2026-05-06"), key=two_days), "period_open")
    refused(world.call("GET", "/exports/journal?last_day=2026-05-06", key=two_days), "period_open")
    paid(world, two_days, 90_000)
    world.until_closed(dt.date(2026, 5, 6))  # it is over, and settlement has not come yet
    refused(world.call("GET", ask.format("2026-05-06"), key=two_days), "period_open")
    world.settle()
    assert get(world, two_days, ask.format("2026-05-06"))["entries_count"] == 3


def test_a_day_of_rest_belongs_to_the_period_of_its_seal(world: World, key: str) -> None:
    world.now = dt.datetime(2026, 5, 8, 8, 30, tzinfo=dt.UTC)  # Friday
    paid(world, key)
    world.until_closed()
    friday = get(world, key, "/statements?first_day=2026-05-03&last_day=2026-05-08")
    assert friday["entries_count"] == 0
    world.until_closed(dt.date(2026, 5, 9))
    world.settle()
    after = friday["next_after"]
    ask = f"/statements?first_day=2026-05-09&last_day=2026-05-09&after={after}"
    saturday = get(world, key, ask)
    assert (saturday["entries_count"], saturday["number"]) == (1, 2)


@pytest.mark.parametrize(
    "query",
    [
        "first_day=2026-05-05&last_day=2026-05-04",
        "first_day=2026-01-01&last_day=2026-05-05",
        "format=xlsx",
        "locale=de",
        "currency=USD",
        "after=1",
        "after=0.4c6d8e9f00112233445566778899aabbccddeeff0011223344559f2c1d0e5a7b",
        f"after=1.{ZEROS}",
        "last_day=۲۰۲۶-۰۵-۰۵",
        "merchant=mer_000001",
    ],
)
def test_what_no_statement_can_be_made_of(world: World, two_days: str, query: str) -> None:
    refused(world.call("GET", f"/statements?{query}", key=two_days), "input_invalid")
    listed = world.raw["s3"].list_objects_v2(Bucket="filesbucket", Prefix="papers/")
    assert listed["KeyCount"] == 0


def test_what_is_taken_on_can_be_put_on_paper() -> None:
    assert statements.LINES_MAX["pdf"] <= papers.PDF_LINES_MAX


@pytest.mark.parametrize("kind", ["csv", "pdf"])
def test_too_many_entries_make_no_file(
    world: World, two_days: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines are counted off the seals, before any is read."""
    monkeypatch.setitem(statements.LINES_MAX, kind, 3)
    with world.counted() as calls:
        got = world.call("GET", f"/statements?{ALL}&format={kind}", key=two_days)
    refused(got, "too_many_entries")
    assert "fewer days" in got.json()["detail"]
    assert not [c for c in calls if c.service == "s3"]
    day = f"/statements?first_day=2026-05-05&last_day=2026-05-05&format={kind}"
    assert get(world, two_days, day)["entries_count"] == 2


def test_references_of_a_busy_day_are_read_together(world: World, key: str) -> None:
    for n in range(10):
        paid(world, key, 250_000 + 10 * n, reference=f"order-{n}")
    create(world, key, 1_000, reference="never paid")
    world.until_closed()
    world.settle()
    with world.counted() as calls:
        told = get(world, key, "/statements?first_day=2026-05-04&last_day=2026-05-04")
    lines = [row for row in rows(fetch(world, told)) if row["record"] == "line"]
    assert {row["reference"] for row in lines} == {"", *(f"order-{n}" for n in range(10))}
    gets = [c for c in calls if c.name == "dynamodb.GetItem"]
    assert len(gets) <= 2, "the clock, and the seal before; no payment alone"


# ── for the accountant ────────────────────────────────────────────────────────────────────────


def test_the_journal_balances_and_is_the_books(world: World, two_days: str) -> None:
    told = get(world, two_days, f"/exports/journal?{ALL}")
    content = fetch(world, told)
    assert hashlib.sha256(content).hexdigest() == told["digest"]
    found = rows(content)
    assert sum(int(r["debit"]) for r in found) == sum(int(r["credit"]) for r in found) > 0
    seals = world.seals(BOOK)
    entries = {x.id for seal in seals for x in world.lines(seal).lines}
    assert {row["entry"] for row in found} == entries | {str(s.payout_id) for s in seals}
    assert told["entries_count"] == len(entries) + 2
    assert {row["book"] for row in found} == {BOOK.key}
    about = {row["description"] for row in found if row["entry"].startswith("pay_")}
    assert "payment =HYPERLINK(A1)" in about, "text after a word begins no formula"
    assert not [v for row in found for v in row.values() if v[:1] in set("=+-@")]


def test_the_trial_balance_opens_where_the_days_before_closed(world: World, two_days: str) -> None:
    def closing(query: str) -> dict[str, dict[str, str]]:
        told = get(world, two_days, f"/exports/trial_balance?{query}")
        return {row["account"]: row for row in rows(fetch(world, told))}

    def balances(found: dict[str, dict[str, str]], side: str) -> dict[str, int]:
        return {
            account: minor
            for account, row in found.items()
            if (minor := int(row[f"{side}_debit"]) - int(row[f"{side}_credit"]))
        }

    one = closing("first_day=2026-05-03&last_day=2026-05-04")
    two = closing("first_day=2026-05-05&last_day=2026-05-05")
    assert balances(one, "opening") == {}
    assert balances(two, "opening") == balances(one, "closing")
    whole = closing(ALL)
    assert balances(whole, "closing") == balances(two, "closing")
    accounts = {papers.account(n).code: v for n, v in balance(world, two_days)["accounts"].items()}
    assert balances(whole, "closing") == accounts
    assert sum(balances(whole, "closing").values()) == 0


def test_a_stranger_gets_the_books_of_a_stranger(world: World, two_days: str) -> None:
    stranger = world.add_merchant(OTHER)["test"]
    told = get(world, stranger, f"/statements?{ALL}")
    assert MERCHANT not in told["url"]
    live = world.add_merchant()["live"]
    other_books = get(world, live, f"/statements?{ALL}")
    assert other_books["entries_count"] == 0
    assert f"papers/{MERCHANT}.live.IRR/" in other_books["url"]
