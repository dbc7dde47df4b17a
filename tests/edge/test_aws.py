"""Our AWS client against botocore: the same signatures, answers, errors and tries."""

import ast
import datetime as dt
import json
import random
import socket
import string
from base64 import b64decode
from binascii import crc32
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.auth
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.retries import standard

from payvand.edge import aws, line
from payvand.edge.aws import SERVICES, TRIES, Client, Keys, Lender, Signer, endpoint
from payvand.errors import AwsRefused, AwsSilent, refusals, silences
from tests.support.party import Party, Talk, hang_up, last_words

ROOT: Final = Path(__file__).parents[2]
NOW: Final = dt.datetime(2026, 5, 4, 8, 30, tzinfo=dt.UTC)
KEYS: Final = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hush-hush"}
GET: Final = {"TableName": "t", "Key": {"pk": {"S": "p"}}}
SOON_S: Final = 0.3


_made: list[Any] = []


@pytest.fixture
def party() -> Iterator[Party]:
    made = Party()
    yield made
    while _made:
        _made.pop().close()
    made.stop()


def ours(party: Party, service: str = "dynamodb", slept: list[float] | None = None) -> Any:
    env = {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": party.url, **KEYS}
    sleep = (slept if slept is not None else []).append
    _made.append(Client(service, env, Lender(env), NOW.timestamp, sleep, lambda: 1.0))
    return _made[-1]


def theirs(party: Party, service: str = "dynamodb") -> Any:
    config = Config(
        connect_timeout=line.CONNECT_TIMEOUT_S,
        read_timeout=line.ANSWER_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": TRIES},
    )
    _made.append(
        boto3.client(  # type: ignore[call-overload]
            service, region_name="us-east-1", endpoint_url=party.url, config=config
        )
    )
    return _made[-1]


def answer(content: Any, status: int = 200, *headers: str, crc: int | None = None) -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    lines = [
        f"HTTP/1.1 {status} X", "Date: Mon, 04 May 2026 08:30:00 GMT", "x-amzn-RequestId: R1",
        f"Content-Length: {len(body)}", f"x-amz-crc32: {crc32(body) if crc is None else crc}",
        *headers,
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ── signing ───────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_requests_are_signed_as_botocore_signs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dice = random.Random(4711)
    clock = [NOW]
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: clock[0])
    word = string.ascii_letters + string.digits
    signers: dict[tuple[str, str, str], Signer] = {}
    for _ in range(1000):
        service, region = dice.choice([*SERVICES]), dice.choice(["us-east-1", "eu-central-2"])
        host = dice.choice([f"{service}.{region}.amazonaws.com", "127.0.0.1:8401"])
        keys = Keys(
            "".join(dice.choices(word, k=20)),
            "".join(dice.choices(word + "/+", k=40)),
            "".join(dice.choices(word + "/+=", k=dice.choice([0, 400]))),
            float("inf"),
        )
        clock[0] = NOW + dt.timedelta(seconds=dice.randrange(10**8))
        body = dice.randbytes(dice.choice([0, 2, 300]))
        fixed = f"application/x-amz-json-{SERVICES[service].version}", f"{service}.Operation"
        signer = signers.setdefault(
            (service, region, host), Signer(f"{region}/{service}/aws4_request", host)
        )
        head = signer.head(keys, fixed, body, clock[0].timestamp()).decode()
        sent = dict(text.split(":", 1) for text in head.split("\r\n")[1:-2])
        request = AWSRequest(
            "POST", f"http://{host}/", {"content-type": fixed[0], "x-amz-target": fixed[1]}, body
        )
        SigV4Auth(
            Credentials(keys.access, keys.secret, keys.token or None), service, region
        ).add_auth(request)
        assert sent["authorization"] == request.headers["Authorization"]
        assert sent["x-amz-date"] == request.headers["X-Amz-Date"]
        assert sent.get("x-amz-security-token") == request.headers.get("X-Amz-Security-Token")
        assert sent["content-length"] == str(len(body))


# ── the same request, answer and error ────────────────────────────────────────────────────────

WRITE: Final = {
    "TransactItems": [
        {"Put": {"TableName": "t", "Item": {"pk": {"S": "é\U0001f600"}, "b": {"B": b"\x00\xff"}}}}
    ]
}
CALLS: Final[tuple[tuple[str, str, dict[str, Any], Any], ...]] = (
    ("dynamodb", "get_item", {**GET, "ConsistentRead": True},
     {"Item": {"pk": {"S": "p"}, "n": {"N": "1"}, "x": {"NULL": True}, "l": {"L": []}}}),
    ("dynamodb", "get_item", GET, {}),
    ("dynamodb", "put_item", {"TableName": "t", "Item": {"b": {"B": b"\x00"}}}, {}),
    ("dynamodb", "update_item", {**GET, "UpdateExpression": "SET #a = :a"}, {}),
    ("dynamodb", "delete_item", GET, {}),
    ("dynamodb", "query", {"TableName": "t", "Limit": 1, "ScanIndexForward": False},
     {"Items": [{"pk": {"S": "p"}}], "Count": 1, "ScannedCount": 1,
      "LastEvaluatedKey": {"pk": {"S": "p"}}}),
    ("dynamodb", "scan", {"TableName": "t"}, {"Items": [], "Count": 0, "ScannedCount": 0}),
    ("dynamodb", "transact_write_items", {**WRITE, "ClientRequestToken": "x"}, {}),
    ("sqs", "send_message", {"QueueUrl": "https://q/1/n", "MessageBody": "{}", "DelaySeconds": 3},
     {"MessageId": "m", "MD5OfMessageBody": "0" * 32}),
    ("sqs", "send_message_batch",
     {"QueueUrl": "u", "Entries": [{"Id": "0", "MessageBody": "{}"}]},
     {"Successful": [], "Failed": [{"Id": "0", "SenderFault": True, "Code": "c"}]}),
    ("sqs", "change_message_visibility",
     {"QueueUrl": "u", "ReceiptHandle": "r", "VisibilityTimeout": 5}, {}),
    ("kms", "generate_data_key", {"KeyId": "k", "KeySpec": "AES_256"},
     {"Plaintext": "AAEC", "CiphertextBlob": "/w==", "KeyId": "k"}),
    ("kms", "decrypt", {"KeyId": "k", "CiphertextBlob": b"\xff"}, {"Plaintext": "AAEC"}),
    ("secretsmanager", "get_secret_value", {"SecretId": "s"}, {"SecretString": "é", "Name": "s"}),
    ("events", "put_events", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]},
     {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}),
)  # fmt: skip


