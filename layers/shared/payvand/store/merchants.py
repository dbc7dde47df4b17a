"""Merchants and their API keys: read on every call, written rarely, so kept for a minute."""

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from payvand.errors import Overtaken
from payvand.ids import MODES, Mode
from payvand.merchant import HOUSE, SHARDS_MAX, Merchant, house
from payvand.store.guards import guard
from payvand.store.table import Table

KEPT_S: Final = 60


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What an API key opens. The key itself is known to its merchant alone; we keep its SHA-256."""

    merchant_id: str
    mode: Mode
    scopes: tuple[str, ...]
    revoked: bool
    expires_at_ms: int | None


def key_hash(api_key: str) -> str:
    """Keys carry 256 random bits, so a plain digest cannot be guessed back."""
    return hashlib.sha256(api_key.encode()).hexdigest()


class Merchants:
    """The door to merchants and keys."""

    def __init__(
        self, merchants: Table, keys: Table, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._merchants = merchants
        self._keys = keys
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, Merchant]] = {}

    def get(self, merchant_id: str, *, fresh: bool = False) -> Merchant | None:
        """A merchant, at most a minute old, or as it is now (strong read)."""
        kept = self._kept.get(merchant_id)
        if not fresh and kept is not None and self._monotonic() - kept[0] < KEPT_S:
            return kept[1]
        item = self._merchants.get({"id": merchant_id}).item
        if item is None:
            return None
        merchant = Merchant.from_item(item)
        self._kept[merchant_id] = (self._monotonic(), merchant)
        return merchant

    def all(self) -> Iterator[Merchant]:
        """Every merchant."""
        return map(Merchant.from_item, self._merchants.scan())

    def put(self, merchant: Merchant) -> None:
        """Store a merchant. Raises Overtaken for one with fewer shards: their money stays there."""
        known = {":shards": merchant.shards}
        request = self._merchants.put_request(merchant.to_item(), guard("shards.kept"), known)
        self._merchants.write(request)

    def widen(self, merchant: Merchant, shards: int, since: dt.date) -> None:
        """Spread new payments over more shards from a day on. Raises Overtaken.

        Readers read them all from now on, so the day must be one that no writer has reached.
        """
        assert merchant.shards < shards <= SHARDS_MAX
        widened = [*merchant.widened, (since, merchant.shards)]
        request = self._merchants.update_request(
            {"id": merchant.id},
            "SET #shards = :shards, #widened = :widened",
            guard("shards.seen"),
            {
                ":shards": shards,
                ":widened": [[day.isoformat(), before] for day, before in widened],
                ":seen": merchant.shards,
            },
        )
        self._merchants.write(request)
        self._kept.pop(merchant.id, None)

    def open_house(self, since: dt.date) -> None:
        """Begin the facilitator's own books, if they have not begun; they are sealed like others.

        A posting before `since` would be in no seal, so nothing may ever move it.
        """
        if self.get(HOUSE) is not None:
            return
        with suppress(Overtaken):
            request = self._merchants.put_request(house(since).to_item(), guard("house.absent"))
            self._merchants.write(request)

    def key(self, api_key: str) -> ApiKey | None:
        """What a key opens, or None."""
        item = self._keys.get({"hash": key_hash(api_key)}).item
        if item is None or item["mode"] not in MODES:
            return None
        return ApiKey(
            merchant_id=item["merchant"],
            mode=item["mode"],
            scopes=tuple(item["scopes"]),
            revoked=item.get("revoked", False),
            expires_at_ms=item.get("expires_at"),
        )

    def put_key(self, api_key: str, key: ApiKey) -> None:
        """Store a key's digest and what it opens."""
        item = {
            "hash": key_hash(api_key),
            "merchant": key.merchant_id,
            "mode": key.mode,
            "scopes": list(key.scopes),
            "revoked": key.revoked,
            "expires_at": key.expires_at_ms,
        }
        self._keys.write(self._keys.put_request(item))
