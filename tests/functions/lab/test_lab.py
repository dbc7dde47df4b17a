"""The lab's own doors: clock, inboxes, pages, addresses, and what it never says."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from functions.lab import handler, wiring
from functions.lab.clock import OFFSET_MAX_S
from functions.lab.endings import ENDINGS
from functions.lab.world import World
from payvand_cli import build
from payvand_cli.paths import Site
from tests.channels.lab_world import BASE, TABLE, Lab
from tests.support import template

JSON = {"accept": "application/json"}


def test_the_clock_says_utc_and_only_moves_forward(lab: Lab) -> None:
    assert lab.call("GET", "/lab/clock").json() == {"now": "2026-05-04T08:30:00Z", "offset_s": 0}
    assert lab.call("POST", "/lab/clock", {"advance_s": 90}).json()["offset_s"] == 90
    to = lab.call("POST", "/lab/clock", {"advance_to": "2026-05-05T12:00:00+03:30"}).json()
    assert to == {"now": "2026-05-05T08:30:00Z", "offset_s": 86_400}
    for wrong in (
        {"advance_s": -1},
        {"advance_s": 1.5},
        {"advance_s": True},
        {"advance_s": 10**12},
        {"advance_to": "2026-05-04T00:00:00Z"},
        {"advance_to": "2026-06-01T00:00:00"},
        {"advance_to": "soon"},
        {},
    ):
        assert lab.call("POST", "/lab/clock", wrong).status == 400
    assert lab.call("GET", "/lab/clock").json()["offset_s"] == 86_400


def test_the_clock_s_form_goes_back_to_the_lab_and_data_does_not(lab: Lab) -> None:
    got = lab.call("POST", "/lab/clock", form={"advance_s": "60"})
    assert (got.status, got.headers["location"]) == (303, f"{BASE}/lab")
    got = lab.call("POST", "/lab/clock", form={"advance_s": "60"}, headers=JSON)
    assert got.json()["offset_s"] == 120


def test_movers_at_once_add_up_and_meet(lab: Lab) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: lab.world.clock.advance_s(10), range(8)))
        assert lab.world.clock.offset_s() == 80
        when = datetime(2026, 5, 6, tzinfo=UTC)
        assert any(pool.map(lambda _: lab.world.clock.advance_to(when), range(4)))
    assert lab.world.clock.now() == when


def test_the_clock_is_the_one_item_the_product_reads(lab: Lab) -> None:
    lab.call("POST", "/lab/clock", {"advance_s": 7})
    key = {"pk": {"S": "clock"}, "sk": {"S": "clock"}}
    item = boto3.client("dynamodb", region_name="us-east-1").get_item(TableName=TABLE, Key=key)
    assert item["Item"]["offset_s"] == {"N": "7"}


def test_an_inbox_keeps_what_comes_newest_first_and_nobody_s_credentials(lab: Lab) -> None:
    for number in range(3):
        headers = {"Webhook-Id": f"msg_{number}", "Authorization": "Bearer x"}
        assert lab.call("POST", "/lab/webhooks/shop", f'{{"n":{number}}}', headers).status == 200
        lab.later(1)
    data = lab.call("GET", "/lab/webhooks/shop", headers=JSON).json()["data"]
    assert [json.loads(row["body"])["n"] for row in data] == [2, 1, 0]
    assert data[0]["headers"] == {"webhook-id": "msg_2"}
    assert data[0]["answered"] == 200
    inboxes = lab.call("GET", "/lab/webhooks", headers=JSON).json()["data"]
    assert [row["inbox"] for row in inboxes] == ["shop"]


def test_an_inbox_fails_as_often_as_it_was_told(lab: Lab) -> None:
    assert lab.call("POST", "/lab/webhooks/a/fail", {"times": 2, "status": 503}).status == 200
    statuses = [lab.call("POST", "/lab/webhooks/a", "x").status for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    assert len(lab.call("GET", "/lab/webhooks/a", headers=JSON).json()["data"]) == 4
    assert lab.call("POST", "/lab/webhooks/a/fail", {"times": -1}).status == 400
    assert lab.call("POST", "/lab/webhooks/a/fail", {"status": 200}).status == 400


def test_failing_counts_down_once_per_delivery_under_load(lab: Lab) -> None:
    lab.call("POST", "/lab/webhooks/a/fail", {"times": 5, "status": 500})
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: lab.call("POST", "/lab/webhooks/a", "x").status, range(12)))
    assert found.count(500) == 5


def test_what_comes_in_is_shown_as_text(lab: Lab) -> None:
    lab.call("POST", "/lab/webhooks/a", "<script>alert(1)</script>", {"x": "<b>"})
    page = lab.call("GET", "/lab/webhooks/a").body
    assert b"<script>" not in page
    assert b"&lt;script&gt;" in page


@pytest.mark.parametrize(
    "path", ["/lab", "/lab/zarinpal", "/lab/noticebank", "/lab/bank", "/lab/webhooks"]
)
def test_every_page_is_closed_to_scripts_and_kept_by_nobody(lab: Lab, path: str) -> None:
    page = lab.call("GET", path)
    assert page.status == 200
    assert page.headers["cache-control"] == "no-store"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action" not in policy  # it would stop the redirect that ends a payment
    assert b"<script" not in page.body
    assert lab.call("GET", path, headers=JSON).json()["data"] is not None


def test_the_index_shows_every_magic_amount(lab: Lab) -> None:
    page = lab.call("GET", "/lab").body.decode()
    for ending in ENDINGS:
        assert f"<td>{ending.digits:03d}</td>" in page
    assert 'id="clock"' in page


@pytest.mark.parametrize(
    ("lang", "word", "way"), [("fa", "انصراف", "rtl"), ("en", "Refuse", "ltr")]
)
def test_the_bank_page_speaks_the_payer_s_language(
    lab: Lab, lang: str, word: str, way: str
) -> None:
    asked = {
        "merchant_id": "2f7c1d3e-9b54-4a68-8f10-5d2e7a9c4b31",
        "amount": 50_000,
        "description": "<b>bag</b>",
        "callback_url": f"{BASE}/b",
    }
    made = lab.call("POST", "/lab/zarinpal/pg/v4/payment/request.json", asked).json()
    path = f"/lab/zarinpal/pg/StartPay/{made['data']['authority']}?lang={lang}"
    page = lab.call("GET", path).body.decode()
    assert word in page
    assert f'dir="{way}"' in page
    assert "&lt;b&gt;bag&lt;/b&gt;" in page
    assert page.count("<form") == 2
    for name in ("pay", "refuse"):
        assert f'id="{name}" class="choice" method="post"' in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/lab/nothing", 404),
        ("GET", "/lab/bank/run", 405),
        ("DELETE", "/lab", 405),
        ("POST", "/lab/zarinpal/pg/v4/payment/refund.json", 404),
        ("POST", "/lab/webhooks/a b", 404),
        ("HEAD", "/lab", 200),
    ],
)
def test_what_is_not_here(lab: Lab, method: str, path: str, status: int) -> None:
    assert lab.call(method, path).status == status


def test_too_much_is_too_much(lab: Lab) -> None:
    assert lab.call("POST", "/lab/webhooks/a", b"x" * 300_000).status == 413


def test_a_fault_says_nothing_outside_and_its_name_inside(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(lab.world.store, "newest", fails)
    got = lab.call("GET", "/lab/zarinpal")
    assert got.status == 500
    assert b"secret" not in got.body
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["fault"] == "RuntimeError"


def test_every_call_logs_one_line_with_nobody_in_it(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.call("POST", "/lab/webhooks/some-inbox?mobile=09121234567", '{"card":"603799"}')
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["status"] == 200
    assert "0912" not in lines[0]
    assert "6037" not in lines[0]


@pytest.mark.parametrize(
    ("context", "base"),
    [
        (
            {"domainName": "x.example", "stage": "v1", "path": "/v1/lab/clock"},
            "https://x.example/v1",
        ),
        ({"domainName": "pay.example", "stage": "v1", "path": "/lab/clock"}, "https://pay.example"),
        ({"domainName": "x.example", "stage": "v1"}, "https://x.example/v1"),
    ],
)
def test_without_a_public_address_the_request_says_where_we_are(
    lab: Lab, context: dict[str, str], base: str
) -> None:
    world = World(**{**{n: getattr(lab.world, n) for n in World.__slots__}, "public_base": ""})
    event = {
        "httpMethod": "POST",
        "path": "/lab/clock",
        "headers": None,
        "queryStringParameters": None,
        "body": "advance_s=1",
        "isBase64Encoded": False,
        "requestContext": context,
    }
    answer = handler.answer(event, world)
    assert answer["headers"]["location"] == f"{base}/lab"


CONTROLS = ["clock", "bank/run", "noticebank/run", "webhooks/shop/fail"]


def with_controls(lab: Lab, **changes: bool) -> None:
    """The same lab as another stack has it; without a change, as nobody said anything."""
    kept = {n: getattr(lab.world, n) for n in World.__slots__ if n != "controls_open"}
    lab.world = World(**{**kept, **changes})


@pytest.mark.parametrize("door", CONTROLS)
def test_a_stranger_cannot_drive_the_lab(lab: Lab, door: str) -> None:
    lab.files.kept["bank/out/po_1.json"] = b"{}"
    with_controls(lab)
    got = lab.call("POST", f"/lab/{door}", {"advance_s": 60, "times": 1})
    assert (got.status, got.headers["content-type"]) == (403, "application/json")
    assert got.json() == {"error": "The lab's controls are closed on this stack."}
    assert lab.call("GET", "/lab/clock").json()["offset_s"] == 0
    assert set(lab.files.kept) == {"bank/out/po_1.json"}
    assert lab.call("POST", "/lab/webhooks/shop", "x").status == 200
    with_controls(lab, controls_open=True)
    assert lab.call("POST", f"/lab/{door}", {"advance_s": 60, "times": 1}).status == 200


@pytest.mark.parametrize("path", ["/lab//clock", "/lab/clock/", "/lab/./clock", "/lab/CLOCK"])
def test_no_spelling_of_a_closed_door_opens_it(lab: Lab, path: str) -> None:
    with_controls(lab)
    assert lab.call("POST", path, {"advance_s": 60}).status in {403, 404}
    assert lab.world.clock.offset_s() == 0


def test_a_closed_lab_still_takes_payments_and_shows_everything(lab: Lab) -> None:
    with_controls(lab)
    for path in ("/lab", "/lab/clock", "/lab/bank", "/lab/webhooks", "/lab/noticebank"):
        assert lab.call("GET", path).status == 200
    assert lab.call("POST", "/lab/noticebank/shops", {}).status < 300
    page = lab.call("GET", "/lab").body
    assert b'action="https://pay.example/lab/clock"' not in page
    assert b"LabControls=closed" in page


@pytest.mark.parametrize(
    ("value", "status"), [(None, 403), ("", 403), ("closed", 403), ("OPEN", 403), ("open", 400)]
)
def test_only_the_word_open_opens_the_controls(
    lab: Lab,
    fresh_wiring: None,
    monkeypatch: pytest.MonkeyPatch,
    value: str | None,
    status: int,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("LAB_TABLE", TABLE)
    monkeypatch.setenv("FILES_BUCKET", "files")
    monkeypatch.delenv("LAB_CONTROLS", raising=False)
    if value is not None:
        monkeypatch.setenv("LAB_CONTROLS", value)
    event = {"httpMethod": "POST", "path": "/lab/clock", "body": "{}", "requestContext": {}}
    assert handler.lambda_handler(event, None)["statusCode"] == status


def test_a_stack_is_closed_unless_told_and_a_laptop_s_is_open(tmp_path: Path) -> None:
    declared = template.template()["Parameters"]["LabControls"]
    assert (declared["AllowedValues"], declared["Default"]) == (["open", "closed"], "closed")
    site = Site(tmp_path, tmp_path / "local.json", 8080)
    assert build.parameters(site, template.PATH)["LabControls"] == "open"


@pytest.fixture
def fresh_wiring() -> Iterator[None]:
    wiring.wiring.cache_clear()
    yield
    wiring.wiring.cache_clear()


def test_the_real_handler_runs_on_its_environment(
    lab: Lab, fresh_wiring: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = boto3.client("s3", region_name="us-east-1")
    files.create_bucket(Bucket="files")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("LAB_TABLE", TABLE)
    monkeypatch.setenv("FILES_BUCKET", "files")
    monkeypatch.setenv("PUBLIC_BASE_URL", BASE + "/")
    monkeypatch.setenv("LAB_CONTROLS", "open")
    files.put_object(Bucket="files", Key="bank/out/po_1.json", Body=b"{}")
    event: dict[str, Any] = {"httpMethod": "POST", "path": "/lab/bank/run", "requestContext": {}}
    answer = handler.lambda_handler(event, None)
    assert json.loads(answer["body"])["answered"][0]["status"] == "rejected"
    told = json.loads(files.get_object(Bucket="files", Key="bank/in/po_1.json")["Body"].read())
    assert told["reference"] == "po_1"
    assert wiring.wiring().public_base == BASE
    assert wiring.wiring().files.read("bank/in/none.json") is None


def test_the_lab_s_page_in_the_docs_has_the_same_magic_amounts() -> None:
    page = Path("docs/lab.md").read_text(encoding="utf-8")
    for ending in ENDINGS:
        row = f"| {ending.digits:03d} | {ending.zarinpal or '–'} | {ending.noticebank or '–'} |"
        assert row in page


def test_the_clock_has_an_end_that_many_steps_cannot_pass(lab: Lab) -> None:
    assert lab.world.clock.advance_s(OFFSET_MAX_S - 10)
    assert not lab.world.clock.advance_s(11)
    assert lab.world.clock.advance_s(10)
