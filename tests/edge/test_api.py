"""The API door: whatever comes in, problem+json or the answer goes out."""

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from functions.payment_status import handler as payment_status
from functions.report import handler as report
from functions.webhooks import handler as webhooks
from payvand.edge import api
from payvand.edge.api import BODY_MAX, Request, Response
from payvand.edge.views import CreatePayment, CreateRefund
from payvand.errors import Conflict, NotFound, Overtaken, Refusal, TooMany, Unavailable
from tests.edge.rest import OTHER, asking, authorizer, doing, event, fields, problem, taking

BODY = {
    "amount": 250_000,
    "currency": "IRR",
    "reference": "order-1",
    "return_url": "https://shop.example/done",
}
create = taking(CreatePayment)
refund = taking(CreateRefund)


def sent(**changes: Any) -> dict[str, Any]:
    body = {k: v for k, v in {**BODY, **changes}.items() if v is not ...}
    return create(event(body=json.dumps(body)), None)


# ── Bodies that are not JSON objects ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        " ",
        "null",
        "[]",
        '[{"amount": 1}]',
        '"text"',
        "12",
        "true",
        "{",
        "{}x",
        "{'amount': 1}",
        "amount=1",
        "\ufeff{}",
        "\ud800",
        '{"amount": NaN}',
        '{"amount": Infinity}',
        '{"amount": -Infinity}',
        '{"amount": 1, "amount": 2}',
        '{"payer": {"name": "a", "name": "b"}}',
        '{"amount": ' + "9" * 5_000 + "}",
        "[" * 30_000,
        '{"metadata":' * 5_000,
        "[" * 30_000 + "]" * 30_000,
    ],
    ids=lambda body: repr(body)[:30],
)
def test_what_is_not_one_json_object_is_refused(body: str | None) -> None:
    problem(create(event(body=body), None), 400, "json_invalid")


def test_a_hundred_thousand_levels_are_refused_by_their_size() -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    problem(create(event(body=deep), None), 400, "body_too_large")


@pytest.mark.parametrize("raw", [b"\xff\xfe", b'{"reference": "\xc3\x28"}', b"\x80", b"\x00"])
def test_what_is_not_utf_8_is_refused(raw: bytes) -> None:
    body = base64.b64encode(raw).decode()
    problem(create(event(body=body, base64=True), None), 400, "json_invalid")


@pytest.mark.parametrize("body", ["a", "=", "{}", "a" * 13])
def test_what_is_not_base64_is_refused(body: str) -> None:
    assert create(event(body=body, base64=True), None)["statusCode"] == 400


def test_a_base64_body_is_read() -> None:
    body = base64.b64encode(json.dumps(BODY).encode()).decode()
    assert create(event(body=body, base64=True), None)["statusCode"] == 200


@pytest.mark.parametrize("coded", ["", "base64"])
def test_a_body_has_a_size(coded: str) -> None:
    def padded(size: int) -> str:
        text = json.dumps(BODY)
        text += " " * (size - len(text))
        return base64.b64encode(text.encode()).decode() if coded else text

    assert create(event(body=padded(BODY_MAX), base64=bool(coded)), None)["statusCode"] == 200
    answer = create(event(body=padded(BODY_MAX + 1), base64=bool(coded)), None)
    problem(answer, 400, "body_too_large")


