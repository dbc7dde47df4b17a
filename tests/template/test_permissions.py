"""Who may do what: exact actions on exact things, and money that nobody may remove."""

from typing import Any, Final

import pytest

from payvand.merchant import HOUSE
from payvand.store.papers import PREFIX
from tests.support import template
from tests.support.grants import PREFIXES, grants, listed, statements

GRANTS: Final = grants()
EVERYTHING: Final = {
    "DataKey": "a key's own policy: the account's roles say who may use it",
    "SwitchKey": "the same",
}
APPEND_ONLY: Final = ("PaymentsTable", "ReferencesTable", "SettlementTable")
WRITERS: Final = {
    "PaymentsTable": {
        "PaymentInit", "Checkout", "PspCallback", "PaymentVerify", "PaymentTimer", "Refund",
        "Settle", "Payout", "PayoutFile", "Reconcile",
    },
    "ReferencesTable": {"PaymentInit", "PspCallback"},
    "SettlementTable": {"Refund", "Settle", "Payout", "PayoutFile", "Reconcile"},
    "OperationsTable": {"Payout", "PayoutFile", "Reconcile"},
    "MerchantsTable": {"Reconcile", "Settle"},
    "KeysTable": set(),
    "WebhooksTable": {"MerchantNotify", "Webhooks"},
    "LabTable": {"Lab"},
}  # fmt: skip
SECRETS: Final = {
    "ChannelSecretTest": {
        "PaymentInit", "Checkout", "PspCallback", "PaymentVerify", "PaymentTimer", "Refund",
    },
    "ChannelSecretLive": {
        "PaymentInit", "Checkout", "PspCallback", "PaymentVerify", "PaymentTimer", "Refund",
    },
    "BankSecretTest": {"PayoutFile"},
    "BankSecretLive": {"PayoutFile"},
    "WebhookSecret": {"MerchantNotify", "Webhooks"},
}  # fmt: skip
WRITING: Final = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")


def test_every_action_is_named_and_every_thing_too() -> None:
    assert not [g for g in GRANTS if "*" in g.action]
    assert {g.resource for g in GRANTS if "*" in g.resource} == PREFIXES.keys()


def test_no_function_brings_a_policy_from_elsewhere() -> None:
    for properties in template.functions().values():
        assert "Role" not in properties
        assert all(isinstance(policy, dict) for policy in properties.get("Policies", []))


def test_no_other_document_allows_everything() -> None:
    wide = {
        name
        for name, resource in template.template()["Resources"].items()
        if resource["Type"] != "AWS::Serverless::Function"
        for statement in _statements(resource)
        if statement["Effect"] == "Allow"
        and any("*" in str(v) for key in ("Action", "Resource") for v in listed(statement[key]))
    }
    assert wide == EVERYTHING.keys()


def _statements(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for part in node for found in _statements(part)]
    if not isinstance(node, dict):
        return []
    if {"Effect", "Action", "Resource"} <= node.keys():
        return [node]
    return [found for part in node.values() for found in _statements(part)]


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_nobody_removes_what_money_depends_on(table: str) -> None:
    actions = {g.action for g in GRANTS if g.resource == table}
    assert actions <= {
        f"dynamodb:{verb}"
        for verb in ("GetItem", "PutItem", "UpdateItem", "Query", "ConditionCheckItem")
    }


def test_references_are_put_and_never_changed() -> None:
    actions = {g.action for g in GRANTS if g.resource == "ReferencesTable"}
    assert actions == {"dynamodb:GetItem", "dynamodb:PutItem"}


@pytest.mark.parametrize(("table", "writers"), WRITERS.items())
def test_tables_are_written_by_these_alone(table: str, writers: set[str]) -> None:
    found = {g.function for g in GRANTS if g.resource == table and g.action.endswith(WRITING)}
    assert found == writers


@pytest.mark.parametrize(("secret", "readers"), SECRETS.items())
def test_secrets_are_read_by_these_alone(secret: str, readers: set[str]) -> None:
    assert {g.function for g in GRANTS if g.resource == secret} == readers


def test_who_asks_for_a_payout_writes_nothing_itself() -> None:
    actions = {(g.action, g.resource) for g in GRANTS if g.function == "PayoutAsk"}
    assert {a for a in actions if not a[0].endswith(("GetItem", "Query"))} == {
        ("sqs:SendMessage", "SettleQueue")
    }


def test_the_only_merchant_a_function_writes_is_the_house() -> None:
    table = {"GetAtt": "MerchantsTable.Arn"}
    (statement,) = (
        statement
        for properties in template.functions().values()
        for statement in statements(properties)
        if "dynamodb:PutItem" in listed(statement["Action"])
        and table in listed(statement["Resource"])
    )
    keys = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [HOUSE]}}
    assert statement["Condition"] == keys


def test_statements_write_files_for_readers_and_nothing_else() -> None:
    actions = {(g.action, g.resource) for g in GRANTS if g.function == "Statements"}
    assert {a for a in actions if not a[0].endswith(("GetItem", "Query", "GetObject"))} == {
        ("s3:PutObject", "FilesBucket/papers/*")
    }


def test_only_the_papers_function_carries_their_layer() -> None:
    layered = {n for n, p in template.functions().items() if p.get("Layers")}
    assert layered == {"Statements"}


def test_only_files_that_can_be_made_again_expire() -> None:
    bucket = template.resources("AWS::S3::Bucket")["FilesBucket"]
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["Prefix"] == PREFIX


def test_only_reading_functions_only_read() -> None:
    for function in ("Authorize", "PaymentStatus", "Report", "Reference"):
        actions = {g.action for g in GRANTS if g.function == function}
        assert actions <= {"dynamodb:GetItem", "dynamodb:Query", "s3:GetObject"}
