"""What holds data stands apart from code, outlives it and hands it names and nothing else."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

import pytest

from payvand_cli.stack import DATA_NAME, NAME
from tests.support import template

DATA: Final = template.alone(template.DATA_PATH)
CODE: Final = template.alone(template.PATH)
CODE_TEXT: Final = template.PATH.read_text(encoding="utf-8")
HOLDS_DATA: Final = (
    "AWS::Backup::", "AWS::Cognito::", "AWS::DocDB::", "AWS::DynamoDB::", "AWS::EFS::",
    "AWS::ElastiCache::", "AWS::KMS::", "AWS::Kinesis::", "AWS::RDS::", "AWS::S3::",
    "AWS::SSM::", "AWS::SecretsManager::", "AWS::Serverless::SimpleTable",
)  # fmt: skip
NEEDED_BY_IT: Final = {"AWS::S3::BucketPolicy"}
"""Holds nothing; goes with what it belongs to."""
LOST: Final = {"LabTable"}
"""Sandboxes and their clock: nothing there is anybody's."""


def parts(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a part of a template."""
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node:
        if isinstance(part, dict | list):
            yield from parts(part)


def references(node: Any) -> set[str]:
    """Every name a part of a template asks for."""
    found: set[str] = set()
    for part in parts(node):
        match part:
            case {"Ref": str(name)} | {"If": [str(name), *_]}:
                found.add(name)
            case {"GetAtt": str(name)}:
                found.add(name.partition(".")[0])
            case {"Sub": str(text)}:
                found |= {name.partition(".")[0] for name in re.findall(r"\$\{([^}]+)\}", text)}
    return found


def imports(node: Any) -> set[str]:
    """Every name a part of a template imports."""
    return {p["Fn::ImportValue"]["Sub"] for p in parts(node) if "Fn::ImportValue" in p}


def test_all_that_holds_data_stands_in_its_own_template() -> None:
    assert all(r["Type"].startswith(HOLDS_DATA) for r in DATA["Resources"].values())
    assert not [n for n, r in CODE["Resources"].items() if r["Type"].startswith(HOLDS_DATA)]


@pytest.mark.parametrize("name", DATA["Resources"])
def test_it_outlives_its_stack_and_its_own_replacement(name: str) -> None:
    resource = DATA["Resources"][name]
    if resource["Type"] in NEEDED_BY_IT:
        return
    wanted = "Delete" if name in LOST else "Retain"
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == wanted


def test_nothing_of_it_depends_on_code() -> None:
    assert "Transform" not in DATA
    assert not imports(DATA)
    assert DATA["Parameters"].keys() == {"Local"}
    own = DATA["Resources"].keys() | DATA["Parameters"].keys() | DATA["Conditions"].keys()
    assert {n for n in references(DATA) if not n.startswith("AWS::")} <= own


def test_nothing_of_it_is_named_by_us() -> None:
    """A fixed name could not be made beside what was retained under it."""
    for resource in DATA["Resources"].values():
        assert not resource["Properties"].keys() & {"TableName", "BucketName", "Name"}


def test_every_import_has_its_export_and_every_export_its_import() -> None:
    exported = {output["Export"]["Name"]["Sub"] for output in DATA["Outputs"].values()}
    assert exported == {f"${{AWS::StackName}}-{name}" for name in DATA["Outputs"]}
    assert imports(CODE) == {template.IMPORTED + name for name in DATA["Outputs"]}


@pytest.mark.parametrize("name", DATA["Outputs"])
def test_code_calls_it_by_one_name_and_uses_it(name: str) -> None:
    """Alias, output, export and resource are called alike, so that one search finds them all."""
    imported = f'{{Fn::ImportValue: !Sub "{template.IMPORTED}{name}"}}'
    assert f"  {name}: {{Value: &{name} {imported}}}\n" in CODE_TEXT
    assert CODE_TEXT.count(f'{template.IMPORTED}{name}"') == 1, f"write *{name}"
    assert re.search(rf"\*{name}\b", CODE_TEXT.partition("\nResources:")[2]), f"*{name} is unused"
    (resource,) = references(DATA["Outputs"][name]["Value"])
    assert name.removesuffix("Arn").removesuffix("Stream") == resource


def test_code_asks_for_it_by_that_name_alone() -> None:
    """The tests read both templates as one and would not notice; AWS would."""
    asked = references(CODE) & DATA["Resources"].keys()
    assert not asked, "these stand in data.yaml: write *Name, or *NameArn"


def test_deploying_by_hand_finds_template_and_name() -> None:
    config = tomllib.loads((template.PATH.parent / "samconfig.toml").read_text(encoding="utf-8"))
    code, data = config["default"]["global"]["parameters"], config["data"]["deploy"]["parameters"]
    assert data["template_file"] == template.DATA_PATH.name
    assert f"{code['stack_name']}-data" == data["stack_name"] == DATA_NAME
    assert code["stack_name"] == NAME
    assert template.IMPORTED == "${AWS::StackName}-data-"
