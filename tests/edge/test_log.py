"""One line a call, of names that may be logged and nothing else."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from payvand.edge import log


class Context:
    """What Lambda says of a call."""

    function_name = "payvand-refund"
    aws_request_id = "r-1"


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str]) -> Any:
    log.begin()

    def end() -> dict[str, Any]:
        log.end(Context())
        text = capsys.readouterr().out
        assert text.endswith("\n") and text.count("\n") == 1
        found: dict[str, Any] = json.loads(text)
        return found

    return end


def test_a_line_says_who_what_and_how_long(line: Any) -> None:
    log.note(route="GET /payments", status=200, tries=None)
    found = line()
    assert found["function"] == "payvand-refund" and found["request"] == "r-1"
    assert found["route"] == "GET /payments" and found["status"] == 200 and found["ms"] >= 0
    assert "tries" not in found and "_aws" not in found


@pytest.mark.parametrize(
    "name",
    ["name", "mobile", "email", "card", "pan", "national_code", "iban", "reference", "description",
     "key", "token", "secret", "body", "url", "ip", "address", "message"],
)  # fmt: skip
def test_personal_data_has_no_name_in_a_log(name: str) -> None:
    assert name not in log.NAMES
    with pytest.raises(AssertionError, match="no place"):
        log.note(**{name: "x"})


def test_a_line_forgets_the_call_before(line: Any) -> None:
    log.note(payment="pay_1")
    log.metric("PaymentsCreated")
    log.begin()
    found = line()
    assert "payment" not in found and "PaymentsCreated" not in found


def test_metrics_are_embedded_in_the_line(line: Any) -> None:
    log.note(channel="zarinpal", mode="test")
    log.metric("PaymentsExecuted")
    log.metric("PaymentsExecuted", 2)
    log.metric("Wait", 12.5, "Milliseconds")
    found = line()
    assert found["PaymentsExecuted"] == 3 and found["Wait"] == 12.5
    [directive] = found["_aws"]["CloudWatchMetrics"]
    assert isinstance(found["_aws"]["Timestamp"], int)
    assert directive["Namespace"] == "Payvand"
    assert directive["Metrics"] == [
        {"Name": "PaymentsExecuted", "Unit": "Count"},
        {"Name": "Wait", "Unit": "Milliseconds"},
    ]
    assert directive["Dimensions"] == [[], ["channel", "mode"]]
    for dimensions in directive["Dimensions"]:
        assert all(isinstance(found[name], str) for name in dimensions)


def test_without_a_channel_a_metric_has_no_dimensions(line: Any) -> None:
    log.metric("SealsMade")
    assert line()["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


def test_an_error_says_its_kind_and_place(line: Any) -> None:
    try:
        raise ValueError("6219861012345678")
    except ValueError as exc:
        log.error(exc)
    found = line()
    assert found["error"] == "ValueError" and found["Errors"] == 1
    assert found["at"][0].startswith("test_log.py:")
    assert "6219861012345678" not in json.dumps(found)


def test_of_aws_the_operation_and_code_are_told_and_of_permissions_the_words(line: Any) -> None:
    def error(code: str) -> ClientError:
        return ClientError({"Error": {"Code": code, "Message": "words"}}, "PutItem")

    log.error(error("ValidationException"))
    found = line()
    assert found["aws"] == "PutItem: ValidationException" and "denied" not in found
    log.begin()
    log.error(error("AccessDeniedException"))
    assert line()["denied"] == "words"


def test_an_error_that_was_never_raised_has_no_place(line: Any) -> None:
    log.error(ValueError())
    assert line()["at"] == []


def test_a_usual_line_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    log.begin()
    log.note(route="POST /payments", payment="pay_" + "0" * 26, channel="zarinpal", status=201)
    log.note(merchant="mer_000001", mode="test")
    log.metric("PaymentsCreated")
    log.end(Context())
    assert len(capsys.readouterr().out.encode()) < 700
