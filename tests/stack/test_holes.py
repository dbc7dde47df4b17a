"""One test for each hole of the emulator that something here works around.

A failure is good news: the hole is closed in this version, and the place named in the test can go.
"""

import io
import json
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any, Literal

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from payvand_cli import paths
from payvand_cli.stack import Stack
from tests.support.waiting import until

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    },
}
DEADLINE_S = 8.0


def create(stack: Stack, name: str, resources: dict[str, Any]) -> Stack:
    """A small stack of its own."""
    made = Stack(stack.endpoint, name)
    made.cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps({"Resources": resources}),
        Capabilities=["CAPABILITY_IAM"],
    )
    until(lambda: not status(made).endswith("IN_PROGRESS"), DEADLINE_S)
    assert status(made) == "CREATE_COMPLETE"
    return made


def status(stack: Stack) -> str:
    """Where the stack's creation is."""
    return stack.cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]["StackStatus"]


def function(stack: Stack, name: str, code: str) -> None:
    """A function of one file, without a stack."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("index.py", code)
    role = stack.iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"})
    )
    stack.functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": zipped.getvalue()},
        Timeout=10,
    )


def asked_through_api(
    stack: Stack, kind: Literal["AWS_PROXY", "HTTP_PROXY"], uri: str
) -> tuple[int, bytes]:
    """The answer of a fresh API to a caller who claims to be 9.9.9.9."""
    gateway = stack.apigateway
    api = gateway.create_rest_api(name="asked")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(
        restApiId=api,
        resourceId=root,
        httpMethod="GET",
        type=kind,
        integrationHttpMethod="POST" if kind == "AWS_PROXY" else "GET",
        uri=uri,
    )
    gateway.create_deployment(restApiId=api, stageName="v1")
    reply = httpx.get(
        f"{stack.endpoint}/restapis/{api}/v1/_user_request_/",
        headers={"X-Forwarded-For": "9.9.9.9"},
    )
    return reply.status_code, reply.content


def messages(stack: Stack, name: str) -> list[dict[str, Any]]:
    """The function's log lines."""
    try:
        found = stack.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    except stack.logs.exceptions.ResourceNotFoundException:
        return []
    return [dict(event) for event in found]


def test_tables_lose_time_to_live_and_recovery(bare_emulator: Stack) -> None:
    """`overlay.table`."""
    table = create(bare_emulator, "ttl", {"Table": TABLE}).resources["Table"]
    ttl = bare_emulator.dynamodb.describe_time_to_live(TableName=table)
    assert ttl["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    backups = bare_emulator.dynamodb.describe_continuous_backups(TableName=table)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "DISABLED"


def test_schedules_lose_their_time_zone(bare_emulator: Stack) -> None:
    """`overlay.schedule`."""
    target = {"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "RoleArn": "arn:aws:iam::0:role/r"}
    properties = {
        "ScheduleExpression": "cron(30 16 * * ? *)",
        "ScheduleExpressionTimezone": "Asia/Tehran",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    resource = {"Type": "AWS::Scheduler::Schedule", "Properties": properties}
    made = create(bare_emulator, "zone", {"Daily": resource})
    found = bare_emulator.scheduler.get_schedule(Name=made.resources["Daily"])
    assert found["ScheduleExpression"] == "cron(30 16 * * ? *)"
    assert found.get("ScheduleExpressionTimezone", "UTC") == "UTC"


def test_rest_apis_lose_most_of_their_openapi(bare_emulator: Stack) -> None:
    """`overlay.RestApi`."""
    uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/x/invocations"
    proxy = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {
            "default": {
                "statusCode": "200",
                "responseParameters": {"method.response.header.X-A": "'b'"},
            }
        },
    }
    body = {
        "openapi": "3.0.1",
        "info": {"title": "t", "version": "1"},
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True}},
        "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"statusCode": "418"}},
        "components": {"schemas": {"Thing": {"type": "object"}}},
        "paths": {
            "/things": {
                "post": {
                    "x-amazon-apigateway-integration": proxy,
                    "x-amazon-apigateway-request-validator": "all",
                    "parameters": [
                        {
                            "name": "X-B",
                            "in": "header",
                            "required": True,
                            "schema": {"type": "string"},
                        }
                    ],
                    "requestBody": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                        }
                    },
                },
                "options": {"x-amazon-apigateway-integration": mock},
            },
            "/any": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": proxy}},
        },
    }
    resource = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "t", "Body": body}}
    made = create(bare_emulator, "openapi", {"Api": resource})
    gateway, api = bare_emulator.apigateway, made.resources["Api"]
    assert [
        m["name"] for m in gateway.get_models(restApiId=api)["items"] if m["name"] == "Thing"
    ] == []
    assert gateway.get_request_validators(restApiId=api)["items"] == []
    found = {r["path"]: r for r in gateway.get_resources(restApiId=api)["items"]}
    assert "ANY" not in found["/any"].get("resourceMethods", {})
    post = gateway.get_method(restApiId=api, resourceId=found["/things"]["id"], httpMethod="POST")
    assert not post.get("requestParameters")
    assert not post.get("requestModels")
    answers = gateway.get_gateway_responses(restApiId=api)["items"]
    assert "418" not in {answer.get("statusCode") for answer in answers}
    options = gateway.get_method(
        restApiId=api, resourceId=found["/things"]["id"], httpMethod="OPTIONS"
    )
    assert not options.get("methodIntegration", {}).get("integrationResponses")


