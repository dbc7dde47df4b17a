"""Every permission of every function is needed, and none is wider than what is asked for.

Needed: taken out of the deployed role alone, a call is denied that very action. One policy document
is put on the role for each grant (an action on a resource) of template.yaml, and holds at once.
None wider: each deployed statement is compared with the calls that the emulator's IAM wrote down
while the scenes played. It sees what arrives, so a function may use whatever client it likes.

The stack is one of its own: its roles are broken on purpose, and its queues and streams wake
nobody, so that what a scene made is touched by nothing but the scene.

The schedule's role is not here: the emulator lets Scheduler do what it likes.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from payvand_cli.local import bring_up
from payvand_cli.seed import seed
from payvand_cli.stack import Stack
from tests.stack.iam_scenes import NEEDS, POLLING, UNPROVEN, Answer, Need, Past, wake
from tests.support import calls, template
from tests.support.calls import Call, wider
from tests.support.grants import PREFIXES, Grant, Role, grants, listed
from tests.support.local_stack import free_site

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("iam")]

PROVEN = [g for g in grants() if (g.function, g.action, g.resource) in NEEDS]


@dataclass
class Stage:
    """The stack the scenes play on, and what its IAM wrote down."""

    past: Past
    written: Path
    played: dict[tuple[str, Need], list[Answer]] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        return self.past.stack

    def wake(self, function: str, event: dict[str, Any]) -> tuple[Answer, list[Call]]:
        """Run a function; its answer and what it was denied."""
        start = self.written.stat().st_size
        answer = wake(self.stack, function, event)
        name = self.stack.resources[function]
        denied = [c for c in calls.read(self.written, start) if not c.allowed]
        return answer, [call for call in denied if call.function == name]

    def play(self, function: str, need: Need) -> tuple[Answer, list[Call]]:
        """Make a past and run the function in it."""
        answer, denied = self.wake(function, need.scene(self.past))
        self.played.setdefault((function, need), []).append(answer)
        return answer, denied

    def calls(self, function: str) -> list[Call]:
        """What a function asked for in all scenes; those of a pattern's grants play twice."""
        for grant in PROVEN:
            need = NEEDS[grant.function, grant.action, grant.resource]
            times = 2 if "*" in grant.resource else 1
            while len(self.played.get((grant.function, need), [])) < times:
                self.play(grant.function, need)
        name = self.stack.resources[function]
        return [call for call in calls.read(self.written) if call.function == name]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with bring_up(free_site(tmp_path_factory.mktemp("iam"))) as running:
        stack = running.stack
        seed(stack, running.site.url)
        for source in stack.functions.list_event_source_mappings()["EventSourceMappings"]:
            stack.functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
        yield Stage(Past.of(stack, running.site.url), running.site.calls)


def test_every_grant_is_proven_or_says_why_not() -> None:
    granted = {(g.function, g.action, g.resource) for g in grants()}
    polling = {grant for grant in granted if grant[1] in POLLING}
    assert granted == NEEDS.keys() | UNPROVEN.keys() | polling
    assert not NEEDS.keys() & (UNPROVEN.keys() | polling)


def test_no_two_statements_grant_the_same() -> None:
    granted = [(g.function, g.action, g.resource) for g in grants()]
    assert len(granted) == len(set(granted))


@cache
def scenes() -> list[tuple[str, Need]]:
    """Each function's scenes, each once."""
    return list(
        dict.fromkeys((g.function, NEEDS[g.function, g.action, g.resource]) for g in PROVEN)
    )


