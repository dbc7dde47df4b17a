"""A way out that says what a test tells it to, and keeps what was sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from payvand.errors import Silence
from tests.channels.lab_world import Got


@dataclass(frozen=True, slots=True)
class Sent:
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float

    def json(self) -> dict[str, object]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


def said(value: object, status: int = 200) -> Got:
    return Got(status, {"content-type": "application/json"}, json.dumps(value).encode())


@dataclass
class Scripted:
    """Answers in order, the last one for ever; a string is a Silence with that message."""

    script: list[Got | str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_s: float,
    ) -> Got:
        assert method == "POST"
        self.sent.append(Sent(url, headers, body, timeout_s))
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, str):
            raise Silence(answer)
        return answer
