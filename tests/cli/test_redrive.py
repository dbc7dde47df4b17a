"""A redrive may double a message; it never loses one."""

from collections.abc import Iterator

import boto3
import moto
import pytest
from botocore.exceptions import ClientError
from mypy_boto3_sqs import SQSClient

from payvand_cli.redrive import redrive_messages


@pytest.fixture
def sqs() -> Iterator[SQSClient]:
    with moto.mock_aws():
        yield boto3.client("sqs", region_name="us-east-1")


@pytest.fixture
def dead(sqs: SQSClient) -> str:
    return sqs.create_queue(QueueName="verify-dead")["QueueUrl"]


@pytest.fixture
def live(sqs: SQSClient) -> str:
    return sqs.create_queue(QueueName="verify")["QueueUrl"]


def bodies(sqs: SQSClient, url: str) -> list[str]:
    found: list[str] = []
    while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        found += [message["Body"] for message in got]
    return sorted(found)


def test_every_message_moves_with_its_attributes(sqs: SQSClient, dead: str, live: str) -> None:
    for number in range(23):
        sqs.send_message(
            QueueUrl=dead,
            MessageBody=f"{number:02}",
            MessageAttributes={"kind": {"DataType": "String", "StringValue": "verify"}},
        )
    assert redrive_messages(sqs, dead, live) == 23
    assert bodies(sqs, dead) == []
    one = sqs.receive_message(QueueUrl=live, MessageAttributeNames=["All"], VisibilityTimeout=0)
    assert one["Messages"][0]["MessageAttributes"]["kind"]["StringValue"] == "verify"
    assert bodies(sqs, live) == [f"{number:02}" for number in range(23)]


def test_an_empty_queue_moves_nothing(sqs: SQSClient, dead: str, live: str) -> None:
    assert redrive_messages(sqs, dead, live) == 0


def test_a_send_that_fails_leaves_the_message_where_it_was(
    sqs: SQSClient, dead: str, live: str
) -> None:
    sqs.send_message(QueueUrl=dead, MessageBody="kept", DelaySeconds=0)
    with pytest.raises(ClientError):
        redrive_messages(sqs, dead, live + "-gone")
    counted = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    assert counted["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert bodies(sqs, live) == []


def test_a_delete_that_fails_leaves_it_twice(
    sqs: SQSClient, dead: str, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs.send_message(QueueUrl=dead, MessageBody="twice")

    def crash(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sqs, "delete_message", crash)
        with pytest.raises(KeyboardInterrupt):
            redrive_messages(sqs, dead, live)
    counted = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    assert counted["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert bodies(sqs, live) == ["twice"]
