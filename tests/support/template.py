"""template.yaml as data: what the tests' tables, queues, routes and permissions are made from."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).parents[2] / "template.yaml"


class _Loader(yaml.SafeLoader):
    """Reads intrinsic functions as {"Ref": …}, {"GetAtt": …}, {"Sub": …}."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {suffix: value}


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def template() -> dict[str, Any]:
    """The whole template."""
    loaded: dict[str, Any] = yaml.load(PATH.read_text(encoding="utf-8"), _Loader)  # noqa: S506
    return loaded


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Properties by logical id of every resource of a type."""
    found = template()["Resources"].items()
    return {name: r.get("Properties", {}) for name, r in found if r["Type"] == kind}


def functions() -> dict[str, dict[str, Any]]:
    """Every function's properties by logical id."""
    return resources("AWS::Serverless::Function")


def folder(logical_id: str) -> str:
    """The folder of a function."""
    return str(functions()[logical_id]["CodeUri"]).removeprefix("functions/")


@dataclass(frozen=True)
class ApiRoute:
    """One route as the template deploys it."""

    method: str
    path: str
    function: str
    public: bool


def routes() -> list[ApiRoute]:
    """Every route of the API."""
    return [
        ApiRoute(
            event["Properties"]["Method"].upper(),
            event["Properties"]["Path"],
            name,
            event["Properties"].get("Auth", {}).get("Authorizer") == "NONE",
        )
        for name, properties in functions().items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == "Api"
    ]


def queue_workers() -> dict[str, tuple[str, int]]:
    """Queue logical id → the function it wakes and the batch size."""
    return {
        source["EventSourceArn"]["GetAtt"].split(".")[0]: (
            source["FunctionName"]["Ref"],
            source["BatchSize"],
        )
        for source in resources("AWS::Lambda::EventSourceMapping").values()
        if source["EventSourceArn"]["GetAtt"].endswith(".Arn")
    }
