"""What comes with the product: nothing unpinned, nothing under a licence that binds, no secret.

Whether a pin has a known hole is asked by `make audit`, which needs the network; no test does.
"""

import fnmatch
import importlib.metadata
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

from payvand_cli.paths import ROOT
from tests.cli.test_requirements import LOCKS, pins

# ── pins ──────────────────────────────────────────────────────────────────────────────────────


def test_every_pin_has_a_hash_of_every_file_it_may_be() -> None:
    for lock in LOCKS:
        blocks = re.split(r"(?m)^(?=[a-z])", lock.read_text("utf-8"))
        requirements = [b for b in blocks if re.match(r"[a-z0-9-]+(\[[^]]*\])?==", b)]
        assert requirements, lock
        for requirement in requirements:
            assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", requirement)) >= 1, requirement
            assert " @ " not in requirement and "git+" not in requirement


def test_nothing_is_installed_that_no_lock_names() -> None:
    named = pins(ROOT / "requirements/dev.txt").keys()
    installed = {_name(found) for found in importlib.metadata.distributions()}
    assert installed - named == {"payvand"}


def test_everything_is_installed_by_hash() -> None:
    """Makefile and layer: each way in asks for hashes."""
    for path in (ROOT / "Makefile", ROOT / "layers/shared/Makefile"):
        for line in path.read_text("utf-8").replace("\\\n", " ").splitlines():
            if re.search(r"pip (install|sync)", line) and "--no-deps" not in line:
                assert "--require-hashes" in line, line


def test_every_lock_can_be_audited() -> None:
    command = re.search(r"(?ms)^audit:.*?(?=^\S|\Z)", (ROOT / "Makefile").read_text("utf-8"))
    assert command is not None
    assert "requirements/*.txt" in command[0] and "--require-hashes" in command[0]


# ── licences ──────────────────────────────────────────────────────────────────────────────────

PERMISSIVE: Final = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|Unlicense|0BSD|CC0|Public Domain|HPND"
)
WEAK: Final = {"certifi", "hypothesis", "pathspec"}
"""Mozilla Public License 2.0: a changed file of theirs stays open, ours are not touched."""
UNSAID: Final = {
    "cookiecutter": "BSD, says its LICENSE; a tool of SAM, never shipped",
    "pyftpdlib": "MIT, says its LICENSE; the lab's FTPS server and tests of ours, never shipped",
    "text-unidecode": "Artistic or GPL at our choice; a tool of SAM, never shipped",
}


def _name(found: importlib.metadata.Distribution) -> str:
    return re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()


def licence(found: importlib.metadata.Distribution) -> str:
    """As the package itself says it."""
    meta = found.metadata
    classified = [c for c in meta.get_all("Classifier", []) if c.startswith("License")]
    said = meta.get("License-Expression") or "; ".join(classified) or meta.get("License")
    return (said or "")[:200]


def environments() -> list[Path]:
    """Every environment there is on this machine; the runtime layer's packages are in the first."""
    return [
        ROOT / ".venv/lib/python3.13/site-packages",
        *sorted((ROOT / ".local").glob("*/lib/python3.13/site-packages")),
    ]


@pytest.mark.parametrize("folder", environments(), ids=lambda path: path.parents[2].name)
def test_every_licence_is_permissive(folder: Path) -> None:
    seen = 0
    for found in importlib.metadata.distributions(path=[str(folder)]):
        name, said = _name(found), licence(found)
        seen += 1
        if name in WEAK:
            assert "MPL" in said or "Mozilla" in said, (name, said)
        elif name not in UNSAID | {"payvand": ""}:
            assert PERMISSIVE.search(said), (name, said)
            assert not re.search(r"\bA?L?GPL", said), (name, said)
    assert seen


@pytest.mark.parametrize("layer", ["layer", "papers"])
def test_what_is_shipped_binds_nobody(layer: str) -> None:
    for name in pins(ROOT / f"requirements/{layer}.txt"):
        assert name not in WEAK | UNSAID.keys()
        assert PERMISSIVE.search(licence(importlib.metadata.distribution(name))), name


# ── secrets ───────────────────────────────────────────────────────────────────────────────────