@pytest.mark.parametrize(("service", "method", "request_", "content"), CALLS)
def test_requests_and_answers_are_botocore_s(
    party: Party, service: str, method: str, request_: dict[str, Any], content: Any
) -> None:
    seen = []
    for client in (ours(party, service), theirs(party, service)):
        party.says(answer(content))
        found = getattr(client, method)(**request_)
        metadata = found.pop("ResponseMetadata")
        assert metadata["HTTPHeaders"]["date"] == "Mon, 04 May 2026 08:30:00 GMT"
        assert (metadata["RequestId"], metadata["HTTPStatusCode"]) == ("R1", 200)
        assert metadata["RetryAttempts"] == 0
        head, _, body = party.asked.pop().partition(b"\r\n\r\n")
        lines = [text.lower().split(b":", 1) for text in head.split(b"\r\n")[1:]]
        told = {name: value.strip() for name, value in lines}
        told_names = (b"host", b"content-type", b"x-amz-target")
        seen.append((found, json.loads(body), {name: told[name] for name in told_names}))
    assert seen[0] == seen[1]


def test_bytes_from_a_table_stay_as_a_stream_says_them(party: Party) -> None:
    content = {"Item": {"b": {"B": "AP8="}}}
    party.says(answer(content), answer(content))
    assert b64decode(ours(party).get_item(**GET)["Item"]["b"]["B"]) == b"\x00\xff"
    assert theirs(party).get_item(**GET)["Item"]["b"]["B"] == b"\x00\xff"


def refusal(code: str, status: int = 400, *headers: str, **more: Any) -> bytes:
    return answer({"__type": f"com.amazonaws#{code}", "message": "no", **more}, status, *headers)


OLD_NAME: Final = "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender"
REASONS: Final = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "m"}]
NO: Final = {
    "condition": refusal("ConditionalCheckFailedException"),
    "cancelled": refusal("TransactionCanceledException", CancellationReasons=REASONS),
    "denied": refusal("AccessDeniedException"),
    "old name": refusal("QueueDoesNotExist", 400, OLD_NAME),
    "with a colon": answer({"__type": "ValidationException:http://x/", "Message": "m"}, 400),
    "without words": answer(b"", 403),
    "no json": answer(b"<html>", 413),
    "moved": answer(b"", 301),
}


