"""`payvand redrive`: put a dead-letter queue's messages back into the queue they came from.

Receive and send, because the emulator has no StartMessageMoveTask. A message is deleted only after
its copy is in: a crash in between leaves it twice, never lost, and every worker takes a message
twice without harm.
"""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from payvand_cli.doors import StackName, find_stack
from payvand_cli.show import line, problem
from payvand_cli.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
HIDDEN_S = 30


def redrive_messages(sqs: "SQSClient", dead_url: str, live_url: str) -> int:
    """Move what is in the dead-letter queue now; how many messages that were."""
    counted = sqs.get_queue_attributes(
        QueueUrl=dead_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    # No more than were there at the start: what fails again meanwhile is left for the next run.
    left = int(counted["Attributes"]["ApproximateNumberOfMessages"])
    moved = 0
    while moved < left:
        got = sqs.receive_message(
            QueueUrl=dead_url,
            MaxNumberOfMessages=min(BATCH, left - moved),
            VisibilityTimeout=HIDDEN_S,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not got:
            break
        for message in got:
            sqs.send_message(
                QueueUrl=live_url,
                MessageBody=message["Body"],
                MessageAttributes=message.get("MessageAttributes", {}),
            )
            sqs.delete_message(QueueUrl=dead_url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def find(stack: Stack, queue: str) -> tuple[str, str]:
    """The dead-letter queue and its source, by the source's logical id, name or short name.

    Raises:
        LookupError: with the queues that have one.
    """
    known: dict[str, tuple[str, str]] = {}
    for logical, resource in stack.template["Resources"].items():
        if resource["Type"] != "AWS::SQS::Queue" or logical not in stack.resources:
            continue
        url = stack.resources[logical]
        attributes = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
        policy = attributes.get("Attributes", {}).get("RedrivePolicy")
        if policy:
            dead = json.loads(policy)["deadLetterTargetArn"].rpartition(":")[2]
            known[logical] = stack.sqs.get_queue_url(QueueName=dead)["QueueUrl"], url
    wanted = queue.lower().removesuffix("-dead").removesuffix("deadqueue")
    for logical, pair in known.items():
        name = pair[1].rpartition("/")[2].lower()
        short = name.removeprefix(f"{stack.name}-")
        if wanted in {logical.lower(), logical.lower().removesuffix("queue"), name, short}:
            return pair
    raise LookupError(f"no dead letters for {queue}; there are: {', '.join(sorted(known))}")


def redrive(
    queue: Annotated[str, typer.Argument(help="Queue, e.g. VerifyQueue.")], stack: StackName = ""
) -> None:
    """Put a dead-letter queue's messages back to work."""
    found = find_stack(stack)
    try:
        dead, live = find(found, queue)
    except LookupError as error:
        problem(str(error))
        raise typer.Exit(1) from None
    moved = redrive_messages(found.sqs, dead, live)
    line(f"{moved} message{'' if moved == 1 else 's'} back in {live.rpartition('/')[2]}")
