"""The floor: the same effect with nothing between the event and the socket.

No validation beyond the types needed, no retries, no time-outs, no TLS: not a thing to deploy, but
the least Python can do. `create` is one conditional write; `create_our_calls` makes the calls ours
makes (timer, reference, payment).
"""

import hashlib
import hmac
import json
import os
import socket
import sys
import time

HOST, _, PORT = os.environ["AWS_ENDPOINT_URL"].rpartition("/")[2].partition(":")
KEY = os.environ["AWS_ACCESS_KEY_ID"]
TOKEN = os.environ["AWS_SESSION_TOKEN"]
REGION = os.environ["AWS_REGION"]
TABLE = os.environ["PAYMENTS_TABLE"]
REFERENCES = os.environ["REFERENCES_TABLE"]
QUEUE = os.environ["TIMER_QUEUE"]
PROVIDER = "/" + os.environ["PROVIDER_URL"].split("/", 3)[3]
MERCHANT_ID = os.environ["PROVIDER_MERCHANT"]

_socket = socket.create_connection((HOST, int(PORT)))
_keys: dict[tuple[str, str], bytes] = {}


def _sign(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _signing_key(service: str, date: str) -> bytes:
    found = _keys.get((service, date))
    if found is None:
        key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
        for part in (date, REGION, service, "aws4_request"):
            key = _sign(key, part)
        found = _keys[service, date] = key
    return found


def _exchange(request: bytes) -> tuple[int, bytes]:
    _socket.sendall(request)
    data = _socket.recv(65536)
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _socket.recv(65536)
    at = data.index(b"Content-Length: ") + 16
    length = int(data[at : data.index(b"\r\n", at)])
    parts = [data[end + 4 :]]
    left = length - len(parts[0])
    while left > 0:
        part = _socket.recv(1 << 20)
        parts.append(part)
        left -= len(part)
    return int(data[9:12]), b"".join(parts)


def aws(service: str, target: str, version: str, fields: dict) -> tuple[int, dict]:
    body = json.dumps(fields, separators=(",", ":")).encode()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    date = stamp[:8]
    kind = f"application/x-amz-json-{version}"
    names = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
    canonical = (
        f"POST\n/\n\ncontent-type:{kind}\nhost:{HOST}:{PORT}\nx-amz-date:{stamp}\n"
        f"x-amz-security-token:{TOKEN}\nx-amz-target:{target}\n\n{names}\n"
        + hashlib.sha256(body).hexdigest()
    )
    scope = f"{date}/{REGION}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signature = _sign(
        _signing_key(service, date), f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    ).hex()
    head = (
        f"POST / HTTP/1.1\r\nHost: {HOST}:{PORT}\r\nContent-Type: {kind}\r\nX-Amz-Date: {stamp}\r\n"
        f"X-Amz-Security-Token: {TOKEN}\r\nX-Amz-Target: {target}\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    status, answer = _exchange(head.encode() + body)
    return status, json.loads(answer)


def _dynamodb(operation: str, fields: dict) -> tuple[int, dict]:
    return aws("dynamodb", "DynamoDB_20120810." + operation, "1.0", fields)


def _log(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _item(body: dict, merchant: str) -> dict:
    now = str(int(time.time() * 1000))
    return {
        "pk": {"S": merchant},
        "id": {"S": body["reference"]},
        "status": {"S": "created"},
        "amount": {"N": str(body["amount"])},
        "currency": {"S": body["currency"]},
        "ret": {"S": body["return_url"]},
        "desc": {"S": body["description"]},
        "meta": {"M": {k: {"S": v} for k, v in body["metadata"].items()}},
        "at": {"N": now},
    }


def _answer(item: dict) -> dict:
    view = {
        "id": item["pk"]["S"] + "." + item["id"]["S"],
        "status": item["status"]["S"],
        "amount": int(item["amount"]["N"]),
        "currency": item["currency"]["S"],
        "reference": item["id"]["S"],
    }
    return {
        "statusCode": 201,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(view, separators=(",", ":")),
    }


def create(event: dict, context: object) -> dict:
    body = json.loads(event["body"])
    item = _item(body, event["requestContext"]["authorizer"]["merchant_id"])
    status, answer = _dynamodb(
        "PutItem",
        {
            "TableName": TABLE,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )
    if status != 200:
        if not answer["__type"].endswith("#ConditionalCheckFailedException"):
            raise RuntimeError(answer)
        item = answer["Item"]
        if item["amount"]["N"] != str(body["amount"]):
            return {"statusCode": 409, "body": "{}"}
    _log(route="create", payment=item["id"]["S"], status=201)
    return _answer(item)


def create_our_calls(event: dict, context: object) -> dict:
    body = json.loads(event["body"])
    item = _item(body, event["requestContext"]["authorizer"]["merchant_id"])
    reference = item["pk"]["S"] + "#" + item["id"]["S"]
    status, answer = aws(
        "sqs",
        "AmazonSQS.SendMessage",
        "1.0",
        {
            "QueueUrl": QUEUE,
            "MessageBody": json.dumps({"payment": reference, "due": int(time.time() * 1000)}),
            "DelaySeconds": 300,
        },
    )
    if status != 200:
        raise RuntimeError(answer)
    digest = hashlib.sha256(event["body"].encode()).hexdigest()
    claim = {"pk": {"S": reference}, "payment": {"S": reference}, "hash": {"S": digest}}
    status, answer = _dynamodb(
        "PutItem",
        {
            "TableName": REFERENCES,
            "Item": claim,
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )
    if status != 200:
        key = {"pk": item["pk"], "id": item["id"]}
        status, answer = _dynamodb(
            "GetItem", {"TableName": TABLE, "Key": key, "ConsistentRead": True}
        )
        item = answer["Item"]
    else:
        status, answer = _dynamodb(
            "PutItem",
            {"TableName": TABLE, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"},
        )
    if status != 200:
        raise RuntimeError(answer)
    _log(route="create", payment=item["id"]["S"], status=201)
    return _answer(item)


def callback(event: dict, context: object) -> dict:
    query = event["queryStringParameters"]
    name = query["payment"]
    key = {"pk": {"S": name.rpartition("#")[0]}, "id": {"S": name}}
    _, answer = _dynamodb("GetItem", {"TableName": TABLE, "Key": key, "ConsistentRead": True})
    item = answer["Item"]
    amount = int(item["amount"]["N"])
    asked = {"merchant_id": MERCHANT_ID, "amount": amount, "authority": query["Authority"]}
    body = json.dumps(asked, separators=(",", ":")).encode()
    head = (
        f"POST {PROVIDER}/verify.json HTTP/1.1\r\nHost: {HOST}:{PORT}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    status, raw = _exchange(head.encode() + body)
    found = json.loads(raw)["data"]
    if status != 200 or found["code"] not in {100, 101}:
        raise RuntimeError(raw)
    status, answer = _dynamodb(
        "UpdateItem",
        {
            "TableName": TABLE,
            "Key": key,
            "UpdateExpression": "SET #s = :to, receipt = :r, card = :c",
            "ConditionExpression": "#s = :from",
            "ExpressionAttributeNames": {"#s": "status"},
            "ExpressionAttributeValues": {
                ":to": {"S": "executed"},
                ":from": {"S": "created"},
                ":r": {"S": str(found["ref_id"])},
                ":c": {"S": found["card_pan"]},
            },
        },
    )
    if status != 200:
        raise RuntimeError(answer)
    _log(route="return", payment=name, status=303)
    return {"statusCode": 303, "headers": {"Location": item["ret"]["S"] + "&status=executed"}}


def settle(event: dict, context: object) -> dict:
    """Read a merchant's payments of a day back, sum them, store the sum."""
    message = json.loads(event["Records"][0]["body"])
    request = {
        "TableName": TABLE,
        "ConsistentRead": True,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": message["book"]}},
    }
    count = total = 0
    while True:
        _, page = _dynamodb("Query", request)
        for item in page["Items"]:
            if item["status"]["S"] == "executed":
                count += 1
                total += int(item["amount"]["N"])
        if "LastEvaluatedKey" not in page:
            break
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    sums = {"count": {"N": str(count)}, "total": {"N": str(total)}}
    key = {"pk": {"S": "sum"}, "id": {"S": message["book"]}}
    status, answer = _dynamodb(
        "PutItem",
        {
            "TableName": TABLE,
            "Item": key | sums,
            "ConditionExpression": "attribute_not_exists(pk)",
        },
    )
    if status != 200:
        raise RuntimeError(answer)
    _log(route="settle", count=count, total=total)
    return {"count": count, "total": total}
