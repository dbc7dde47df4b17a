"""The real templates, deployed: what the emulator dropped is there, and the tools reach it."""

import datetime as dt
import json
import time

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from payvand_cli import fire, redrive
from payvand_cli.stack import Stack
from tests.support.local_stack import LocalStack
from tests.support.waiting import until
from tools import before_deploy


def test_every_table_keeps_its_time_to_live_and_recovery(local_stack: LocalStack) -> None:
    stack = local_stack.data
    tables = {
        logical: resource
        for logical, resource in stack.template["Resources"].items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }
    assert tables
    for logical, resource in tables.items():
        name, properties = stack.resources[logical], resource["Properties"]
        wanted = (properties.get("TimeToLiveSpecification") or {}).get("AttributeName")
        ttl = stack.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert ttl.get("AttributeName") == wanted, logical
        backups = stack.dynamodb.describe_continuous_backups(TableName=name)
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert recovery["PointInTimeRecoveryStatus"] == "ENABLED", logical


def test_what_holds_data_is_kept_while_it_is_used(local_stack: LocalStack) -> None:
    cloudformation = local_stack.data.cloudformation
    with pytest.raises(ClientError, match="is imported by stack payvand"):
        cloudformation.delete_stack(StackName=local_stack.data.name)


def test_code_is_not_deployed_over_a_stack_that_holds_its_own_data(
    local_stack: LocalStack, bare_emulator: Stack
) -> None:
    assert "PaymentsTable" in before_deploy.holding(local_stack.data)
    assert not before_deploy.holding(local_stack.stack)
    assert not before_deploy.holding(bare_emulator), "nothing there yet"


def test_settlement_looks_every_quarter_of_an_hour(local_stack: LocalStack) -> None:
    found = fire.find(local_stack.stack, "SettleSchedule")
    assert found["ScheduleExpression"] == "cron(0/15 * * * ? *)"
    assert found["State"] == "ENABLED"


def test_an_unknown_path_and_a_missing_key_are_problems(local_stack: LocalStack) -> None:
    unknown = httpx.get(f"{local_stack.url}/nowhere")
    assert unknown.status_code == 404
    assert unknown.headers["content-type"] == "application/problem+json"
    assert unknown.json()["code"] == "not_found"
    keyless = httpx.get(f"{local_stack.url}/payments")
    assert keyless.status_code == 401
    assert keyless.json()["code"] == "unauthenticated"


def test_every_function_has_its_log_group_and_no_other(local_stack: LocalStack) -> None:
    stack = local_stack.stack
    functions = {
        stack.resources[logical]
        for logical, resource in stack.template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    pages = stack.logs.get_paginator("describe_log_groups")
    groups = {group["logGroupName"] for page in pages.paginate() for group in page["logGroups"]}
    assert groups == {f"/aws/lambda/{name}" for name in functions}


def test_metrics_in_the_log_become_metrics(local_stack: LocalStack) -> None:
    """The reference counts nothing, so this plants a line where its own would be."""
    stack = local_stack.stack
    group, name = f"/aws/lambda/{stack.name}-reference", f"planted-{time.time_ns()}"
    line = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": name, "Dimensions": [[]], "Metrics": [{"Name": "Planted"}]}
            ],
        },
        "Planted": 1,
    }
    stack.logs.create_log_stream(logGroupName=group, logStreamName=name)
    stack.logs.put_log_events(
        logGroupName=group,
        logStreamName=name,
        logEvents=[{"timestamp": int(time.time() * 1000), "message": json.dumps(line)}],
    )
    until(lambda: bool(stack.cloudwatch.list_metrics(Namespace=name)["Metrics"]), 20)


def test_a_schedule_is_fired_with_its_own_input(local_stack: LocalStack) -> None:
    assert fire.run(local_stack.stack, "settle", dt.datetime.now(dt.UTC))
    with pytest.raises(LookupError, match="SettleSchedule"):
        fire.find(local_stack.stack, "nothing")


def test_every_working_queue_has_dead_letters_that_can_be_redriven(
    local_stack: LocalStack,
) -> None:
    stack = local_stack.stack
    queues = [
        logical
        for logical, resource in stack.template["Resources"].items()
        if resource["Type"] == "AWS::SQS::Queue" and not logical.endswith("DeadQueue")
    ]
    assert queues
    for logical in queues:
        dead, live = redrive.find(stack, logical)
        assert live == stack.resources[logical]
        assert dead != live
        assert redrive.find(stack, logical.removesuffix("Queue").lower()) == (dead, live)
    with pytest.raises(LookupError, match="there are:"):
        redrive.find(stack, "nothing")


def test_nobody_is_let_in_without_a_permission(local_stack: LocalStack) -> None:
    """IAM is on: a role the template does not trust with a table gets nothing from it."""
    stack = local_stack.stack
    role = stack.iam.get_role(RoleName=stack.resources["ReferenceRole"])["Role"]["Arn"]
    session = stack.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    client = boto3.client(
        "dynamodb",
        endpoint_url=stack.endpoint,
        region_name="us-east-1",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        client.get_item(TableName=stack.outputs["KeysTable"], Key={"hash": {"S": "x"}})