@pytest.mark.parametrize(
    ("function", "need"), scenes(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_with_every_permission_the_scene_plays(stage: Stage, function: str, need: Need) -> None:
    answer, denied = stage.play(function, need)
    assert not denied
    assert answer.fine or not need.ends_well, answer.text


@pytest.mark.parametrize("grant", PROVEN, ids=str)
def test_without_it_the_call_is_denied(stage: Stage, grant: Grant) -> None:
    need = NEEDS[grant.function, grant.action, grant.resource]
    event = need.scene(stage.past)
    role = Role.of(stage.stack, grant.function)
    if need.cold:
        stage.stack.functions.update_function_configuration(
            FunctionName=stage.stack.resources[grant.function], MemorySize=512
        )
    role.put(role.without(grant))
    try:
        answer, denied = stage.wake(grant.function, event)
    finally:
        role.put(role.document)
    assert {call.action for call in denied} == {grant.action}, answer.text
    assert all(calls.covers(role.arn(grant), call.resource) for call in denied), denied


# ── none wider than used ──────────────────────────────────────────────────────────────────────


def prefixes(stack: Stack) -> set[str]:
    """The patterns somebody gave a reason for, as they are called where they are deployed."""
    bucket = f"arn:aws:s3:::{stack.outputs['FilesBucket']}"
    return {name.replace("FilesBucket", bucket) for name in PREFIXES}


def without_polling(document: dict[str, Any]) -> dict[str, Any]:
    kept = [s for s in document["Statement"] if not set(listed(s["Action"])) <= POLLING]
    return {**document, "Statement": kept}


def exempt(stack: Stack, function: str, found: str) -> bool:
    """Whether this is a grant that no call on the emulator can show to be needed."""
    role = Role.of(stack, function)
    return any(
        found == f"unused: {grant.action} on {role.arn(grant)}"
        for grant in grants()
        if grant.function == function and (grant.function, grant.action, grant.resource) in UNPROVEN
    )


@pytest.mark.parametrize("function", sorted({g.function for g in grants()}))
def test_no_statement_is_wider_than_the_calls(stage: Stage, function: str) -> None:
    document = without_polling(Role.of(stage.stack, function).document)
    found = wider(document, stage.calls(function), prefixes(stage.stack))
    assert [each for each in found if not exempt(stage.stack, function, each)] == []


def _each(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The statements about one kind of resource."""
    return [s for s in document["Statement"] if any(kind in r for r in listed(s["Resource"]))]


def _first(statement: dict[str, Any]) -> str:
    return str(listed(statement["Resource"])[0])


def _more_actions(document: dict[str, Any]) -> None:
    statement = _each(document, ":table/")[0]
    statement["Action"] = [*listed(statement["Action"]), "dynamodb:DeleteTable"]


def _more_tables(document: dict[str, Any]) -> None:
    statement = _each(document, ":table/")[0]
    statement["Resource"] = [*listed(statement["Resource"]), f"{_first(statement)}-other"]


def _every_action(document: dict[str, Any]) -> None:
    _each(document, ":table/")[0]["Action"] = ["dynamodb:*"]


def _every_table(document: dict[str, Any]) -> None:
    _each(document, ":table/")[0]["Resource"] = "arn:aws:dynamodb:us-east-1:000000000000:table/*"


def _every_index(document: dict[str, Any]) -> None:
    statement = _each(document, ":table/")[0]
    statement["Resource"] = f"{_first(statement)}*"


def _every_queue(document: dict[str, Any]) -> None:
    _each(document, ":sqs:")[0]["Resource"] = "arn:aws:sqs:us-east-1:000000000000:payvand-*"


def _every_file(document: dict[str, Any]) -> None:
    statement = _each(document, "/lines/")[0]
    statement["Resource"] = f"{_first(statement).partition('/')[0]}/*"


def _no_condition(document: dict[str, Any]) -> None:
    for statement in _each(document, ":s3:::"):
        statement.pop("Condition", None)


def _wider_condition(document: dict[str, Any]) -> None:
    for statement in _each(document, ":s3:::"):
        if "Condition" in statement:
            statement["Condition"] = {"StringLike": {"s3:prefix": "bank/*"}}


@pytest.mark.parametrize(
    ("widen", "function"),
    [
        (_more_actions, "Report"),
        (_more_tables, "Report"),
        (_every_action, "Settle"),
        (_every_table, "Settle"),
        (_every_index, "Settle"),
        (_every_queue, "Settle"),
        (_every_file, "Settle"),
        (_every_file, "Report"),
        (_no_condition, "Lab"),
        (_wider_condition, "Lab"),
    ],
)
def test_a_wider_statement_is_found(
    stage: Stage, widen: Callable[[dict[str, Any]], None], function: str
) -> None:
    document = copy.deepcopy(without_polling(Role.of(stage.stack, function).document))
    widen(document)
    found = list(wider(document, stage.calls(function), prefixes(stage.stack)))
    assert [each for each in found if not exempt(stage.stack, function, each)]


def test_a_poller_reads_its_own_sources_alone(stage: Stage) -> None:
    """The emulator polls with its own rights: what is granted for it is held to the mappings."""
    stack = stage.stack
    sources: dict[str, set[str]] = {}
    for mapping in stack.functions.list_event_source_mappings()["EventSourceMappings"]:
        function = mapping["FunctionArn"].rpartition(":")[2]
        sources.setdefault(function, set()).add(mapping["EventSourceArn"])
    for function in template.functions():
        if not template.functions()[function].get("Policies"):
            continue
        found = {
            (g.action, g.resource)
            for g in calls.granted(Role.of(stack, function).document)
            if g.action in POLLING
        }
        own = sources.get(stack.resources[function], set())
        assert found == {
            (action, source)
            for source in own
            for action in POLLING
            if action.split(":")[0] == source.split(":")[2]
        }


def test_no_role_has_more_than_its_own_policy_and_its_log(stage: Stage) -> None:
    for function in template.functions():
        role = stage.stack.resources[f"{function}Role"]
        attached = stage.stack.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        assert [policy["PolicyName"] for policy in attached] == ["AWSLambdaBasicExecutionRole"]
