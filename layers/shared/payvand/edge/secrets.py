"""Secrets Manager, read once per container and again after ten minutes."""

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from payvand.ids import Mode
from payvand.psp import Channel, Credentials, Http
from payvand.psp.registry import channel

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEPT_S: Final = 600


class Secrets:
    """Secret values by id."""

    def __init__(
        self, client: "SecretsManagerClient", monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, str]] = {}

    def text(self, secret_id: str) -> str:
        """A secret's current value."""
        kept = self._kept.get(secret_id)
        if kept is None or self._monotonic() - kept[0] > KEPT_S:
            value = self._client.get_secret_value(SecretId=secret_id)["SecretString"]
            kept = self._kept[secret_id] = (self._monotonic(), value)
        return kept[1]

    def mapping(self, secret_id: str) -> Mapping[str, Any]:
        """A secret that holds a JSON object."""
        value = json.loads(self.text(secret_id))
        assert isinstance(value, dict), f"{secret_id} must hold an object"
        return value


class Channels:
    """Channels ready to speak, by mode, name and the contract's credentials.

    The channel secret of a mode is {channel: {credentials name: {"api_url": …, further fields}}}.
    """

    def __init__(self, secrets: Secrets, secret_ids: Mapping[Mode, str], http: Http) -> None:
        self._secrets = secrets
        self._secret_ids = secret_ids
        self._http = http

    def get(self, mode: Mode, name: str, credentials: str = "default") -> Channel:
        """A channel. Raises KeyError when the secret does not know these credentials."""
        fields = dict(self._secrets.mapping(self._secret_ids[mode])[name][credentials])
        return channel(name, Credentials(fields.pop("api_url"), fields), self._http)
