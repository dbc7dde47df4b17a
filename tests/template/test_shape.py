"""The templates' shape: rooms, functions and their folders, queues, tables, sources, schedule."""

import re
from typing import Any, Final

import pytest

from payvand import calendar, resolve
from payvand.events import TYPES
from tests.support import template
from tests.support.grants import listed

ROOT: Final = template.PATH.parent
TEXT: Final = template.PATH.read_text(encoding="utf-8")
DATA_TEXT: Final = template.DATA_PATH.read_text(encoding="utf-8")
ROOMS: Final = ("EDGE", "PAYMENTS", "TELLING", "SETTLEMENT", "LAB", "WATCH")
DATA_ROOMS: Final = ("TABLES", "FILES", "KEYS", "SECRETS")
ROOM_LINES_MAX: Final = 450
LINES_MAX: Final = 2_200
DATA_LINES_MAX: Final = 1_200
"""ADR 0024: no lifecycle is left to split the code's template by, so its rooms stay short."""
PUBLIC: Final = {
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/pay/{id}"),
    ("POST", "/pay/{id}"),
    ("POST", "/pay/{id}/cancel"),
    ("GET", "/psp/{channel}/return"),
    ("POST", "/psp/{channel}/return"),
    ("POST", "/psp/{channel}/notify"),
    ("GET", "/lab"),
    ("POST", "/lab"),
    ("GET", "/lab/{proxy+}"),
    ("POST", "/lab/{proxy+}"),
}
"""What answers without a key: pages, channel doors, the reference, the lab."""
LAMBDA_TIMES: Final = 6
"""A message stays hidden this many function time-outs, as AWS advises."""

WORKERS: Final = template.queue_workers()
QUEUES: Final = template.resources("AWS::SQS::Queue")
TABLES: Final = template.resources("AWS::DynamoDB::Table")


def test_rooms_stand_in_order() -> None:
    for text, rooms in ((TEXT, ROOMS), (DATA_TEXT, DATA_ROOMS)):
        assert tuple(re.findall(r"^  # ── ([A-Z]+):", text, re.MULTILINE)) == rooms


def test_a_room_is_read_in_one_sitting_and_a_template_in_a_few() -> None:
    _, *rooms = re.split(r"^  # ── [A-Z]+:", TEXT, flags=re.MULTILINE)
    assert max(room.count("\n") for room in rooms) <= ROOM_LINES_MAX
    assert TEXT.count("\n") <= LINES_MAX
    assert DATA_TEXT.count("\n") <= DATA_LINES_MAX


def test_every_folder_is_deployed_and_every_function_has_one() -> None:
    folders = {p.parent.name for p in (ROOT / "functions").glob("*/handler.py")}
    deployed = {template.folder(name): name for name in template.functions()}
    assert deployed.keys() == folders
    for folder, name in deployed.items():
        properties = template.functions()[name]
        assert properties["Handler"] == f"functions.{folder}.handler.lambda_handler"
        assert properties["FunctionName"] == {"Sub": f"${{AWS::StackName}}-{folder}"}
        assert name == "".join(part.capitalize() for part in folder.split("_"))


def test_routes_without_a_key_are_exactly_these() -> None:
    assert {(r.method, r.path) for r in template.routes() if r.public} == PUBLIC
    assert not [r for r in template.routes() if not r.public and r.function == "Lab"]


def test_every_function_keeps_its_logs_90_days() -> None:
    groups = template.resources("AWS::Logs::LogGroup").values()
    kept = {g["LogGroupName"]["Sub"]: g["RetentionInDays"] for g in groups}
    names = [p["FunctionName"]["Sub"] for p in template.functions().values()]
    assert kept == {f"/aws/lambda/{name}": 90 for name in names}


@pytest.mark.parametrize("name", [name for name in QUEUES if not name.endswith("DeadQueue")])
def test_a_queue_gives_its_worker_time_and_its_dead_letters_a_place(name: str) -> None:
    queue, dead = QUEUES[name], name.replace("Queue", "DeadQueue")
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"GetAtt": f"{dead}.Arn"}
    assert queue["RedrivePolicy"]["maxReceiveCount"] > 1
    assert QUEUES[dead]["MessageRetentionPeriod"] >= queue["MessageRetentionPeriod"]
    worker, _ = WORKERS[name]
    timeout_s = template.functions()[worker].get("Timeout", _globals()["Timeout"])
    assert queue["VisibilityTimeout"] >= LAMBDA_TIMES * timeout_s


