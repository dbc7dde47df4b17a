"""Give the deployed stack what the emulator's CloudFormation drops.

In: a deployed stack. Out: one line per thing done. Public AWS calls only, idempotent, run after
each deploy. `tests/stack/test_holes.py` proves that each hole is still there; when one closes,
its part here can go.
"""

import datetime as dt
import json
import re
import zoneinfo
from collections.abc import Iterator
from typing import Any

from payvand_cli.stack import ACCOUNT, REGION, Stack

VERBS = {"get", "put", "post", "delete", "patch", "head", "options"}
ANY = "x-amazon-apigateway-any-method"
PLACES = {"header": "header", "query": "querystring", "path": "path"}
DAY_MIN = 24 * 60
WORKERS_PER_QUEUE = 2
"""The least AWS lets a queue's mapping have."""


def apply(stack: Stack) -> list[str]:
    """Close every hole the template's resources meet."""
    done: list[str] = []
    for logical, resource in stack.template["Resources"].items():
        if logical not in stack.resources:
            continue  # its condition is false here
        physical, properties = stack.resources[logical], resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::DynamoDB::Table":
                done += table(stack, physical, properties)
            case "AWS::Lambda::EventSourceMapping":
                done += mapping(stack, physical)
            case "AWS::Scheduler::Schedule":
                done += schedule(stack, physical, properties)
            case "AWS::ApiGateway::RestApi":
                done += RestApi(stack, physical, properties.get("Body") or {}).complete()
    return done


def table(stack: Stack, name: str, properties: dict[str, Any]) -> Iterator[str]:
    """Time to live and point-in-time recovery."""
    ttl = properties.get("TimeToLiveSpecification") or {}
    if ttl.get("Enabled"):
        state = stack.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if state["TimeToLiveStatus"] == "DISABLED":
            stack.dynamodb.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": ttl["AttributeName"]},
            )
            yield f"{name}: time to live"
    recovery = properties.get("PointInTimeRecoverySpecification") or {}
    if recovery.get("PointInTimeRecoveryEnabled"):
        stack.dynamodb.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
        yield f"{name}: point-in-time recovery"


def mapping(stack: Stack, id: str) -> Iterator[str]:
    """A queue's worker, two at once: the emulator starts five, each a process, on two cores."""
    found = stack.functions.get_event_source_mapping(UUID=id)
    if ":sqs:" in found["EventSourceArn"] and not found.get("ScalingConfig"):
        stack.functions.update_event_source_mapping(
            UUID=id, ScalingConfig={"MaximumConcurrency": WORKERS_PER_QUEUE}
        )
        queue = found["EventSourceArn"].rpartition(":")[2]
        yield f"{queue}: {WORKERS_PER_QUEUE} workers at once"


def schedule(stack: Stack, name: str, properties: dict[str, Any]) -> Iterator[str]:
    """The schedule's time zone, as a shift to UTC."""
    zone = properties.get("ScheduleExpressionTimezone") or "UTC"
    wanted = to_utc(properties["ScheduleExpression"], zone)
    group = properties.get("GroupName", "default")
    now = stack.scheduler.get_schedule(Name=name, GroupName=group)
    if zone == "UTC" or now["ScheduleExpression"] == wanted:
        return
    stack.scheduler.update_schedule(
        Name=name,
        GroupName=group,
        ScheduleExpression=wanted,
        ScheduleExpressionTimezone="UTC",
        FlexibleTimeWindow=now["FlexibleTimeWindow"],
        Target=now["Target"],
        State=now["State"],
        Description=f"{properties['ScheduleExpression']} {zone}",
    )
    yield f"{name}: {properties['ScheduleExpression']} {zone} is {wanted} UTC"


