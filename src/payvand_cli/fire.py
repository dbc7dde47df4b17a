"""`payvand fire`: run a schedule's target now, with the input it would get."""

import contextlib
import datetime as dt
import json
import uuid
from typing import Annotated, Any

import typer

from payvand_cli.handle import opened
from payvand_cli.show import line, problem
from payvand_cli.stack import Stack


def substituted(text: str, schedule_arn: str, at: dt.datetime) -> str:
    """The input with the values Scheduler fills in."""
    values = {
        "schedule-arn": schedule_arn,
        "scheduled-time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "execution-id": str(uuid.uuid4()),
        "attempt-number": "1",
    }
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def find(stack: Stack, schedule: str) -> dict[str, Any]:
    """A schedule by logical id or by name, whichever fits.

    Raises:
        LookupError: with the names there are.
    """
    templates = stack.template["Resources"]
    known = {
        logical: physical
        for logical, physical in stack.resources.items()
        if templates.get(logical, {}).get("Type") == "AWS::Scheduler::Schedule"
    }
    wanted = schedule.lower()
    for logical, physical in known.items():
        name = physical.lower()
        short = {logical.lower().removesuffix("schedule"), name.removeprefix(f"{stack.name}-")}
        if wanted in {logical.lower(), name} | short:
            return dict(stack.scheduler.get_schedule(Name=physical))
    raise LookupError(f"no schedule {schedule}; there are: {', '.join(sorted(known)) or 'none'}")


def run(stack: Stack, schedule: str, at: dt.datetime) -> str:
    """Run the target once; what it answered.

    Raises:
        LookupError: no such schedule.
        RuntimeError: the target failed.
    """
    found = find(stack, schedule)
    target: dict[str, Any] = found["Target"]
    payload = substituted(target.get("Input", "{}"), found["Arn"], at)
    service: str = target["Arn"].split(":")[2]
    if service == "lambda":
        reply = stack.functions.invoke(FunctionName=target["Arn"], Payload=payload.encode())
        answer: str = reply["Payload"].read().decode()
        if reply.get("FunctionError"):
            raise RuntimeError(answer)
        return answer
    if service == "sqs":
        name = target["Arn"].rpartition(":")[2]
        url = stack.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return f"sent {stack.sqs.send_message(QueueUrl=url, MessageBody=payload)['MessageId']}"
    raise RuntimeError(f"targets of {service} are not known here")


def fire(schedule: Annotated[str, typer.Argument(help="Logical id or name.")]) -> None:
    """Run a schedule now."""
    try:
        answer = run(opened().stack, schedule, dt.datetime.now(dt.UTC))
    except (LookupError, RuntimeError) as error:
        problem(str(error))
        raise typer.Exit(1) from None
    with contextlib.suppress(ValueError):
        answer = json.dumps(json.loads(answer), indent=2, ensure_ascii=False)
    line(answer)