def test_who_gives_money_back_is_ended_before_the_next_may_ask() -> None:
    """A channel without refund keys is asked by one at a time; only the time-out ends a turn."""
    asking = [
        name
        for name in template.functions()
        for source in (ROOT / "functions" / template.folder(name)).rglob("*.py")
        if "payvand.resolve" in source.read_text(encoding="utf-8")
    ]
    assert {"Refund", "PspCallback", "PaymentVerify", "PaymentTimer"} <= set(asking)
    for name in asking:
        timeout_s = template.functions()[name].get("Timeout", _globals()["Timeout"])
        assert timeout_s <= resolve.LIFE_MAX_S


def test_every_queue_is_encrypted_and_every_dead_letter_belongs_to_a_queue() -> None:
    assert all(queue["SqsManagedSseEnabled"] is True for queue in QUEUES.values())
    assert len(QUEUES) == 2 * len(WORKERS)


def test_queues_report_each_message_and_streams_start_at_the_beginning() -> None:
    for source in template.resources("AWS::Lambda::EventSourceMapping").values():
        if source["EventSourceArn"]["GetAtt"].endswith(".StreamArn"):
            # Announce raises for the whole batch: it is told again, in order, with the same ids.
            assert source["StartingPosition"] == "TRIM_HORIZON"
            assert "FunctionResponseTypes" not in source
        else:
            assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize("name", TABLES)
def test_tables_can_be_restored_and_money_outlives_the_stack(name: str) -> None:
    table, kept = TABLES[name], name != "LabTable"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert _policies(name) == ({"Retain"} if kept else {"Delete"})
    protected = {"If": ["InCloud", True, False]} if kept else None
    assert table.get("DeletionProtectionEnabled") == protected


@pytest.mark.parametrize(
    "name", ["FilesBucket", "DataKey", *template.resources("AWS::SecretsManager::Secret")]
)
def test_files_keys_and_secrets_outlive_the_stack(name: str) -> None:
    assert _policies(name) == {"Retain"}


def test_no_item_of_a_money_table_expires() -> None:
    expiring = {name for name, table in TABLES.items() if "TimeToLiveSpecification" in table}
    assert expiring == {"WebhooksTable"}


def test_streams_are_where_changes_are_announced_from() -> None:
    streamed = {name for name, table in TABLES.items() if "StreamSpecification" in table}
    assert streamed == {"PaymentsTable", "SettlementTable"}


def test_the_bus_hands_every_event_to_the_merchant() -> None:
    (rule,) = template.resources("AWS::Events::Rule").values()
    pattern = rule["EventPattern"]
    assert pattern["source"] == ["payvand"]
    prefixes = tuple(entry["prefix"] for entry in pattern["detail-type"])
    assert all(name.startswith(prefixes) for name in TYPES)
    (target,) = rule["Targets"]
    assert target["Arn"] == {"GetAtt": "NotifyQueue.Arn"}
    assert target["DeadLetterConfig"]["Arn"] == {"GetAtt": "NotifyDeadQueue.Arn"}


def test_the_day_ends_when_the_calendar_says() -> None:
    schedule = template.resources("AWS::Scheduler::Schedule")["SettleSchedule"]
    assert schedule["ScheduleExpression"] == "cron(0/15 * * * ? *)"
    cut_offs = [p.cut_off for c in calendar.currencies().values() for p in c.profiles]
    assert all(at.minute % 15 == at.second == 0 for at in cut_offs)
    assert calendar.GRACE_S > 15 * 60, "a tick comes before the day may be sealed"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["Target"]["DeadLetterConfig"]["Arn"] == {"GetAtt": "SettleDeadQueue.Arn"}


def test_the_schedules_may_do_what_they_do_and_no_more() -> None:
    """The emulator lets Scheduler do what it likes, so no deployed stack would notice."""
    role = template.resources("AWS::IAM::Role")["ScheduleRole"]
    allowed = {
        (action, resource["GetAtt"])
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }
    targets = [s["Target"] for s in template.resources("AWS::Scheduler::Schedule").values()]
    assert {target["RoleArn"]["GetAtt"] for target in targets} == {"ScheduleRole.Arn"}
    needed = [t["Arn"]["GetAtt"] for t in targets]
    needed += [t["DeadLetterConfig"]["Arn"]["GetAtt"] for t in targets]
    assert allowed == {("sqs:SendMessage", name) for name in needed}


def test_parts_of_the_cloud_alone_say_why() -> None:
    alone = {n for n, r in template.template()["Resources"].items() if "Condition" in r}
    assert alone == {"FilesBucketPolicy"}
    assert re.search(r"^    Condition: InCloud # \w", DATA_TEXT, re.MULTILINE)


def _globals() -> dict[str, Any]:
    found: dict[str, Any] = template.template()["Globals"]["Function"]
    return found


def _policies(name: str) -> set[str]:
    resource = template.template()["Resources"][name]
    return {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")}