@pytest.mark.parametrize("said", NO.values(), ids=NO)
def test_a_no_is_the_same_no_and_final(party: Party, said: bytes) -> None:
    seen = []
    for client in (ours(party), theirs(party)):
        party.says(said)
        with pytest.raises((AwsRefused, ClientError)) as refused:
            client.transact_write_items(**WRITE)
        assert isinstance(refused.value, refusals())
        response = refused.value.response
        assert refused.value.operation_name == "TransactWriteItems"
        error = {k: v for k, v in response["Error"].items() if k in {"Code", "Message"}}
        if said is NO["no json"]:
            error["Message"] = ""  # botocore repeats the page
        seen.append((error, response.get("CancellationReasons")))
        assert len(party.asked) == 1
        party.asked.clear()
    assert seen[0] == seen[1]
    party.says(answer({}))
    assert ours(party).get_item(**GET)["ResponseMetadata"]


def test_an_exception_says_nothing_of_the_data(party: Party) -> None:
    party.says(refusal("ValidationException", message="6219861012345678"))
    with pytest.raises(AwsRefused) as refused:
        ours(party).get_item(**GET)
    assert str(refused.value) == "GetItem: ValidationException"
    assert "hush" not in repr(Keys("a", "hush", "hush", 0))


# ── faults ────────────────────────────────────────────────────────────────────────────────────

