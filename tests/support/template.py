"""Both templates as one model: what the tests' tables, queues, routes and permissions come from.

What template.yaml imports is read as what data.yaml exports, as if it all stood in one file:
`*PaymentsTableArn` is {"GetAtt": "PaymentsTable.Arn"}.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

PATH: Final = Path(__file__).parents[2] / "template.yaml"
DATA_PATH: Final = PATH.with_name("data.yaml")
IMPORTED: Final = "${AWS::StackName}-data-"
"""What the name of every import begins with: the data stack is called after the other."""


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
def alone(path: Path) -> dict[str, Any]:
    """One of the two templates, as it is written."""
    loaded: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506
    return loaded


@cache
def template() -> dict[str, Any]:
    """The whole: both templates, nothing imported."""
    data, code = alone(DATA_PATH), alone(PATH)
    exported = {name: output["Value"] for name, output in data["Outputs"].items()}
    whole: dict[str, Any] = _resolved(code, exported)
    for part in ("Parameters", "Conditions", "Resources"):
        whole[part] = {**whole.get(part, {}), **data.get(part, {})}
    return whole


def _resolved(node: Any, exported: dict[str, Any]) -> Any:
    match node:
        case {"Fn::ImportValue": {"Sub": str(name)}}:
            return exported[name.removeprefix(IMPORTED)]
        case {"Join": ["/", [{"Fn::ImportValue": _} as arn, str(rest)]]}:
            return {"Sub": f"${{{_resolved(arn, exported)['GetAtt']}}}/{rest}"}
        case dict():
            return {key: _resolved(value, exported) for key, value in node.items()}
        case list():
            return [_resolved(value, exported) for value in node]
    return node


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
