"""Everybody who takes part, laid out on disk and with books of their own."""

from pathlib import Path
from typing import Final

from bench import sites
from bench.candidates import CONVENTIONAL, OURS, Candidate, Plan, ours_seed, plain_seed, served_seed

RUNTIME: Final = ("boto3",)
POWERTOOLS: Final = ("aws-lambda-powertools[parser,tracer]", "requests")
DJANGO: Final = ("django", "django-payments")
FASTAPI: Final = ("fastapi", "sqlalchemy", "httpx")


def ours(
    build: Path,
    runtime: Path,
    flows: tuple[str, ...] = tuple(OURS),
    *,
    name: str = "ours",
    title: str = "ours",
) -> list[Candidate]:
    """One candidate per function: each has a package of its own."""
    layer = build / sites.LAYER / "python"
    return [
        Candidate(
            name,
            title,
            [build / function, layer, runtime],
            {flow: handler},
            package=[build / function, layer],
        )
        for flow, (function, handler) in OURS.items()
        if flow in flows
    ]


def roster(build: Path, work: Path = sites.WORK) -> list[Candidate]:
    """All candidates of the table."""
    runtime = sites.lay_out(work / "runtime", RUNTIME)
    usual = sites.lay_out(work / "conventional", POWERTOOLS, own="conventional", without=RUNTIME)
    bare = sites.without_bytecode(usual, work / "conventional-source")
    floor = sites.lay_out(work / "floor", (), own="floor.py")
    django = sites.lay_out(work / "django", DJANGO, own="django_shop")
    fastapi = sites.lay_out(work / "fastapi", FASTAPI, own="fastapi_shop")
    source = work / "ours-source"
    for folder in ("PaymentInit", sites.LAYER):
        sites.without_bytecode(build / folder, source / folder)
    floors = {flow: f"peers.floor:{flow}" for flow in ("create", "callback", "settle")}
    same = {"create": "peers.floor:create_our_calls"}
    return [
        *ours(build, runtime),
        *ours(source, runtime, ("create",), name="ours-source", title="ours, no bytecode"),
        Candidate("floor", "floor: one write by hand", [floor], floors, package=[floor]),
        Candidate("floor-calls", "floor: our calls by hand", [floor], same, package=[floor]),
        Candidate(
            "conventional",
            "conventional (Powertools, boto3)",
            [usual, runtime],
            CONVENTIONAL,
            package=[usual],
        ),
        Candidate(
            "conventional-source",
            "conventional, no bytecode",
            [bare, runtime],
            {"create": CONVENTIONAL["create"]},
            package=[bare],
        ),
        Candidate(
            "django",
            "django-payments, SQLite",
            [django],
            _served("peers.django_shop.door"),
            family="server",
            package=[django],
        ),
        Candidate(
            "fastapi",
            "FastAPI + SQLAlchemy, SQLite",
            [fastapi],
            _served("peers.fastapi_shop.door"),
            family="server",
            package=[fastapi],
        ),
    ]


def _served(module: str) -> dict[str, str]:
    return {"create": f"{module}:door", "callback": f"{module}:door", "settle": f"{module}:settle"}


def seeded(candidates: list[Candidate], build: Path, plan: Plan, work: Path = sites.WORK) -> None:
    """Give every candidate fresh books."""
    own = ours_seed(build, work / "runtime", plan) | {"name": "ours"}
    plain = plain_seed(plan) | {"name": "plain"}
    for candidate in candidates:
        if candidate.name.startswith("ours"):
            candidate.seed = own
        elif candidate.family == "server":
            served_seed(candidate, plan)
        else:
            candidate.seed = plain
