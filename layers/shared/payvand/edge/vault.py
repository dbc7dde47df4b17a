"""Personal data at rest: AES-256-GCM under a data key that KMS wraps (envelope encryption).

A sealed value is bound to a context (a payment or merchant id): moved to another item it does not
open. One data key serves a container for a few minutes, so a busy function calls KMS rarely.
"""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

KEY_LIFE_S: Final = 300
KEY_USES_MAX: Final = 1_000
_NONCE: Final = 12


class Vault:
    """Seals and opens small values."""

    def __init__(
        self, kms: "KMSClient", key_id: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._kms = kms
        self._key_id = key_id
        self._monotonic = monotonic
        self._current: tuple[float, bytes, bytes] | None = None
        self._uses = 0
        self._opened: dict[bytes, bytes] = {}

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt `plain`, bound to `context`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key, wrapped = self._data_key()
        nonce = os.urandom(_NONCE)
        box = AESGCM(key).encrypt(nonce, plain, context.encode())
        return len(wrapped).to_bytes(2) + wrapped + nonce + box

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt. Raises cryptography's InvalidTag when the value or its context was changed."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        size = int.from_bytes(sealed[:2])
        wrapped, rest = sealed[2 : 2 + size], sealed[2 + size :]
        key = self._opened.get(wrapped)
        if key is None:
            key = self._kms.decrypt(KeyId=self._key_id, CiphertextBlob=wrapped)["Plaintext"]
            self._opened = (
                {**self._opened, wrapped: key} if len(self._opened) < 16 else {wrapped: key}
            )
        return AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], context.encode())

    def _data_key(self) -> tuple[bytes, bytes]:
        now = self._monotonic()
        stale = (
            self._current is None
            or now - self._current[0] > KEY_LIFE_S
            or self._uses >= KEY_USES_MAX
        )
        if stale:
            made = self._kms.generate_data_key(KeyId=self._key_id, KeySpec="AES_256")
            self._current, self._uses = (now, made["Plaintext"], made["CiphertextBlob"]), 0
        assert self._current is not None
        self._uses += 1
        return self._current[1], self._current[2]
