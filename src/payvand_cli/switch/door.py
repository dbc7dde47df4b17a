"""The control door: what happens outside the files, by HTTP and JSON on loopback.

    GET  /                               the state: files, credits, what each account got, and so on
    GET  /key, /ca                       the switch's public key, the authority of its FTPS server
    POST /process                        do what is due by now
    POST /clock                          {"advance_s": n} or {"advance_to": RFC 3339}
    PUT  /facilitators/{alias}           {"iban", "password", "public_pem"}
    POST /facilitators/{alias}/key       {"public_pem"}: a key by letter
    PUT  /acceptors/{code}               {"alias", "iin", "ibans": {IBAN: active}}
    POST /acceptors/{code}/takings       {"amount_minor"}: its balance grows by this
    POST /credits/{id}/return            {"reason"}: the merchant's bank gives it back
    POST /faults                         {"acceptor", "code", "paid"} or {"alias", "how"}

Every change answers with the state.
"""

import datetime as dt
import http.server
import json
import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final, override

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from payvand_cli.switch.books import How, RecordFault, ReplyFault
from payvand_cli.switch.party import Switch, Unknown

BODY_MAX_BYTES: Final = 64 * 1024


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Nothing(_Asked):
    pass


class _Clock(_Asked):
    advance_s: int | None = None
    advance_to: Annotated[AwareDatetime | None, Field(strict=False)] = None


class _Facilitator(_Asked):
    iban: str
    password: str
    public_pem: str


class _Key(_Asked):
    public_pem: str


class _Acceptor(_Asked):
    alias: str
    iin: int
    ibans: dict[str, bool]


class _Takings(_Asked):
    amount_minor: int


class _Return(_Asked):
    reason: str


class _Fault(_Asked):
    acceptor: str | None = None
    code: int | None = None
    paid: bool = False
    alias: str | None = None
    how: How | None = None


def _process(switch: Switch, _name: str, _asked: Any) -> None:
    switch.process()


def _clock(switch: Switch, _name: str, asked: _Clock) -> None:
    if (asked.advance_s is None) == (asked.advance_to is None):
        raise ValueError("advance_s or advance_to")
    seconds = asked.advance_s
    if asked.advance_to is not None:
        seconds = -((switch.now() - asked.advance_to) // dt.timedelta(seconds=1))
    switch.advance(seconds or 0)


def _enrol(switch: Switch, name: str, asked: _Facilitator) -> None:
    switch.enrol(name, asked.iban, asked.password, asked.public_pem.encode())


def _key(switch: Switch, name: str, asked: _Key) -> None:
    switch.take_key(name, asked.public_pem.encode())


def _register(switch: Switch, name: str, asked: _Acceptor) -> None:
    switch.register(name, asked.alias, asked.iin, asked.ibans)


def _take_in(switch: Switch, name: str, asked: _Takings) -> None:
    switch.take_in(name, asked.amount_minor)


def _give_back(switch: Switch, name: str, asked: _Return) -> None:
    switch.give_back(name, asked.reason)


def _plant(switch: Switch, _name: str, asked: _Fault) -> None:
    if asked.acceptor is not None and asked.code is not None:
        switch.plant(RecordFault(asked.acceptor, asked.code, asked.paid))
    elif asked.alias is not None and asked.how is not None:
        switch.plant(ReplyFault(asked.alias, asked.how))
    else:
        raise ValueError("a fault of a record or of an answer")


type _Route = tuple[str, re.Pattern[str], type[_Asked], Callable[[Switch, str, Any], None]]
ROUTES: Final[tuple[_Route, ...]] = tuple(
    (method, re.compile(path), asked, act)
    for method, path, asked, act in (
        ("POST", r"/(process)", _Nothing, _process),
        ("POST", r"/(clock)", _Clock, _clock),
        ("PUT", r"/facilitators/(\w+)", _Facilitator, _enrol),
        ("POST", r"/facilitators/(\w+)/key", _Key, _key),
        ("PUT", r"/acceptors/(\w+)", _Acceptor, _register),
        ("POST", r"/acceptors/(\w+)/takings", _Takings, _take_in),
        ("POST", r"/credits/(\w+)/return", _Return, _give_back),
        ("POST", r"/(faults)", _Fault, _plant),
    )
)


class Door(http.server.ThreadingHTTPServer):
    """Listens on loopback and serves from threads of its own until closed."""

    daemon_threads = True

    def __init__(self, switch: Switch, ca_pem: bytes, port: int = 0) -> None:
        self.switch, self.ca_pem = switch, ca_pem
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="switch-door"
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: Door

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        switch = self.server.switch
        if self.path == "/":
            self._answer(HTTPStatus.OK, switch.state())
        elif self.path == "/key":
            self._answer(HTTPStatus.OK, {"public_pem": switch.public_pem.decode()})
        elif self.path == "/ca":
            self._answer(HTTPStatus.OK, {"ca_pem": self.server.ca_pem.decode()})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "no such page"})

    def _change(self) -> None:
        try:
            self._act()
        except Unknown as unknown:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"{unknown} is not there"})
        except ValidationError as wrong:
            why = wrong.errors(include_url=False)[0]["msg"]
            self._answer(HTTPStatus.BAD_REQUEST, {"error": why})
        except ValueError as wrong:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(wrong)})
        except PermissionError as no:
            self._answer(HTTPStatus.FORBIDDEN, {"error": str(no)})
        else:
            self._answer(HTTPStatus.OK, self.server.switch.state())

    def _act(self) -> None:
        body = self._body()
        if self.headers.get("Origin") or self.headers.get("Host") != self.server.url[7:]:
            raise PermissionError("not from a web page")
        for method, path, asked, act in ROUTES:
            found = path.fullmatch(self.path)
            if found and method == self.command:
                act(self.server.switch, found[1], asked.model_validate_json(body or b"{}"))
                return
        raise Unknown(f"{self.command} {self.path}")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch("[0-9]{1,8}", length) or int(length) > BODY_MAX_BYTES:
            self.close_connection = True  # it was not read, so nothing can follow it
            raise ValueError("a short body with its length")
        return self.rfile.read(int(length))

    def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        raw = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_PUT = _change  # noqa: N815