def test_the_caller_says_where_it_comes_from_and_nobody_asks_who_may_invoke(
    bare_emulator: Stack,
) -> None:
    """`front.passed_on`; and only handlers' own calls can prove permissions here.

    The emulator believes the first X-Forwarded-For, and its API invokes a function that no
    `AWS::Lambda::Permission` opened to it.
    """
    code = (
        "def handler(event, context):\n"
        "    return {'statusCode': 200, 'body': event['requestContext']['identity']['sourceIp']}"
    )
    function(bare_emulator, "source", code)
    arn = "arn:aws:lambda:us-east-1:000000000000:function:source"
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    assert asked_through_api(bare_emulator, "AWS_PROXY", uri) == (200, b"9.9.9.9")


def test_dead_letters_cannot_be_moved_back(bare_emulator: Stack) -> None:
    """`redrive` receives and sends instead."""
    dead = bare_emulator.sqs.create_queue(QueueName="dead")["QueueUrl"]
    attributes = bare_emulator.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    with pytest.raises(ClientError):
        bare_emulator.sqs.start_message_move_task(SourceArn=attributes["Attributes"]["QueueArn"])


def test_embedded_metrics_stay_in_the_log_and_lines_have_no_id(bare_emulator: Stack) -> None:
    """`metrics.forward`, and the way `logs.Reader` tells lines apart."""
    line = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": "Hole", "Dimensions": [[]], "Metrics": [{"Name": "n"}]}
            ],
        },
        "n": 1,
    }
    code = f"import json\ndef handler(event, context):\n    print(json.dumps({line!r}))"
    function(bare_emulator, "metrics", code)
    bare_emulator.functions.invoke(FunctionName="metrics")
    until(
        lambda: any('"_aws"' in event["message"] for event in messages(bare_emulator, "metrics")),
        DEADLINE_S,
    )
    assert bare_emulator.cloudwatch.list_metrics(Namespace="Hole")["Metrics"] == []
    assert all("eventId" not in event for event in messages(bare_emulator, "metrics"))


