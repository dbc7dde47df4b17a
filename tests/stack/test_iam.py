"""Every permission of every function is needed: taken out alone, a call is denied that very action.

One policy document is put on the deployed role for each grant (an action on a resource) of
template.yaml, and holds at once. The stack is one of its own: its roles are broken on purpose, and
its queues and streams wake nobody, so that what a scene made is touched by nothing but the scene.

The schedule's role is not here: the emulator lets Scheduler do what it likes.
"""

import re
from collections.abc import Iterator
from functools import cache

import pytest

from payvand_cli.local import bring_up
from payvand_cli.seed import seed
from tests.stack.iam_scenes import NEEDS, POLLING, UNPROVEN, Answer, Need, Past, wake
from tests.support.grants import Grant, Role, grants
from tests.support.local_stack import free_site

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("iam")]

PROVEN = sorted(
    (g for g in grants() if (g.function, g.action, g.resource) in NEEDS),
    key=lambda g: (g.function, not NEEDS[g.function, g.action, g.resource].cold),
)
"""A function's cold ones first: a container that was only ever denied has nothing to remember."""


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    with bring_up(free_site(tmp_path_factory.mktemp("iam"))) as running:
        stack = running.stack
        seed(stack, running.site.url)
        for source in stack.functions.list_event_source_mappings()["EventSourceMappings"]:
            stack.functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
        yield Past.of(stack, running.site.url)


@pytest.fixture(scope="module")
def denied_only() -> set[str]:
    """Functions whose container is new and was given nothing yet."""
    return set()


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
def test_with_every_permission_the_scene_plays(past: Past, function: str, need: Need) -> None:
    answer = wake(past.stack, function, need.scene(past))
    assert "not authorized" not in answer.text
    assert answer.fine or not need.ends_well, answer.text


@pytest.mark.parametrize("grant", PROVEN, ids=str)
def test_without_it_the_call_is_denied(past: Past, denied_only: set[str], grant: Grant) -> None:
    need = NEEDS[grant.function, grant.action, grant.resource]
    event = need.scene(past)
    role = Role.of(past.stack, grant.function)
    if need.cold and grant.function not in denied_only:
        past.stack.functions.update_function_configuration(
            FunctionName=past.stack.resources[grant.function], MemorySize=512
        )
    role.put(role.without(grant))
    try:
        answer = wake(past.stack, grant.function, event)
    finally:
        role.put(role.document)
    assert denied(grant, answer), answer.text
    (denied_only.add if need.cold else denied_only.discard)(grant.function)


def denied(grant: Grant, answer: Answer) -> bool:
    """Whether this very action was refused; the lab's log has the fault's name alone."""
    if grant.function == "Lab":
        return bool(re.search(r'"fault": "(ClientError|AccessDenied)"', answer.log))
    return bool(re.search(rf"not authorized to perform: {grant.action}\b", answer.text))
