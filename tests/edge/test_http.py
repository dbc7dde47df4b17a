"""The way out: a whole answer in time, or silence."""

import gzip
import select
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from payvand.edge.http import BODY_MAX, HOSTS_MAX, Http
from payvand.errors import Silence
from tests.support.authority import authority
from tests.support.party import Party, last_words

SOON_S = 0.3


@pytest.fixture
def party() -> Iterator[Party]:
    made = Party()
    yield made
    made.stop()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def send(party: Party, http: Http | None = None, timeout_s: float = 5) -> tuple[int, bytes]:
    reply = (http or Http()).send("POST", party.url + "/x", headers={}, timeout_s=timeout_s)
    return reply.status, reply.body


def test_a_whole_answer(party: Party) -> None:
    party.says(answer(b'{"code":100}', b"X-Name: v", status=b"502 Bad Gateway"))
    reply = Http().send("POST", party.url + "/x?y=1", headers={"A": "b"}, body=b"{}", timeout_s=5)
    assert (reply.status, reply.body, reply.headers["x-name"]) == (502, b'{"code":100}', "v")
    assert party.asked[0].startswith(b"POST /x?y=1 HTTP/1.1\r\n") and b"A: b" in party.asked[0]


def test_a_redirect_is_an_answer_not_a_way(party: Party) -> None:
    party.says(answer(b"", b"Location: " + party.url.encode() + b"/inside", status=b"302 Found"))
    assert send(party)[0] == 302
    assert len(party.asked) == 1


def test_one_call_is_one_request(party: Party) -> None:
    party.says(lambda c: c.shutdown(socket.SHUT_RDWR), answer(b"late"))
    with pytest.raises(Silence):
        send(party)
    assert len(party.asked) == 1


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_quiet_is_silence_in_time(party: Party, head: bytes) -> None:
    party.says(party.silence(head))
    started = time.monotonic()
    with pytest.raises(Silence):
        send(party, timeout_s=SOON_S)
    assert time.monotonic() - started < SOON_S + 1


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"{"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
    ],
    ids=["headers", "body", "chunks"],
)
def test_the_whole_answer_has_the_time_not_each_part_of_it(
    party: Party, head: bytes, piece: bytes
) -> None:
    party.says(party.drip(head, piece, SOON_S / 6))
    started = time.monotonic()
    with pytest.raises(Silence):
        send(party, timeout_s=SOON_S)
    assert time.monotonic() - started < SOON_S + 1


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 99)[:-9],
    ],
    ids=lambda words: repr(words)[:40],
)
def test_half_an_answer_is_silence(party: Party, words: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(words)
        connection.shutdown(socket.SHUT_RDWR)

    party.says(talk)
    with pytest.raises(Silence):
        send(party)


@pytest.mark.parametrize("more", [10, 100_000])
def test_too_large_is_silence_and_spoils_nothing(party: Party, more: int) -> None:
    party.says(answer(b"x" * (BODY_MAX + more)), answer(b"ours"))
    http = Http()
    with pytest.raises(Silence, match="large"):
        send(party, http)
    assert send(party, http) == (200, b"ours")


def test_the_largest_answer_is_read(party: Party) -> None:
    party.says(answer(b"x" * BODY_MAX))
    assert len(send(party)[1]) == BODY_MAX


@pytest.mark.parametrize(
    ("packing", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)]
)
def test_a_packed_answer_is_unpacked(party: Party, packing: bytes, pack: Any) -> None:
    party.says(answer(pack(b'{"code":100}'), b"Content-Encoding: " + packing))
    assert send(party) == (200, b'{"code":100}')


def test_a_packed_answer_is_measured_unpacked(party: Party) -> None:
    party.says(answer(gzip.compress(b"x" * (BODY_MAX * 20)), b"Content-Encoding: gzip"))
    with pytest.raises(Silence, match="large"):
        send(party)


def test_a_connection_serves_again(party: Party) -> None:
    party.says(answer(b"1"), answer(b"2"))
    http = Http()
    assert [send(party, http)[1], send(party, http)[1]] == [b"1", b"2"]


def test_a_connection_that_was_closed_meanwhile_is_made_anew(party: Party) -> None:
    party.says(last_words(answer(b"1")), last_words(answer(b"2")))
    http = Http()
    assert send(party, http)[1] == b"1"
    (kept,) = http._kept.values()
    poll = select.poll()
    poll.register(kept.sock, select.POLLIN)
    poll.poll(5_000)  # until the good-bye is here
    assert (send(party, http)[1], party.connections) == (b"2", 2)


def test_few_connections_are_kept(party: Party) -> None:
    http = Http()
    for n in range(HOSTS_MAX + 2):
        party.says(answer(b"1"))
        http.send("GET", f"http://user{n}@127.0.0.1:{party.port}/", headers={}, timeout_s=5)
    assert len(http._kept) == HOSTS_MAX


def test_only_who_proves_its_name_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, server = authority(tmp_path, "trusted")
    _, stranger = authority(tmp_path, "stranger")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    heard: list[tuple[int, bytes] | None] = []
    for tls in (server("127.0.0.1"), server("127.0.0.2"), stranger("127.0.0.1")):
        other = Party(tls)
        other.says(answer(b"1"))
        try:
            heard.append(send(other))
        except Silence:
            heard.append(None)
        finally:
            other.stop()
    assert heard == [(200, b"1"), None, None]


def test_nobody_there_is_silence() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(Silence):
            Http().send("GET", url, headers={}, timeout_s=2)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://127.0.0.1:99999/", "http://["])
def test_an_address_that_is_none_is_silence(url: str) -> None:
    with pytest.raises(Silence):
        Http().send("GET", url, headers={}, timeout_s=1)