def test_streams_lose_the_records_a_handler_reports_as_failed(bare_emulator: Stack) -> None:
    """`announce` raises instead of reporting, and only relays."""
    allowed = {
        "PolicyName": "p",
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}],
        },
    }
    code = (
        "def handler(event, context):\n"
        "    ids = [r['dynamodb']['SequenceNumber'] for r in event['Records']]\n"
        "    print('got', [r['dynamodb']['Keys']['pk']['S'] for r in event['Records']])\n"
        "    return {'batchItemFailures': [{'itemIdentifier': i} for i in ids]}"
    )
    resources = {
        "Table": TABLE,
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": TRUST, "Policies": [allowed]},
        },
        "Relay": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "relay",
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": code},
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "Relay"},
                "EventSourceArn": {"Fn::GetAtt": ["Table", "StreamArn"]},
                "StartingPosition": "TRIM_HORIZON",
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
    }
    made = create(bare_emulator, "stream", resources)

    def put(key: str) -> None:
        bare_emulator.dynamodb.put_item(TableName=made.resources["Table"], Item={"pk": {"S": key}})

    def got() -> list[str]:
        return [m["message"] for m in messages(bare_emulator, "relay") if "got" in m["message"]]

    put("a")
    until(lambda: len(got()) == 1, DEADLINE_S)
    put("b")
    until(lambda: any("'b'" in text for text in got()), DEADLINE_S)
    # Where partial failure works, `a` comes again before or with `b`.
    assert sum("'a'" in text for text in got()) == 1


def test_generated_secrets_hold_punctuation_and_go_by_their_name(bare_emulator: Stack) -> None:
    """Policies name secrets by GetAtt Id, and nobody puts one through a shell."""
    secret = {
        "Type": "AWS::SecretsManager::Secret",
        "Properties": {"GenerateSecretString": {"PasswordLength": 200, "ExcludePunctuation": True}},
    }
    made = create(bare_emulator, "secret", {"Secret": secret})
    assert not made.resources["Secret"].startswith("arn:")
    value = bare_emulator.secrets.get_secret_value(SecretId=made.resources["Secret"])
    assert not value["SecretString"].isalnum()


@pytest.mark.parametrize(
    "kind",
    ["AWS::WAFv2::WebACLAssociation", "AWS::CodeDeploy::Application", "AWS::XRay::Group"],
)
def test_some_types_cannot_be_deployed(bare_emulator: Stack, kind: str) -> None:
    """They stand behind a condition in the template."""
    name = kind.replace("::", "-").lower()
    with pytest.raises((AssertionError, ClientError)):
        create(bare_emulator, name, {"It": {"Type": kind, "Properties": {}}})


def test_what_it_does_enforce_is_what_roles_may_do(bare_emulator: Stack) -> None:
    """Not a hole but the ground the permission tests stand on."""
    code = "import boto3\ndef handler(event, context):\n    boto3.client('sqs').list_queues()"
    function(bare_emulator, "denied", code)
    reply = bare_emulator.functions.invoke(FunctionName="denied")
    assert "AccessDenied" in reply["Payload"].read().decode()


def test_batches_have_actions_of_their_own() -> None:
    """`guard.emulator_only`; AWS asks for sqs:SendMessage. Without the guard, to see the hole."""
    code = (
        "from ministack.core.iam_actions import extract_iam_action as e\n"
        "print(e('sqs', 'POST', '/', {'x-amz-target': 'AmazonSQS.SendMessageBatch'}, b'', {}))"
    )
    plain = subprocess.run(
        [paths.EMULATOR_PYTHON, "-c", code], capture_output=True, text=True, check=True
    )
    assert plain.stdout == "sqs:SendMessageBatch\n"


def test_nobody_says_whose_item_a_request_is_about() -> None:
    """`guard.emulator_only`; AWS knows dynamodb:LeadingKeys. Without the guard, to see the hole."""
    body = b'{"TableName": "t", "Item": {"id": {"S": "mer_1"}}}'
    code = "from ministack.core.iam_actions import dynamodb_service_context as c; print(c(%r))"
    plain = subprocess.run(
        [paths.EMULATOR_PYTHON, "-c", code % body], capture_output=True, text=True, check=True
    )
    assert "LeadingKeys" not in plain.stdout


