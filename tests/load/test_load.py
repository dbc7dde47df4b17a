"""What a load run is made of: pace, payers, what is measured and how it is told."""

import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from payvand.psp.registry import names
from payvand_cli.load import command, memory, report
from payvand_cli.load.course import ACCOUNTS, ACTORS_MAX, Asked, _account
from payvand_cli.load.facts import _zarinpal_state, about
from payvand_cli.load.memory import Growth, Sample, fitted, growths
from payvand_cli.load.meter import Meter, Timing, door, only_here
from payvand_cli.load.payers import PLANS
from payvand_cli.load.profiles import PROFILES, Budget, Pace, Profile, chosen
from payvand_cli.load.report import Report
from payvand_cli.load.verdicts import Verdict
from payvand_cli.main import app

ROOT = Path(__file__).parents[2]

# ── only here, and bounded ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080/lab", True),
        ("https://127.0.0.1:8080", False),
        ("http://localhost:8080", False),
        ("http://127.0.0.1.example.com", False),
        ("http://127.0.0.1@example.com/", False),
        ("https://api.example.com/v1", False),
        ("http://10.0.0.1", False),
        ("", False),
    ],
)
def test_only_this_machine_is_put_under_load(url: str, here: object) -> None:
    assert only_here(url) is here


@pytest.mark.parametrize("name", ["api_url", "lab_url", "aws_endpoint"])
def test_any_other_address_is_refused_before_anything_is_sent(name: str) -> None:
    local = dict.fromkeys(("api_url", "lab_url", "aws_endpoint"), "http://127.0.0.1:9")
    asked = Asked("all", 1, 1, 10, 1, 1)
    with pytest.raises(command.NotHere, match=name):
        command.run(local | {name: "https://api.example.com"}, asked, "payvand load")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--profile", "stampede"],
        ["--seconds", "1000000"],
        ["--payments", "1000000"],
        ["--actors", str(ACTORS_MAX + 1)],
        ["--turn", "1"],
    ],
)
def test_what_is_too_much_is_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["load", *arguments]).exit_code == 2


def test_a_budget_is_spent_once() -> None:
    budget = Budget(2)
    assert [budget.take() for _ in range(4)] == [True, True, False, False]


def test_a_pace_ends_by_count_and_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda s: now.__setitem__(0, now[0] + s))

    def starts(profile: Profile, seconds: float, payments: int) -> list[float]:
        now[0] = 0.0
        pace = Pace(profile, seconds, Budget(payments))
        found = []
        while pace.next():
            found.append(now[0])
        return found

    assert starts(Profile("x", 1, rate=2.0), 2.0, 99) == [0.0, 0.5, 1.0, 1.5]
    assert starts(Profile("x", 1, rate=2.0), 2.0, 3) == [0.0, 0.5, 1.0]
    assert starts(Profile("x", 1, rate=2.0, group=4), 3.0, 99) == [0.0] * 4 + [2.0] * 4


def test_each_profile_in_turn_or_always_the_same() -> None:
    assert [chosen("all", n).name for n in range(4)] == ["steady", "burst", "hot", "steady"]
    assert {chosen("hot", n).name for n in range(4)} == {"hot"}
    assert all(profile.actors <= ACTORS_MAX for profile in PROFILES.values())


# ── payers ────────────────────────────────────────────────────────────────────────────────────


def test_each_channel_there_is_is_paid_through_in_many_ways() -> None:
    used = Counter(name for plan in PLANS for name in plan.endings)
    assert used.keys() == set(names())
    assert min(used.values()) >= 10
    assert len({plan.name for plan in PLANS}) == len(PLANS)


def test_accounts_end_as_the_bank_is_told_to_treat_them() -> None:
    for digits in ACCOUNTS:
        account = _account(digits)
        assert account.endswith(digits)
        assert int(account[4:] + "1827" + account[2:4]) % 97 == 1


def test_what_zarinpal_says_of_money_depends_on_the_hour() -> None:
    paid = {"state": "PAID", "paid_at": 1_000}
    assert _zarinpal_state(paid, 1_001_000) == "undecided"
    assert _zarinpal_state(paid, 1_000_000 + 30 * 60_000) == "given back"
    assert _zarinpal_state({**paid, "state": "VERIFIED"}, 10**10) == "kept"
    assert _zarinpal_state({**paid, "state": "REVERSED"}, 1_001_000) == "given back"


def test_an_event_is_about_the_smallest_thing_it_names() -> None:
    assert about({"payment_id": "p", "refund_id": "r"}) == "r"
    assert about({"payment_id": "p"}) == "p"
    assert about({"payout_id": "o"}) == "o"


# ── what is measured ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/payments/pay_8KNKZMZHZT7N5Q000YK62AR3P8/refunds", "/payments/{}/refunds"),
        (f"/lab/zarinpal/pg/StartPay/S{'0' * 35}/pay", "/lab/zarinpal/pg/StartPay/{}/pay"),
        ("/lab/webhooks/mer_0MNRVK", "/lab/webhooks/{}"),
        ("/psp/noticebank/return", "/psp/noticebank/return"),
        ("/ledger/entries", "/ledger/entries"),
    ],
)
def test_a_door_is_its_route(path: str, known: str) -> None:
    assert door("GET", path) == f"GET {known}"


