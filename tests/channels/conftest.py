from collections.abc import Iterator

import pytest

from tests.channels.lab_world import Lab, running_lab


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with running_lab() as made:
        yield made
