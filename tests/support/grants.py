"""Every permission of every function, one by one, and any policy without one of them.

A grant is one action on one resource of one statement. Names come from the templates, documents
from the deployed role; statements and resources stand in the same order in both.
"""

import copy
import json
from dataclasses import dataclass
from typing import Any, Final

from payvand_cli.stack import Stack
from tests.support import template

PREFIXES: Final = {
    "FilesBucket/lines/*": "a lines object's name is its content's digest, not known beforehand",
    "FilesBucket/papers/*": "a file made for a merchant is named by its book and digest",
    "FilesBucket/bank/out/*": "an order file is named by its payout, a payout file by its day",
    "FilesBucket/bank/in/*": "an answer file is named by its payout, or by the bank",
    "FilesBucket/bank/files/*": "a payout file is kept under its content's digest",
    "FilesBucket/bank/reconcile/*": "what a source said is kept under its content's digest",
}
"""The only permissions on more than one named thing, each with its reason."""


@dataclass(frozen=True, order=True)
class Grant:
    """What a function may do to something; `resource` is the template's name of it."""

    function: str
    action: str
    resource: str
    statement: int
    position: int

    def __str__(self) -> str:
        return f"{self.function} {self.action} {self.resource}"


def grants() -> list[Grant]:
    """Every grant of the template's functions."""
    return [
        Grant(function, action, _name(resource), index, position)
        for function, properties in template.functions().items()
        for index, statement in enumerate(statements(properties))
        for action in listed(statement["Action"])
        for position, resource in enumerate(listed(statement["Resource"]))
    ]


def statements(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """A function's own statements."""
    return [s for policy in properties.get("Policies", []) for s in policy["Statement"]]


def listed(value: Any) -> list[Any]:
    """One or many as many."""
    return value if isinstance(value, list) else [value]


def _name(resource: Any) -> str:
    """`PaymentsTable`, `PaymentsTable.StreamArn`, `FilesBucket/lines/*`."""
    if isinstance(resource, str):
        return resource
    ((kind, text),) = resource.items()
    if kind == "Sub":
        return str(text).replace("${", "").replace(".Arn}", "")
    return str(text).removesuffix(".Arn").removesuffix(".Id")


@dataclass(frozen=True)
class Role:
    """A function's deployed role: its one inline policy, as it was and as it is made to be."""

    stack: Stack
    role: str
    policy: str
    document: dict[str, Any]

    @classmethod
    def of(cls, stack: Stack, function: str) -> "Role":
        """The role of a function, by the function's logical id."""
        role = stack.resources[f"{function}Role"]
        (policy,) = stack.iam.list_role_policies(RoleName=role)["PolicyNames"]
        document: Any = stack.iam.get_role_policy(RoleName=role, PolicyName=policy)
        return cls(stack, role, policy, document["PolicyDocument"])

    def arn(self, grant: Grant) -> str:
        """What a grant's resource is called where it is deployed."""
        resources = listed(self.document["Statement"][grant.statement]["Resource"])
        return str(resources[grant.position])

    def without(self, grant: Grant) -> dict[str, Any]:
        """The document with this grant alone taken out."""
        document = copy.deepcopy(self.document)
        statement = document["Statement"].pop(grant.statement)
        actions, resources = listed(statement["Action"]), listed(statement["Resource"])
        others = [action for action in actions if action != grant.action]
        kept = [r for position, r in enumerate(resources) if position != grant.position]
        if others:
            document["Statement"].append({**statement, "Action": others})
        if kept:
            document["Statement"].append({**statement, "Action": [grant.action], "Resource": kept})
        return document

    def put(self, document: dict[str, Any]) -> None:
        """Make this the policy; it holds at once."""
        self.stack.iam.put_role_policy(
            RoleName=self.role, PolicyName=self.policy, PolicyDocument=json.dumps(document)
        )