def test_letters_outside_ascii_count_as_bytes() -> None:
    body = json.dumps({**BODY, "description": "ش" * (BODY_MAX // 2)}, ensure_ascii=False)
    assert len(body) < BODY_MAX
    problem(create(event(body=body), None), 400, "body_too_large")


# ── Anything at all ───────────────────────────────────────────────────────────────────────────────

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
near = st.fixed_dictionaries(
    dict.fromkeys(BODY, anything),
    optional=dict.fromkeys(sorted(CreatePayment.model_fields.keys() - BODY.keys()), anything),
)


@given(anything | near)
def test_no_json_body_is_too_odd(value: Any) -> None:
    for door in (create, refund):
        answer = door(event(body=json.dumps(value)), None)
        if answer["statusCode"] != 200:
            assert answer["statusCode"] == 400
            code = json.loads(answer["body"])["code"]
            problem(answer, 400, code)


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_is_too_odd(text: str) -> None:
    assert create(event(body=text), None)["statusCode"] == 400


@given(st.binary())
def test_no_bytes_are_too_odd(raw: bytes) -> None:
    body = base64.b64encode(raw).decode()
    assert create(event(body=body, base64=True), None)["statusCode"] == 400


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_no_query_is_too_odd(query: dict[str, str]) -> None:
    for model in (payment_status.ListArgs, report.BalanceArgs, report.EntryArgs):
        answer = asking(model)(event("GET", query=query), None)
        assert answer["statusCode"] in {200, 400}


# ── Names the caller made up ──────────────────────────────────────────────────────────────────────


def test_unknown_fields_are_named() -> None:
    found = problem(sent(ammount=1), 400, "input_invalid")
    assert fields(found) == ["ammount"]


@pytest.mark.parametrize("name", ["\ud800", "\udfff\ud800", "\x00", "<script>", "ش" * 5_000])
def test_a_made_up_name_comes_back_short_and_as_text(name: str) -> None:
    found = problem(sent(**{name: 1}), 400, "input_invalid")
    assert all(len(field) <= api.FIELD_MAX for field in fields(found))


def test_a_thousand_wrong_fields_are_not_all_told() -> None:
    found = problem(sent(**{f"x{n}": n for n in range(1_000)}), 400, "input_invalid")
    assert len(found["errors"]) == api.ERRORS_MAX


@pytest.mark.parametrize("name", list(BODY))
def test_a_missing_field_is_named(name: str) -> None:
    assert fields(problem(sent(**{name: ...}), 400, "input_invalid")) == [name]


def test_a_problem_never_repeats_what_was_sent() -> None:
    secret = "6219861012345678"
    answer = sent(
        amount=secret, currency=secret, locale=secret, payer={"mobile": secret, "email": secret}
    )
    assert secret not in answer["body"]


# ── Idempotency-Key ───────────────────────────────────────────────────────────────────────────────


def key_of(value: str) -> dict[str, Any]:
    door = doing(lambda request: Response(200, request.idempotency_key or ""))
    return door(event(headers={"IDEMPOTENCY-Key": value}), None)


@pytest.mark.parametrize("value", ["", '""', "a" * 256, "é", "a\nb", "a\x00", "\u202e", "کلید"])
def test_a_bad_idempotency_key_is_refused(value: str) -> None:
    problem(key_of(value), 400, "idempotency_key_invalid")


@pytest.mark.parametrize(
    ("value", "key"), [("k", "k"), ('"k"', "k"), ('"', '"'), ("a" * 255, "a" * 255), ("a b", "a b")]
)
def test_a_good_idempotency_key_is_read(value: str, key: str) -> None:
    assert key_of(value)["body"] == key


# ── Queries ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"), ("limit", "101"), ("limit", "-1"), ("limit", "ten"), ("limit", ""),
        ("limit", "۱۰"), ("limit", "1e2"), ("limit", "9" * 400),
        ("cursor", "x" * 201), ("status", "paid"), ("currency", "USD"), ("channel", "x" * 33),
        ("first_day", "0001-01-01"), ("first_day", "9999-12-31"), ("last_day", "2019-12-31"),
        ("last_day", "1700000000"), ("last_day", "2026-02-30"), ("last_day", "2026-3-1"),
        ("last_day", "2026-03-01T00:00:00"), ("last_day", "۲۰۲۶-۰۳-۰۱"), ("last_day", "today"),
        ("page", "2"),
    ],
)  # fmt: skip
def test_a_bad_query_is_refused(name: str, value: str) -> None:
    answer = asking(payment_status.ListArgs)(event("GET", query={name: value}), None)
    assert fields(problem(answer, 400, "input_invalid")) == [name]


@pytest.mark.parametrize(
    "at", ["2026-03-01", "2026-03-01T10:00:00", "0001-01-01T00:00:00Z", "yesterday", ""]
)
def test_a_moment_needs_its_offset_and_our_times(at: str) -> None:
    answer = asking(report.BalanceArgs)(event("GET", query={"at": at}), None)
    assert fields(problem(answer, 400, "input_invalid")) == ["at"]


def test_the_last_of_repeated_names_counts_as_the_gateway_says() -> None:
    door = asking(payment_status.ListArgs)
    call = event("GET", query={"limit": "5"})
    call["multiValueQueryStringParameters"] = {"limit": ["1", "5"]}
    assert json.loads(door(call, None)["body"])["limit"] == 5


# ── Real doors, before they ask anything of AWS ───────────────────────────────────────────────────

FOREIGN = "pay_8HJW47JCG0043K002X3G57FRGS"
ODD_IDS = [
    "",
    ".",
    "x",
    "pay_",
    FOREIGN.lower(),
    FOREIGN + "0",
    FOREIGN[:-1],
    FOREIGN + "%00",
    FOREIGN + "\x00",
    FOREIGN + "\n",
    " " + FOREIGN,
    FOREIGN.replace("8", "۸"),
    FOREIGN.replace("0", "O"),
    "pay_" + "Z" * 26,
    "pay_" + "0" * 26,
    "pay_" + "8" * 5_000,
    "../../etc/passwd",
    "\ud800",
]


@pytest.mark.parametrize("id", ODD_IDS, ids=lambda id: repr(id)[:40])
@pytest.mark.parametrize(
    ("door", "method", "resource"),
    [
        (payment_status.lambda_handler, "GET", "/payments/{id}"),
        (payment_status.lambda_handler, "GET", "/payments/{id}/events"),
        (payment_status.lambda_handler, "GET", "/payments/{id}/refunds"),
        (report.lambda_handler, "GET", "/payouts/{id}"),
        (report.lambda_handler, "GET", "/payouts/{id}/entries"),
        (webhooks.lambda_handler, "DELETE", "/webhook_endpoints/{id}"),
        (webhooks.lambda_handler, "POST", "/webhook_deliveries/{id}/replay"),
    ],
)
def test_an_odd_id_is_a_missing_one(door: Any, method: str, resource: str, id: str) -> None:
    answer = door(event(method, resource, path={"id": id}, who=authorizer()), None)
    problem(answer, 404, "not_found")


def test_a_foreign_id_and_an_odd_one_look_alike() -> None:
    def ask(id: str) -> dict[str, Any]:
        call = event("GET", "/payments/{id}", path={"id": id}, who=authorizer(merchant=OTHER))
        return payment_status.lambda_handler(call, None)

    assert ask(FOREIGN) == ask("nonsense")


# ── Who is calling ────────────────────────────────────────────────────────────────────────────────


def test_a_missing_scope_is_refused_by_name() -> None:
    door = doing(lambda _: Response(200), scope="refunds:write")
    answer = door(event(who=authorizer(("payments:write", "payments:read"))), None)
    assert "refunds:write" in problem(answer, 403, "scope_missing")["detail"]
    assert door(event(who=authorizer(("refunds:write",))), None)["statusCode"] == 200


def test_part_of_a_scope_is_none() -> None:
    door = doing(lambda _: Response(200), scope="payments:write")
    problem(door(event(who=authorizer(("payments:write2",))), None), 403, "scope_missing")


def test_a_door_with_a_scope_stays_shut_without_an_authorizer() -> None:
    door = doing(lambda _: Response(200, "secrets"), scope="payments:read")
    answer = door(event(), None)
    problem(answer, 500, "internal_error")
    assert "secrets" not in answer["body"]


# ── What goes wrong inside ────────────────────────────────────────────────────────────────────────


def raising(exc: Exception, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    def handle(_: Request) -> Response:
        raise exc

    answer = doing(handle)(event(body="{}"), None)
    return answer, capsys.readouterr().out


def test_an_unexpected_error_says_nothing_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    answer, line = raising(ValueError("card 6219861012345678 of مریم"), capsys)
    problem(answer, 500, "internal_error")
    for word in ("6219861012345678", "مریم", "ValueError"):
        assert word not in answer["body"]
    logged = json.loads(line)
    assert logged["error"] == "ValueError" and logged["at"][0].startswith("test_api.py:")
    assert logged["code"] == "internal_error" and logged["status"] == 500 and logged["Errors"] == 1
    assert "6219861012345678" not in line and "مریم" not in line


@pytest.mark.parametrize(
    "code",
    ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
     "TransactionConflictException", "InternalServerError", "ServiceUnavailable"],
)  # fmt: skip
def test_a_throttle_is_busy(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exc = ClientError({"Error": {"Code": code, "Message": "secret"}}, "PutItem")
    answer, line = raising(exc, capsys)
    problem(answer, 503, "busy")
    assert int(answer["headers"]["Retry-After"]) >= 1
    assert json.loads(line)["aws"] == f"PutItem: {code}" and "secret" not in line + answer["body"]


def test_an_aws_that_does_not_answer_is_busy(capsys: pytest.CaptureFixture[str]) -> None:
    for exc in (ReadTimeoutError(endpoint_url="x"), ConnectTimeoutError(endpoint_url="x")):
        answer, _ = raising(exc, capsys)
        problem(answer, 503, "busy")
        assert answer["headers"]["Retry-After"]


def test_a_missing_permission_is_our_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    exc = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetItem")
    answer, line = raising(exc, capsys)
    problem(answer, 500, "internal_error")
    assert json.loads(line)["denied"] == "no"


def test_who_was_overtaken_may_send_again(capsys: pytest.CaptureFixture[str]) -> None:
    answer, _ = raising(Overtaken("pay_1"), capsys)
    problem(answer, 503, "busy")
    assert answer["headers"]["Retry-After"] == "1" and "pay_1" not in answer["body"]


@pytest.mark.parametrize(
    ("exc", "status"),
    [(NotFound(), 404), (Conflict("c"), 409), (TooMany("t", retry_after_s=9), 429),
     (Unavailable("u", retry_after_s=5), 503)],
)  # fmt: skip
def test_a_refusal_is_told_as_it_is(
    exc: Refusal, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    answer, line = raising(exc, capsys)
    problem(answer, status, exc.code)
    if exc.retry_after_s is not None:
        assert answer["headers"]["Retry-After"] == str(exc.retry_after_s)
    assert "Errors" not in json.loads(line)


def test_an_event_that_is_none_is_our_mistake() -> None:
    call = event(resource="/nowhere")
    problem(doing(lambda _: Response(200))(call, None), 500, "internal_error")


def test_a_page_may_refuse_in_its_own_way() -> None:
    def handle(_: Request) -> Response:
        raise NotFound

    door = doing(handle, refuse=lambda request, refusal: Response(refusal.status, request.base_url))
    assert door(event(), None)["body"] == "https://pay.example/v1"
    answer = door(event(body="a", base64=True), None)
    assert answer["statusCode"] == 400 and answer["body"] == "https://pay.example/v1"


def test_every_answer_has_the_safety_headers() -> None:
    headers = doing(lambda _: Response(204))(event(), None)["headers"]
    assert api.HEADERS.items() <= headers.items()


def test_the_public_address_wins_over_the_gateways(monkeypatch: pytest.MonkeyPatch) -> None:
    door = doing(lambda request: Response(200, request.base_url))
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://pay.merchant.example/")
    assert door(event(), None)["body"] == "https://pay.merchant.example"


@pytest.mark.parametrize("body", ["a=1&a=2&b=%D8%B4", ""])
def test_a_form_gives_the_first_of_each(body: str) -> None:
    door = doing(lambda request: Response(200, json.dumps(request.form())))
    found = json.loads(door(event(body=body), None)["body"])
    assert found == ({"a": "1", "b": "ش"} if body else {})


@pytest.mark.parametrize("raw", [b"\xff\xfe=1", b"&".join(b"a=%d" % n for n in range(60))])
def test_a_form_nobody_can_read_is_refused(raw: bytes) -> None:
    door = doing(lambda request: Response(200, json.dumps(request.form())))
    body = base64.b64encode(raw).decode()
    problem(door(event(body=body, base64=True), None), 400, "form_unreadable")