BAD_SUM: Final = answer({"Item": {}}, crc=1)
LONG: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
FAULTS: Final[dict[str, bytes | Talk]] = {
    "hangs up": hang_up,
    "not http": last_words(b"nonsense\r\n\r\n"),
    "500": answer(b"oops", 500),
    "503 with a code": refusal("ServiceUnavailable", 503),
    "internal": refusal("InternalServerError", 500),
    "throttled": refusal("ThrottlingException"),
    "too much": refusal("ProvisionedThroughputExceededException"),
    "429": answer(b"", 429),
    "time-out": refusal("RequestTimeout"),
    "another replica": refusal("ReplicatedWriteConflictException"),
    "wrong sum": BAD_SUM,
}
ONLY_OURS: Final[dict[str, bytes | Talk]] = {  # botocore takes each of these for an empty answer
    "half a head": last_words(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "half a body": last_words(LONG + b"{"),
    "half an object": answer(b'{"Item"'),
    "a list": answer(b"[]"),
}


def outcome(client: Any) -> str:
    try:
        client.update_item(**GET)
    except (AwsRefused, ClientError) as exc:
        return str(exc.response["Error"]["Code"])
    except silences():
        return "silent"
    return "answered"


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What botocore would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", slept.append)
    return slept


@pytest.mark.parametrize("times", range(1, TRIES + 1))
@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_faults_are_tried_again_as_often(
    party: Party, no_sleep: list[float], fault: str, times: int
) -> None:
    seen = []
    slept: list[float] = []
    for client in (ours(party, slept=slept), theirs(party)):
        party.says(*[FAULTS[fault]] * times, answer({}))
        seen.append((outcome(client), len(party.asked)))
        party.asked.clear()
        party.talks.clear()
    if (fault, times) == ("wrong sum", TRIES):
        assert seen == [("silent", TRIES), ("answered", TRIES)]  # botocore believes the last one
    else:
        assert seen[0] == seen[1]
        assert seen[0][1] == min(times + 1, TRIES)
    assert len(slept) == min(times, TRIES - 1)


@pytest.mark.parametrize("fault", ["500", "throttled"])
def test_the_waits_are_botocore_s(party: Party, no_sleep: list[float], fault: str) -> None:
    slept: list[float] = []
    for client in (ours(party, slept=slept), theirs(party)):
        party.says(*[FAULTS[fault]] * TRIES)
        outcome(client)
    assert slept == ([1.0, 2.0] if fault == "throttled" else [0.025, 0.05])
    assert all(theirs_s <= ours_s for theirs_s, ours_s in zip(no_sleep, slept, strict=True))
    backoff: Any = standard.ExponentialBackoff
    shared = {"throttling_base_scale": 1, "non_throttling_base_scale": 0.05}
    assert shared == backoff._DEFAULT_BACKOFF_CONFIG
    assert backoff._SERVICE_BACKOFF_CONFIG["dynamodb"] == {"non_throttling_base_scale": 0.025}


@pytest.mark.parametrize("said", ONLY_OURS.values(), ids=ONLY_OURS)
def test_an_answer_that_is_no_object_is_asked_for_again(party: Party, said: bytes) -> None:
    party.says(said, said, answer({}))
    assert outcome(ours(party)) == "answered"


def test_the_codes_tried_again_are_botocore_s() -> None:
    throttled: Any = standard.ThrottledRetryableChecker
    transient: Any = standard.TransientRetryableChecker
    assert frozenset(throttled._THROTTLED_ERROR_CODES) == aws.THROTTLES
    assert frozenset(transient._TRANSIENT_STATUS_CODES) == aws.OVERLOADED
    modelled = {"ReplicatedWriteConflictException"}
    known = {*transient._TRANSIENT_ERROR_CODES, *modelled}
    assert known - aws.THROTTLES == aws.TRANSIENT
    for service in SERVICES:
        shapes = botocore.session.get_session().get_service_model(service)
        retried = {s.name for s in shapes.error_shapes if s.metadata.get("retryable")}
        assert retried <= modelled


@pytest.mark.parametrize("kind", ["quiet", "drip"])
def test_an_answer_has_its_time_and_no_more(
    party: Party, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(line, "ANSWER_TIMEOUT_S", SOON_S)
    talk = party.silence() if kind == "quiet" else party.drip(LONG, b"x", SOON_S / 6)
    party.says(talk, talk, talk)
    assert outcome(ours(party)) == "silent"
    assert len(party.asked) == TRIES


def test_a_page_of_megabytes_is_read_whole(party: Party) -> None:
    page = {"Items": [{"pk": {"S": "x" * 1_000}}] * 3_000, "Count": 3_000, "ScannedCount": 3_000}
    party.says(answer(page), answer({}))
    client = ours(party)
    assert len(client.query(TableName="t")["Items"]) == 3_000
    assert outcome(client) == "answered" and party.connections == 1


# ── connections ───────────────────────────────────────────────────────────────────────────────


def test_one_connection_serves_again_and_again(party: Party) -> None:
    party.says(*[answer({})] * 5)
    client = ours(party)
    assert [outcome(client) for _ in range(5)] == ["answered"] * 5
    assert party.connections == 1


def test_a_connection_that_was_closed_meanwhile_costs_no_try(party: Party) -> None:
    slept: list[float] = []
    client = ours(party, slept=slept)
    for _ in range(3):
        party.says(last_words(answer({})))
        assert outcome(client) == "answered"
        client._line._poll.poll(5_000)  # until the good-bye is here
    assert (party.connections, slept) == (3, [])


def test_a_good_bye_in_a_head_is_heard(party: Party) -> None:
    party.says(answer({}, 200, "Connection: close"), answer({}))
    client = ours(party)
    assert [outcome(client), outcome(client)] == ["answered", "answered"]
    assert party.connections == 2


def test_nobody_there_is_silence() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        env = {
            "AWS_REGION": "r",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free.getsockname()[1]}",
            **KEYS,
        }
        slept: list[float] = []
        client = Client("sqs", env, Lender(env), sleep=slept.append)
        assert outcome_of(client) == "silent" and len(slept) == TRIES - 1


def outcome_of(client: Any) -> str:
    with pytest.raises(AwsSilent):
        client.send_message(QueueUrl="u", MessageBody="{}")
    return "silent"


def test_a_transaction_is_one_however_often_it_is_sent(party: Party) -> None:
    client: Any = ours(party)
    tokens = []
    for _ in range(2):
        party.says(answer(b"", 500), answer({}))
        client.transact_write_items(**WRITE)
        bodies = [json.loads(asked.partition(b"\r\n\r\n")[2]) for asked in party.asked]
        (token,) = {body["ClientRequestToken"] for body in bodies}
        assert len(bodies) == 2 and 16 <= len(token) <= 36
        tokens.append(token)
        party.asked.clear()
    assert tokens[0] != tokens[1]


# ── where and as whom ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "region", ["us-east-1", "eu-central-2", "me-central-1", "us-gov-west-1", "cn-north-1"]
)
def test_addresses_are_botocore_s(region: str) -> None:
    for service in SERVICES:
        url = boto3.client(service, region_name=region).meta.endpoint_url  # type: ignore[call-overload]
        assert endpoint(service, {"AWS_REGION": region}) == (url[len("https://") :], 443, True)