def to_utc(expression: str, zone: str) -> str:
    """The same instants as a UTC expression, for a zone whose offset never changes.

    Raises:
        ValueError: the shift cannot be said in one cron expression, or the zone's clocks change.
    """
    offset = fixed_offset(zone)
    if not offset or expression.startswith("rate("):
        return expression
    if expression.startswith("at("):
        moment = dt.datetime.fromisoformat(expression[3:-1]) - offset
        return f"at({moment.isoformat()})"
    fields = re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)", expression)
    if not fields:
        raise ValueError(f"not a schedule expression: {expression}")
    minute, hours, *days = fields.groups()
    if not minute.isdigit() or not re.fullmatch(r"\d+(,\d+)*|\*", hours):
        raise ValueError(f"cannot shift {expression}: minute and hours must be plain numbers")
    shift = int(offset.total_seconds() // 60)
    if hours == "*":
        return f"cron({(int(minute) - shift) % 60} * {' '.join(days)})"
    at = [divmod(int(hour) * 60 + int(minute) - shift, DAY_MIN) for hour in hours.split(",")]
    crosses = any(day for day, _ in at)
    if crosses and (days[0], days[2]) not in {("*", "?"), ("?", "*")}:
        raise ValueError(f"cannot shift {expression}: it crosses midnight and names days")
    shifted = ",".join(str(of_day // 60) for _, of_day in at)
    return f"cron({at[0][1] % 60} {shifted} {' '.join(days)})"


def fixed_offset(zone: str) -> dt.timedelta:
    """The zone's offset from UTC.

    Raises:
        ValueError: summer and winter differ this year or next.
    """
    here, year = zoneinfo.ZoneInfo(zone), dt.datetime.now(dt.UTC).year
    seen = {
        dt.datetime(y, month, 1, tzinfo=here).utcoffset()
        for y in (year, year + 1)
        for month in range(1, 13)
    }
    if len(seen) != 1 or None in seen:
        raise ValueError(f"cannot shift {zone}: its clocks change")
    return seen.pop() or dt.timedelta()


class RestApi:
    """The parts of an OpenAPI body that importing leaves out, put back method by method."""

    def __init__(self, stack: Stack, api: str, body: dict[str, Any]) -> None:
        self.api, self.body, self.stack = api, body, stack
        self.gateway = stack.apigateway
        self.models: dict[str, Any] = (
            (body.get("components") or {}).get("schemas") or body.get("definitions") or {}
        )
        self.validators: dict[str, str] = {}

    def complete(self) -> Iterator[str]:
        """Add models, validators, gateway responses, method details; publish them."""
        self._add_models()
        self._add_validators()
        answers = self._add_gateway_responses()
        pages = self.gateway.get_paginator("get_resources").paginate(restApiId=self.api)
        resources = {r["path"]: r["id"] for page in pages for r in page["items"]}
        methods = 0
        for path, item in (self.body.get("paths") or {}).items():
            for verb, operation in item.items():
                if verb in VERBS or verb == ANY:
                    methods += self._complete_method(resources[path], verb, operation)
        if not (self.models or self.validators or answers or methods):
            return
        for stage in self.gateway.get_stages(restApiId=self.api)["item"]:
            self.gateway.create_deployment(restApiId=self.api, stageName=stage["stageName"])
        yield (
            f"API {self.api}: {len(self.models)} models, {len(self.validators)} validators, "
            f"{answers} gateway responses, {methods} methods"
        )

    def _add_models(self) -> None:
        have = {m["name"] for m in self.gateway.get_models(restApiId=self.api)["items"]}
        at = f"https://apigateway.amazonaws.com/restapis/{self.api}/models/"
        for name, schema in self.models.items():
            if name not in have:
                text = json.dumps(schema).replace("#/components/schemas/", at)
                self.gateway.create_model(
                    restApiId=self.api, name=name, contentType="application/json", schema=text
                )

    def _add_validators(self) -> None:
        have = self.gateway.get_request_validators(restApiId=self.api)["items"]
        self.validators = {v["name"]: v["id"] for v in have}
        for name, what in (self.body.get("x-amazon-apigateway-request-validators") or {}).items():
            if name not in self.validators:
                made = self.gateway.create_request_validator(
                    restApiId=self.api,
                    name=name,
                    validateRequestBody=bool(what.get("validateRequestBody")),
                    validateRequestParameters=bool(what.get("validateRequestParameters")),
                )
                self.validators[name] = made["id"]

    def _add_gateway_responses(self) -> int:
        answers = self.body.get("x-amazon-apigateway-gateway-responses") or {}
        for kind, answer in answers.items():
            status = answer.get("statusCode")
            self.gateway.put_gateway_response(
                restApiId=self.api,
                responseType=kind,
                responseParameters=answer.get("responseParameters") or {},
                responseTemplates=answer.get("responseTemplates") or {},
                **({"statusCode": str(status)} if status else {}),
            )
        return len(answers)

    def _complete_method(self, resource: str, verb: str, operation: dict[str, Any]) -> int:
        at: dict[str, Any] = {
            "restApiId": self.api,
            "resourceId": resource,
            "httpMethod": "ANY" if verb == ANY else verb.upper(),
        }
        integration = operation.get("x-amazon-apigateway-integration") or {}
        touched = self._put_method(at, verb, operation, integration)
        if (integration.get("type") or "").lower() == "mock":
            self._put_mock(at, integration)
            touched = True
        return int(touched)

    def _put_method(
        self,
        at: dict[str, Any],
        verb: str,
        operation: dict[str, Any],
        integration: dict[str, Any],
    ) -> bool:
        name = operation.get(
            "x-amazon-apigateway-request-validator",
            self.body.get("x-amazon-apigateway-request-validator"),
        )
        validator = self.validators.get(name) if name else None
        models, required = self._request_models(operation), _request_parameters(operation)
        if not (verb == ANY or validator or models or required):
            return False
        # The import made every method but ANY; what it knows is kept.
        now: dict[str, Any] = {} if verb == ANY else dict(self.gateway.get_method(**at))
        target = now.get("methodIntegration") or {
            "type": "AWS_PROXY",
            "uri": self._resolve(integration["uri"]),
        }
        names = ("authorizerId", "apiKeyRequired", "authorizationScopes")
        kept = {key: now[key] for key in names if now.get(key) is not None}
        if validator:
            kept["requestValidatorId"] = validator
        self.gateway.put_method(
            **at,
            authorizationType=now.get("authorizationType", "NONE"),
            requestModels=models,
            requestParameters=required,
            **kept,
        )
        self.gateway.put_integration(
            **at, type=target["type"], integrationHttpMethod="POST", uri=target["uri"]
        )
        return True

    def _request_models(self, operation: dict[str, Any]) -> dict[str, str]:
        content = (operation.get("requestBody") or {}).get("content") or {}
        named = {
            kind: ((media.get("schema") or {}).get("$ref") or "").rsplit("/", 1)[-1]
            for kind, media in content.items()
        }
        return {kind: model for kind, model in named.items() if model in self.models}

    def _put_mock(self, at: dict[str, Any], integration: dict[str, Any]) -> None:
        self.gateway.put_integration(
            **at, type="MOCK", requestTemplates=integration.get("requestTemplates") or {}
        )
        for response in (integration.get("responses") or {}).values():
            templates = response.get("responseTemplates") or {}
            self.gateway.put_integration_response(
                **at,
                statusCode=str(response["statusCode"]),
                responseParameters=response.get("responseParameters") or {},
                responseTemplates={kind: text or "" for kind, text in templates.items()},
            )

    def _resolve(self, uri: str | dict[str, str]) -> str:
        """An integration's address with the names of this stack in it."""
        text = uri["Fn::Sub"] if isinstance(uri, dict) else uri
        for logical, physical in self.stack.resources.items():
            arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{physical}"
            text = text.replace(f"${{{logical}.Arn}}", arn)
        return text.replace("${AWS::Region}", REGION).replace("${AWS::Partition}", "aws")


def _request_parameters(operation: dict[str, Any]) -> dict[str, bool]:
    return {
        f"method.request.{PLACES[p['in']]}.{p['name']}": bool(p.get("required"))
        for p in operation.get("parameters") or []
        if p.get("in") in PLACES
    }