ALLOWED: Final[list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "allowed_secrets.yaml").read_text("utf-8")
)
ONLY_REAL: Final = {
    "AWS Access Key", "Private Key", "JSON Web Token", "GitHub Token", "GitLab Token",
    "Slack Token", "Stripe Access Key", "Telegram Bot Token", "Twilio API Key", "NPM tokens",
    "Azure Storage Account access key", "Discord Bot Token", "OpenAI Token", "PyPI Token",
    "SendGrid API Key", "Mailchimp Access Key", "Square OAuth Secret", "Artifactory Credentials",
}  # fmt: skip
"""Kinds that are no guess: these look like nothing but what they are."""
HASHES_ALONE: Final = "requirements/*.txt"
OUR_KEY: Final = re.compile(r"pv_(?:live|test)_([0-9A-Za-z_-]{32,128})|whsec_([0-9A-Za-z+/]{43}=)")
LETTERS_OF_CHANCE: Final = 18
"""Different letters in 32 random ones are more; in a made-up key they are few."""
OUR_EXAMPLE: Final = "contracts/examples/Endpoint.json"


@cache
def tracked() -> tuple[str, ...]:
    """Every file of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return tuple(name for name in found if not (ROOT / name).is_symlink())


def scan(*paths: str) -> Iterator[tuple[str, str, int]]:
    """What looks like a secret: path, kind, line."""
    found = SecretsCollection()
    with default_settings():
        for path in paths:
            found.scan_file(path)
    for path, secret in found:
        yield path, secret.type, secret.line_number


@pytest.fixture(scope="module")
def findings() -> list[tuple[str, str, int]]:
    names = [name for name in tracked() if not fnmatch.fnmatch(name, HASHES_ALONE)]
    found = scan(*(str(ROOT / name) for name in names))
    return [(str(Path(path).relative_to(ROOT)), kind, line) for path, kind, line in found]


def allowed(path: str, kind: str) -> list[int]:
    """The entries of the list that let this pass."""
    return [
        n
        for n, entry in enumerate(ALLOWED)
        if kind in entry["kinds"] and any(fnmatch.fnmatch(path, p) for p in entry["files"])
    ]


def test_no_file_holds_a_secret(findings: list[tuple[str, str, int]]) -> None:
    assert len(tracked()) > 300
    assert [one for one in findings if not allowed(one[0], one[1])] == []


def test_every_exception_has_a_reason_and_a_use(findings: list[tuple[str, str, int]]) -> None:
    used = {n for path, kind, _ in findings for n in allowed(path, kind)}
    assert used == set(range(len(ALLOWED)))
    for entry in ALLOWED:
        assert len(entry["why"]) > 20
        assert not ONLY_REAL & set(entry["kinds"]), "a real key is allowed nowhere"


def test_no_file_holds_a_key_of_ours() -> None:
    for name in tracked():
        text = (ROOT / name).read_bytes().decode("utf-8", "ignore")
        for match in OUR_KEY.finditer(text):
            secret = match[1] or match[2]
            if text.startswith('{"openapi"') or name.startswith(("contracts/", "functions/ref")):
                continue  # examples of the reference, made up
            assert len(set(secret)) < LETTERS_OF_CHANCE, (name, match[0])


def test_a_secret_that_is_left_lying_is_found(tmp_path: Path) -> None:
    planted = {
        "AWS Access Key": "key = 'AK" + "IAQYLPMN5HHHFPZAM2'",
        "Private Key": "-----BEGIN RSA PRI" + "VATE KEY-----",
        "Stripe Access Key": "sk_li" + "ve_4eC39HqLyjWDarjtT1zdp7dc",
        "GitHub Token": "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx",
        "JSON Web Token": "eyJ0eXAiOiJKV1Qi"
        "LCJhbGciOiJIUzI1NiJ9.eyJpZCI6IjEyMyJ9.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV",
    }
    for kind, text in planted.items():
        path = tmp_path / "left.py"
        path.write_text(f"{text}\n")
        assert kind in {found[1] for found in scan(str(path))}, kind
        assert not allowed("tests/adversary/left.py", kind)


# ── the template's scan ───────────────────────────────────────────────────────────────────────


def test_every_check_that_is_skipped_says_why() -> None:
    text = (ROOT / ".checkov.yaml").read_text("utf-8")
    skipped = yaml.safe_load(text)["skip-check"]
    assert len(skipped) == len(set(skipped))
    lines = text.splitlines()
    for check in skipped:
        above = lines[lines.index(f"  - {check}") - 1].strip()
        assert above.startswith("# ") and len(above) > 40, check
    for name in ("template.yaml", "data.yaml"):
        template = (ROOT / name).read_text("utf-8")
        assert "checkov:skip" not in template and "cfn_nag" not in template
