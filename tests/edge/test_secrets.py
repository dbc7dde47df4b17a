"""Secrets are read once in ten minutes, channels are made from them."""

import json
from typing import Any

import pytest

from payvand.edge.secrets import KEPT_S, Channels, Secrets

HELD = {
    "zarinpal": {
        "default": {
            "api_url": "https://lab.example/zarinpal",
            "graphql_url": "https://lab.example/graphql",
            "merchant_id": "00000000-0000-4000-8000-000000000001",
            "access_token": "t",
        }
    }
}


class Manager:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        self.asked.append(SecretId)
        if SecretId == "list":
            return {"SecretString": "[]"}
        return {"SecretString": json.dumps({**HELD, "n": len(self.asked)})}


@pytest.fixture
def now() -> list[float]:
    return [50.0]


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def secrets(manager: Manager, now: list[float]) -> Secrets:
    return Secrets(manager, lambda: now[0])  # type: ignore[arg-type]


def test_a_secret_is_kept_for_ten_minutes(
    secrets: Secrets, manager: Manager, now: list[float]
) -> None:
    first = secrets.text("a")
    now[0] += KEPT_S
    assert secrets.text("a") == first and manager.asked == ["a"]
    now[0] += 1
    assert secrets.text("a") != first and manager.asked == ["a", "a"]


def test_each_secret_is_kept_alone(secrets: Secrets, manager: Manager) -> None:
    for id in ("a", "b", "a", "b"):
        secrets.text(id)
    assert manager.asked == ["a", "b"]


def test_a_mapping_is_one(secrets: Secrets) -> None:
    assert secrets.mapping("a")["n"] == 1
    with pytest.raises(AssertionError):
        secrets.mapping("list")


class NoHttp:
    """Nothing is sent here."""

    def send(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError


def test_a_channel_is_made_from_the_secret_of_its_mode(secrets: Secrets, manager: Manager) -> None:
    channels = Channels(secrets, {"test": "t", "live": "l"}, NoHttp())
    assert channels.get("test", "zarinpal").name == "zarinpal"
    assert manager.asked == ["t"]
    channels.get("live", "zarinpal")
    assert manager.asked == ["t", "l"]


def test_making_a_channel_leaves_the_secret_as_it_is(secrets: Secrets) -> None:
    channels = Channels(secrets, {"test": "t", "live": "l"}, NoHttp())
    channels.get("test", "zarinpal")
    assert channels.get("test", "zarinpal").name == "zarinpal"


@pytest.mark.parametrize(("name", "credentials"), [("saman", "default"), ("zarinpal", "other")])
def test_unknown_credentials_are_missing(secrets: Secrets, name: str, credentials: str) -> None:
    with pytest.raises(KeyError):
        Channels(secrets, {"test": "t", "live": "l"}, NoHttp()).get("test", name, credentials)
