"""An answer is read whole, however it is cut, or not at all; nobody is believed without proof."""

import datetime as dt
import re
import ssl
from pathlib import Path
from typing import Any, cast

import botocore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payvand.edge import line
from payvand.edge.line import Line
from payvand.errors import AwsSilent
from tests.support.authority import Authority, authority
from tests.support.party import Party

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A:  b \r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n"


class Pieces:
    """A socket that has received these pieces, and then its end."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def recv(self, _size: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def settimeout(self, _left_s: float) -> None:
        pass


def read(*pieces: bytes) -> line.Answer:
    return line._Reader(cast("Any", Pieces(*pieces))).answer()


@given(st.data(), st.sampled_from([OK, CHUNKED]))
def test_an_answer_is_read_however_it_is_cut(data: st.DataObject, whole: bytes) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    status, headers, body = read(*pieces)
    assert (status, body) == (200, b"{}")
    assert whole is CHUNKED or headers == {"content-length": "2", "x-a": "b"}


@pytest.mark.parametrize("part", [whole[:n] for whole in (OK, CHUNKED) for n in range(len(whole))])
def test_what_is_not_whole_is_no_answer(part: bytes) -> None:
    with pytest.raises((OSError, ValueError)):
        read(part)


@given(
    st.binary(max_size=300)
    | st.builds(
        lambda whole, at, bits: whole[:at] + bits + whole[at + len(bits) :],
        st.sampled_from([OK, CHUNKED]),
        st.integers(0, 90),
        st.binary(min_size=1, max_size=6),
    )
)
def test_nonsense_is_an_answer_or_none_and_never_another_fault(words: bytes) -> None:
    try:
        status, _, _ = read(words)
    except (OSError, ValueError):
        return
    assert 0 <= status <= 999


@pytest.mark.parametrize(
    "words",
    [
        OK + b"HTTP/1.1 200 OK\r\n",
        OK.replace(b"2\r", b"+2\r", 1),
        OK.replace(b"Length: 2", b"Length: -2"),
        OK.replace(b"Length: 2", b"Length: 99999999999"),
        OK.replace(b"Length: 2", b"Length: 2_0"),
        OK.replace(b"Content-Length: 2\r\n", b""),
        OK.replace(b"HTTP/1.1", b"HTTP/2"),
        OK.replace(b"200", b"20"),
        OK.replace(b"X-A:", b"X-A"),
        CHUNKED.replace(b"chunked", b"gzip"),
        CHUNKED.replace(b"\r\nTr", b"\r\nContent-Length: 2\r\nTr"),
        CHUNKED.replace(b"\r\n0\r\n\r\n", b"\r\n0\r\nTrailer: x\r\n\r\n"),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
    ids=lambda words: repr(words)[:60],
)
def test_an_answer_framed_in_doubt_is_none(words: bytes) -> None:
    with pytest.raises((KeyError, OSError, ValueError)):
        read(words)


# ── TLS ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Authority, Authority]:
    """Amazon, and one that the system trusts beside it."""
    amazon, other = authority(tmp_path, "amazon"), authority(tmp_path, "other")
    monkeypatch.setattr(line, "ROOTS", str(amazon[0]))
    monkeypatch.setenv("SSL_CERT_FILE", str(other[0]))
    monkeypatch.setattr(line, "_trusts", {})
    return amazon, other


def ask(tls: ssl.SSLContext, times: int = 1, host: str = "127.0.0.1") -> int:
    """How many connections it took."""
    party = Party(tls)
    try:
        party.says(*[OK] * times)
        made = Line(host, party.port, secure=True)
        try:
            for _ in range(times):
                assert made.ask(b"POST / HTTP/1.1\r\n\r\n")[2] == b"{}"
        finally:
            made.close()
        return party.connections
    finally:
        party.stop()


def test_amazon_is_believed_by_its_own_roots(roots: tuple[Authority, Authority]) -> None:
    assert ask(roots[0][1]("127.0.0.1"), times=3) == 1


def test_should_amazon_use_another_root_the_system_decides(
    roots: tuple[Authority, Authority],
) -> None:
    assert ask(roots[1][1]("127.0.0.1"), times=3) == 2


def test_a_stranger_is_not_believed(roots: tuple[Authority, Authority], tmp_path: Path) -> None:
    with pytest.raises(AwsSilent, match="SSLCertVerificationError"):
        ask(authority(tmp_path, "stranger")[1]("127.0.0.1"))


def test_a_certificate_of_another_name_is_not_believed(
    roots: tuple[Authority, Authority],
) -> None:
    for shown, asked in (("127.0.0.2", "127.0.0.1"), ("127.0.0.1", "localhost")):
        with pytest.raises(AwsSilent, match="SSLCertVerificationError"):
            ask(roots[0][1](shown), host=asked)


def test_the_roots_are_amazon_s_five_as_botocore_has_them() -> None:
    pattern = r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----"
    known = set(
        re.findall(pattern, Path(botocore.__file__).with_name("cacert.pem").read_text(), re.DOTALL)
    )
    kept = re.findall(pattern, Path(line.ROOTS).read_text(), re.DOTALL)
    assert set(kept) <= known
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(line.ROOTS)
    found = context.get_ca_certs()
    subjects: list[Any] = [c["subject"] for c in found]
    names = [dict(part[0] for part in subject)["commonName"] for subject in subjects]
    assert sorted(names) == [
        *(f"Amazon Root CA {n}" for n in range(1, 5)),
        "Starfield Services Root Certificate Authority - G2",
    ]
    ends = [ssl.cert_time_to_seconds(str(c["notAfter"])) for c in found]
    assert min(ends) > dt.datetime(2037, 1, 1, tzinfo=dt.UTC).timestamp()
