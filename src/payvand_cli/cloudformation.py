"""Templates as data, whether a person wrote them or AWS gave them back."""

import json
from typing import Any

import yaml


class _Tolerant(yaml.SafeLoader):
    """Reads a template without resolving its `!Ref` and friends."""


_Tolerant.add_multi_constructor("!", lambda _loader, suffix, _node: suffix)


def read(text: str) -> dict[str, Any]:
    """A template's sections; an intrinsic in short form is its bare name."""
    # The one SAM makes is long and JSON, which YAML reads too, but a hundred times slower.
    found: Any = (
        json.loads(text) if text.startswith("{") else yaml.load(text, _Tolerant)  # noqa: S506 - a safe loader's child
    )
    return dict(found)