def test_an_operator_may_set_another_address() -> None:
    env = {"AWS_REGION": "r", "AWS_ENDPOINT_URL": "http://127.0.0.1:8401"}
    assert endpoint("sqs", env) == ("127.0.0.1", 8401, False)
    own = {**env, "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://vpce-1.example/"}
    assert endpoint("secretsmanager", own) == ("vpce-1.example", 443, True)
    assert endpoint("sqs", {**env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"})[1] == 443
    for service, found in SERVICES.items():
        model = botocore.session.get_session().get_service_model(service)
        assert found.variable == model.service_id.upper().replace(" ", "_")


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1", "http://example.com:80", "ftp://127.0.0.1", "https://", "https://a b",
     "http://127.0.0.1:8401/path", "https://user@example.com", "https://e.example:x"],
)  # fmt: skip
def test_signed_requests_leave_this_machine_over_tls_only(url: str) -> None:
    with pytest.raises(ValueError, match=r"endpoint|invalid literal"):
        endpoint("sqs", {"AWS_REGION": "r", "AWS_ENDPOINT_URL": url})


def test_without_a_region_there_is_no_client() -> None:
    for region in ("", "us east", "x.example/"):
        with pytest.raises(ValueError, match="AWS_REGION"):
            endpoint("sqs", {"AWS_REGION": region})


def test_no_function_is_sent_elsewhere_by_the_template() -> None:
    from tests.support import template

    assert "AWS_ENDPOINT_URL" not in template.PATH.read_text(encoding="utf-8")


def lent(party: Party, until: str = "2026-05-04T09:30:00Z", **more: str) -> bytes:
    keys = {"AccessKeyId": "A2", "SecretAccessKey": "S2", "Token": "T2", "Expiration": until}
    return answer({**keys, **more})


def test_keys_are_borrowed_and_renewed_in_time(party: Party) -> None:
    now = [NOW.timestamp()]
    env = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{party.url}/2021-03-23/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "ticket",
    }
    lender = Lender(env, lambda: now[0])
    party.says(lent(party))
    first = lender.keys()
    assert lender.keys() is first == ("A2", "S2", "T2", NOW.timestamp() + 3600)
    assert party.asked[0].startswith(b"GET /2021-03-23/credentials HTTP/1.1\r\n")
    assert b"\r\nAuthorization: ticket\r\n" in party.asked[0]
    now[0] += 2701  # within a quarter of an hour of the end
    party.says(answer(b"", 500))
    assert lender.keys() is first  # not renewed, and still good
    party.says(lent(party, "2026-05-04T12:00:00Z", AccessKeyId="A3"))
    assert lender.keys().access == "A3"
    now[0] += 100_000
    party.says(answer({"Code": "x"}))
    with pytest.raises(AwsSilent, match="no keys"):
        lender.keys()


@pytest.mark.parametrize("url", ["", "http://example.com/c", "http://10.1.2.3/c", "file:///etc/x"])
def test_keys_are_asked_for_nowhere_else(url: str) -> None:
    with pytest.raises(AwsSilent, match="no keys"):
        Lender({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}).keys()


def test_keys_of_the_environment_are_kept() -> None:
    lender = Lender({**KEYS, "AWS_SESSION_TOKEN": "T"})
    assert lender.keys() == ("AKID", "hush-hush", "T", float("inf"))


# ── whole ─────────────────────────────────────────────────────────────────────────────────────


def test_every_operation_is_boto3_s_and_every_call_has_one() -> None:
    known = set()
    for service, found in SERVICES.items():
        client = boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]
        mapping = client.meta.method_to_api_mapping
        made = Client(service, {"AWS_REGION": "us-east-1"}, Lender({}))
        for method in found.operations:
            assert vars(made)[method].args == (mapping[method],)
        metadata = client.meta.service_model.metadata
        assert (found.target, found.version) == (metadata["targetPrefix"], metadata["jsonVersion"])
        known |= set(found.operations)
    called = {
        node.func.attr
        for path in (ROOT / "layers/shared/payvand").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) in {"self._client", "self._kms"}
    }
    assert called <= known and known - called == {"put_events"}  # Announce's own
