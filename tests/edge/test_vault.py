"""Personal data at rest: sealed to a context, one KMS call for many."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from payvand.edge.vault import KEY_LIFE_S, KEY_USES_MAX, Vault

PLAIN = '{"mobile": "+989121234567", "name": "مریم"}'.encode()


class Counted:
    """A KMS client that counts."""

    def __init__(self, client: Any) -> None:
        self.client, self.calls = client, []  # type: ignore[var-annotated]

    def generate_data_key(self, **asked: Any) -> Any:
        self.calls.append("generate_data_key")
        return self.client.generate_data_key(**asked)

    def decrypt(self, **asked: Any) -> Any:
        self.calls.append("decrypt")
        return self.client.decrypt(**asked)


@pytest.fixture(scope="module")
def kms() -> Iterator[tuple[Any, str]]:
    with mock_aws():
        client = boto3.client("kms", "us-east-1")
        yield client, client.create_key()["KeyMetadata"]["KeyId"]


@pytest.fixture
def counted(kms: tuple[Any, str]) -> Counted:
    return Counted(kms[0])


@pytest.fixture
def now() -> list[float]:
    return [1_000.0]


@pytest.fixture
def vault(counted: Counted, kms: tuple[Any, str], now: list[float]) -> Vault:
    return Vault(counted, kms[1], lambda: now[0])  # type: ignore[arg-type]


def test_what_is_sealed_opens(vault: Vault) -> None:
    sealed = vault.seal(PLAIN, "pay_1")
    assert PLAIN not in sealed and b"9121234567" not in sealed
    assert vault.open(sealed, "pay_1") == PLAIN


def test_it_opens_nowhere_else(vault: Vault) -> None:
    sealed = vault.seal(PLAIN, "pay_1")
    for context in ("pay_2", "", "pay_1 "):
        with pytest.raises(InvalidTag):
            vault.open(sealed, context)


def test_a_changed_bit_is_noticed(vault: Vault) -> None:
    sealed = vault.seal(PLAIN, "pay_1")
    for place in (-1, -len(PLAIN), -len(PLAIN) - 20):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(InvalidTag):
            vault.open(bytes(changed), "pay_1")


def test_the_same_twice_looks_different(vault: Vault) -> None:
    assert vault.seal(PLAIN, "pay_1") != vault.seal(PLAIN, "pay_1")


def test_another_container_opens_it(vault: Vault, kms: tuple[Any, str]) -> None:
    sealed = vault.seal(PLAIN, "pay_1")
    assert Vault(*kms).open(sealed, "pay_1") == PLAIN


def test_one_key_serves_for_minutes_and_many(
    vault: Vault, counted: Counted, now: list[float]
) -> None:
    sealed = [vault.seal(PLAIN, "pay_1") for _ in range(3)]
    assert counted.calls == ["generate_data_key"]
    for one in sealed:
        vault.open(one, "pay_1")
    assert counted.calls == ["generate_data_key", "decrypt"]
    now[0] += KEY_LIFE_S + 1
    vault.seal(PLAIN, "pay_1")
    assert counted.calls.count("generate_data_key") == 2


def test_a_key_is_changed_after_enough_uses(vault: Vault, counted: Counted) -> None:
    for _ in range(KEY_USES_MAX):
        vault.seal(b"", "pay_1")
    assert counted.calls.count("generate_data_key") == 1
    vault.seal(b"", "pay_1")
    assert counted.calls.count("generate_data_key") == 2


def test_many_keys_do_not_fill_the_memory(vault: Vault, now: list[float]) -> None:
    for _ in range(40):
        now[0] += KEY_LIFE_S + 1
        vault.open(vault.seal(PLAIN, "pay_1"), "pay_1")
    assert len(vault._opened) <= 16


@given(plain=st.binary(max_size=200), context=st.text(max_size=40))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_comes_back(vault: Vault, plain: bytes, context: str) -> None:
    assert vault.open(vault.seal(plain, context), context) == plain