def test_a_door_is_timed_by_percentiles_the_busiest_first() -> None:
    seen = Meter()
    for n in range(1, 101):
        seen.saw("GET /a", float(n), 200, "")
    seen.saw("GET /b", 7.0, 503, "down")
    assert seen.timings() == [
        Timing("GET /a", 100, 50.5, 95.0, 99.0),
        Timing("GET /b", 1, 7.0, 7.0, 7.0),
    ]
    assert seen.refused == {("GET /b", 503, "down"): 1}
    seen.forget()
    assert seen.timings() == []


class _Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"code": "gone"}' if self.path == "/gone" else b"[]"
        self.send_response(410 if self.path == "/gone" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Door) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_wire_tells_what_came_and_the_caller_still_reads_it(site: str) -> None:
    seen = Meter()
    with httpx.Client(transport=seen.wire()) as client:
        assert client.get(f"{site}/fine").json() == []
        assert client.get(f"{site}/gone").json() == {"code": "gone"}
        with pytest.raises(httpx.ConnectError):
            client.get("http://127.0.0.1:9/none")
    assert {t.door for t in seen.timings()} == {"GET /fine", "GET /gone", "GET /none"}
    assert seen.refused == {("GET /gone", 410, "gone"): 1, ("GET /none", 0, "ConnectError"): 1}


def _life(seconds: int, kb: Any, worked: float = 0.1) -> list[Sample]:
    return [Sample(float(n), int(kb(n)), n * worked) for n in range(seconds)]


def test_a_line_through_a_warm_worker_finds_a_leak_and_forgives_noise() -> None:
    leaks = fitted("refund", 1, _life(300, lambda n: 50_000 + 30 * n))
    assert leaks and leaks.rose_kb == pytest.approx(30 * leaks.seconds) and not leaks.flat
    assert list(leaks.eighths_kb) == sorted(set(leaks.eighths_kb)) and len(leaks.eighths_kb) == 8
    noisy = fitted("refund", 1, _life(300, lambda n: 50_000 + 900 * (n % 2)))
    assert noisy and noisy.flat


def test_what_a_worker_loads_at_first_is_no_leak() -> None:
    grown = fitted("refund", 1, _life(300, lambda n: 30_000 + min(n, 90) * 300))
    assert grown and grown.flat


def test_a_worker_is_not_judged_before_it_is_warm() -> None:
    assert fitted("lab", 1, _life(300, lambda _: 1, worked=0.001)) is None
    assert fitted("lab", 1, _life(20, lambda _: 1)) is None
    seen = {("lab", 2): _life(300, lambda _: 9), ("lab", 1): _life(5, lambda _: 9)}
    assert [growth.pid for growth in growths(seen)] == [2]


def test_a_worker_is_known_by_its_command() -> None:
    line = "/x/python /y/tmp/ministack-lambda-payvand-payment_timer-1p4hng1n/_worker.py"
    found = memory._WORKER.search(line)
    assert found and found[1] == "payment_timer"
    assert memory._WORKER.search("/x/python -m ministack") is None


# ── what is told ──────────────────────────────────────────────────────────────────────────────


def _report(**changes: Any) -> Report:
    fields: dict[str, Any] = {
        "command": "payvand load",
        "at": "2026-05-04",
        "machine": "2 cores",
        "revision": "abc",
        "rushed_s": 10.0,
        "took_s": 20.0,
        "lab_days": 1,
        "payments": {"executed": 4, "expired": 1},
        "plans": {"pays": 5},
        "timings": [Timing("GET /a", 3, 1.0, 2.0, 3.0)],
        "refused": [("GET /a", 503, "down", 2)],
        "troubles": {"no form": 1},
        "memory": [Growth("lab", 1, 60.0, 51_200.0, 512.0, (51_200.0,) * 8)],
        "verdicts": [Verdict("all is well", [])],
    }
    return Report(**(fields | changes))


def test_a_report_says_what_was_seen() -> None:
    said = str(_report())
    for part in (
        "$ payvand load",
        "5 payments in 10 s (0.50/s)",
        "4 executed, 1 expired",
        "2 × GET /a: 503 down",
        "1 × no form",
        "50.0 MB   +0.50 MB in 60 s",
        "✓ all is well",
        "it holds",
    ):
        assert part in said


def test_a_report_that_does_not_hold_says_so() -> None:
    bad = _report(verdicts=[Verdict("all is well", ["it is not"])])
    assert not bad.holds
    assert str(bad).endswith("✗ all is well\n    it is not\nIT DOES NOT HOLD")


def test_a_report_is_kept_whole(tmp_path: Path) -> None:
    report.write(_report(), tmp_path / "r.json")
    again = Report.from_json((tmp_path / "r.json").read_text())
    assert again == _report() and str(again) == str(_report())


def test_a_command_is_told_without_where_its_report_went() -> None:
    told = command.command(["load", "--seconds", "5", "--json", "/x/r.json", "--seed", "2"])
    assert told == "payvand load --seconds 5 --seed 2"


def test_rare_troubles_are_counted_together() -> None:
    assert report.counted(Counter(a=3, b=2, c=1), most=2) == {"a": 3, "b": 2, "something else": 1}