def test_who_may_put_one_item_puts_no_other(bare_emulator: Stack) -> None:
    """The same with the guard."""
    bare_emulator.dynamodb.create_table(
        TableName="whose",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    code = (
        "import boto3\ndef handler(event, context):\n"
        "    put = boto3.client('dynamodb').put_item\n"
        "    return put(TableName='whose', Item={'id': {'S': event}})['ResponseMetadata']\\\n"
        "        ['HTTPStatusCode']"
    )
    function(bare_emulator, "whose", code)
    allowed = {
        "Effect": "Allow",
        "Action": "dynamodb:PutItem",
        "Resource": "*",
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}},
    }
    bare_emulator.iam.put_role_policy(
        RoleName="whose",
        PolicyName="put",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )

    def put(whose: str) -> bytes:
        answer = bare_emulator.functions.invoke(
            FunctionName="whose", Payload=json.dumps(whose).encode()
        )
        return answer["Payload"].read()

    assert put("mine") == b"200"
    assert b"AccessDenied" in put("another")


def test_who_may_send_may_send_batches(bare_emulator: Stack) -> None:
    """The same with the guard: as on AWS, both ways."""
    queue = bare_emulator.sqs.create_queue(QueueName="batches")["QueueUrl"]
    code = (
        "import boto3\ndef handler(event, context):\n"
        f"    at = dict(QueueUrl={queue!r}, Entries=[dict(Id='1', MessageBody='x')])\n"
        "    return len(boto3.client('sqs').send_message_batch(**at)['Successful'])"
    )
    function(bare_emulator, "batches", code)
    allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    reply = bare_emulator.functions.invoke(FunctionName="batches")["Payload"].read()
    assert b"AccessDenied" in reply
    bare_emulator.iam.put_role_policy(
        RoleName="batches",
        PolicyName="send",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    reply = bare_emulator.functions.invoke(FunctionName="batches")["Payload"].read()
    assert reply == b"1"


def test_workers_share_one_unpacked_layer(bare_emulator: Stack) -> None:
    """`guard.emulator_only`; the emulator unpacks it for each worker."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("python/heavy.py", f"SIZE = {1_100_000}\n#" + "x" * 1_100_000)
    layer = bare_emulator.functions.publish_layer_version(
        LayerName="heavy", Content={"ZipFile": zipped.getvalue()}
    )["LayerVersionArn"]
    code = (
        "import heavy, os\n"
        "def handler(event, context):\n    return [heavy.SIZE, os.stat(heavy.__file__).st_ino]"
    )
    seen = []
    for name in ("shares-a", "shares-b"):
        function(bare_emulator, name, code)
        bare_emulator.functions.update_function_configuration(FunctionName=name, Layers=[layer])
        reply = bare_emulator.functions.invoke(FunctionName=name)["Payload"].read()
        seen.append(json.loads(reply))
    assert seen[0] == seen[1], "one file on disk"
    assert seen[0][0] == 1_100_000


def test_handlers_cannot_leave_this_machine(bare_emulator: Stack) -> None:
    """The guard reaches workers through the emulator's environment."""
    code = (
        "import socket\ndef handler(event, context):\n"
        "    socket.create_connection(('192.0.2.1', 80), 1)"
    )
    function(bare_emulator, "outward", code)
    reply = bare_emulator.functions.invoke(FunctionName="outward")
    assert "refused, only this machine" in reply["Payload"].read().decode()
    until(
        lambda: any("refused" in e["message"] for e in messages(bare_emulator, "outward")),
        DEADLINE_S,
    )


def test_the_emulator_cannot_leave_this_machine_either(
    bare_emulator: Stack, bare_log: Path
) -> None:
    """It delivers to HTTP endpoints itself; none but local ones are reached."""
    code, _ = asked_through_api(bare_emulator, "HTTP_PROXY", "http://192.0.2.1/")
    assert code >= 500
    assert "192.0.2.1' refused, only this machine" in bare_log.read_text()


def test_the_session_is_bounded() -> None:
    """Tests cannot reach out either: this one is proof that the plugin is on."""
    with pytest.raises(Exception, match=r"192\.0\.2\.1"):
        boto3.client("sqs", endpoint_url="http://192.0.2.1").list_queues()
