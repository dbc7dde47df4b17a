"""The FTPS client against a real server on loopback, and against servers that misbehave."""

import contextlib
import datetime as dt
import ftplib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from OpenSSL import SSL

from payvand.bank import ftps
from payvand.bank.ftps import Delivery, Denied, Different, Server, Session, TooLarge, Untrusted
from payvand.errors import PayvandError, Silence
from payvand_cli.switch import trust
from tests.bank.switch_lab import ALIAS, IN, IN_KEYS, OUT, PASSWORD, Lab, furnished

BIG: Final = b"0123456789abcdef" * 40_000
NAME: Final = "PYV_14050215_01.json"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with furnished(tmp_path / "switch") as lab:
        yield lab


@pytest.fixture
def handler(lab: Lab) -> Any:
    """The server's class for a connection, to be bent by a test."""
    return lab.running.server.handler


def inside(lab: Lab, folder: str = IN) -> dict[str, bytes]:
    """What lies in a folder of ours, read behind the server's back."""
    home = lab.running.switch.home(ALIAS) / folder
    return {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}


def changed(server: Server, **fields: Any) -> Server:
    kept = {name: getattr(server, name) for name in Server.__dataclass_fields__}
    return Server(**{**kept, **fields})


class Talker:
    """A server of canned words: says each in turn and hears a line after it."""

    def __init__(self, *says: bytes) -> None:
        self.heard: list[bytes] = []
        self._says = says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self) -> None:
        with contextlib.suppress(OSError), self._listener, self._listener.accept()[0] as line:
            for words in self._says:
                line.sendall(words)
                if not (heard := line.recv(1000)):
                    return
                self.heard.append(heard)
            self._done.wait(10)

    def close(self) -> None:
        self._done.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()


@pytest.fixture
def talker() -> Iterator[Callable[..., Talker]]:
    talkers: list[Talker] = []

    def start(*says: bytes) -> Talker:
        talkers.append(Talker(*says))
        return talkers[-1]

    yield start
    for each in talkers:
        each.close()


# ---- what it does -----------------------------------------------------------------------------


def test_files_arrive_whole_and_in_order(lab: Lab) -> None:
    files = [(f"{NAME}.sign", bytes(range(256))), (NAME, BIG)]
    assert ftps.deliver(lab.server, IN, files) == Delivery.SENT
    assert inside(lab) == dict(files)


def test_what_is_read_is_what_is_there(lab: Lab) -> None:
    out = lab.running.switch.home(ALIAS) / OUT
    for name, content in (("empty", b""), ("lines", b"a\r\nb\nc\r"), ("big", BIG)):
        (out / name).write_bytes(content)
        with Session(lab.server) as session:
            assert session.read(OUT, name) == content


def test_the_same_again_is_fine_and_sends_nothing(lab: Lab, handler: Any) -> None:
    assert ftps.deliver(lab.server, IN, [(NAME, BIG)]) == Delivery.SENT
    stored: list[str] = []
    handler.ftp_STOR = lambda _self, path, **_: stored.append(path)
    assert ftps.deliver(lab.server, IN, [(NAME, BIG)]) == Delivery.SENT
    with Session(lab.server) as session:
        assert session.put(IN, NAME, BIG) is False
    assert stored == []


def test_several_at_once_end_with_one_whole_file(lab: Lab) -> None:
    files = [(f"{NAME}.sign", b"s" * 256), (NAME, BIG)]
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda _: ftps.deliver(lab.server, IN, files), range(8)))
    assert sent == [Delivery.SENT] * 8
    assert inside(lab) == dict(files)


@pytest.mark.parametrize("other", [b"", b"[]", b"{", b"{} ", BIG])
def test_other_bytes_under_a_name_are_never_overwritten(lab: Lab, other: bytes) -> None:
    assert ftps.deliver(lab.server, IN, [(NAME, b"{}")]) == Delivery.SENT
    with pytest.raises(Different):
        ftps.deliver(lab.server, IN, [(NAME, other)])
    assert inside(lab) == {NAME: b"{}"}


def test_after_a_no_the_session_goes_on(lab: Lab) -> None:
    with Session(lab.server) as session:
        session.put(IN, NAME, b"{}")
        with pytest.raises(Different):
            session.put(IN, NAME, b"[]")
        with pytest.raises(Denied) as none:
            session.read(IN, "nothing.json")
        with pytest.raises(Denied):
            session.put(OUT, NAME, b"{}")
        with pytest.raises(TooLarge):
            session.read(IN, NAME, max_bytes=1)
        assert session.read(IN, NAME, max_bytes=2) == b"{}"
        assert session.put(IN_KEYS, "PYV_14050215.pem", b"key") is True
        assert session.names(IN_KEYS) == {"PYV_14050215.pem"}
    assert (none.value.asked, none.value.code) == ("read", "550")
    assert str(none.value) == "read: the server said 550"


def test_a_listing_is_exact(lab: Lab) -> None:
    names = {"REP_PYV_14050215_01.json", "REP_PYV_14050215_01.json.sign", "with space", "پاسخ.json"}
    for name in names:
        (lab.running.switch.home(ALIAS) / OUT / name).write_bytes(b"")
    with Session(lab.server) as session:
        assert session.names(OUT) == {*names, "KEY_EXCHANGE"}
        assert session.names("OUT/KEY_EXCHANGE") == frozenset()
        with pytest.raises(Denied):
            session.names("ELSEWHERE")


@pytest.mark.parametrize(
    "listing",
    [b"IN/a.json\r\nIN/b\r\n", b"IN\\a.json\nIN\\b\n", b"/x/IN/a.json\r\nb", b".\n..\na.json\nb"],
)
def test_a_listing_with_folders_in_it_is_read_too(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, listing: bytes
) -> None:
    monkeypatch.setattr(ftps._Line, "fetch", lambda *_: listing)
    with Session(lab.server) as session:
        assert session.names(IN) == {"a.json", "b"}


@pytest.mark.parametrize("words", ["550 No files found.", "450 No files found", "550 no files"])
def test_an_empty_folder_may_be_a_no(lab: Lab, handler: Any, words: str) -> None:
    handler.ftp_NLST = lambda self, _path: self.respond(words)
    with Session(lab.server) as session:
        assert session.names(IN) == frozenset()
        assert session.put(IN, NAME, b"{}") is True


@pytest.mark.parametrize("words", ["550 No such directory.", "550 Permission denied"])
def test_any_other_no_is_not_an_empty_folder(lab: Lab, handler: Any, words: str) -> None:
    handler.ftp_NLST = lambda self, _path: self.respond(words)
    with Session(lab.server) as session, pytest.raises(Denied):
        session.names(IN)


def test_a_listing_in_another_encoding_loses_no_other_name(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftps._Line, "fetch", lambda *_: "پاسخ\r\na.json\r\n".encode("cp1256"))
    with Session(lab.server) as session:
        assert "a.json" in session.names(IN)


@pytest.mark.parametrize(
    "name",
    ["", ".hidden", "a b", "a/b", "..", "a\r\nDELE b", "a\0", "۱.json", "a" * 101, "\u202egpj.a"],
)
def test_only_plain_names_go_into_commands(lab: Lab, name: str) -> None:
    with Session(lab.server) as session:
        with pytest.raises(ValueError, match="a name has"):
            session.put(IN, name, b"")
        with pytest.raises(ValueError, match="a name has"):
            session.read(IN, name)
        if name != "a/b":
            with pytest.raises(ValueError, match="a name has"):
                session.names(f"IN/{name}")
    assert inside(lab) == {}


# ---- whom it trusts ---------------------------------------------------------------------------


@pytest.fixture
def told(handler: Any) -> list[str]:
    """What the server was told of who we are."""
    heard: list[str] = []

    def listening(command: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
        def heed(self: Any, line: str) -> None:
            heard.append(line)
            command(self, line)

        return heed

    handler.ftp_USER = listening(handler.ftp_USER)
    handler.ftp_PASS = listening(handler.ftp_PASS)
    return heard


def test_the_server_is_told_who_we_are_once_it_is_trusted(lab: Lab, told: list[str]) -> None:
    with Session(changed(lab.server, name=trust.NAME)) as session:
        assert session.names(OUT)
    assert told == [ALIAS, PASSWORD]


def test_another_authority_is_not_believed(lab: Lab, told: list[str], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ca, _ = trust.certificates(tmp_path / "other", dt.datetime.now(dt.UTC))
    with pytest.raises(Untrusted):
        ftps.deliver(changed(lab.server, ca_pem=ca.read_text()), IN, [(NAME, b"")])
    assert told == []


def test_a_certificate_for_another_host_is_not_believed(lab: Lab, told: list[str]) -> None:
    with pytest.raises(Untrusted):
        ftps.deliver(changed(lab.server, name="switch.example"), IN, [(NAME, b"")])
    assert told == []


def test_a_certificate_of_yesterday_is_not_believed(
    lab: Lab, handler: Any, told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    made = dt.datetime.now(dt.UTC) - trust.LIFE - dt.timedelta(days=1)
    ca, server = trust.certificates(tmp_path / "old", made)
    handler.ssl_context.use_certificate_chain_file(str(server))
    handler.ssl_context.use_privatekey_file(str(server))
    with pytest.raises(Untrusted):
        ftps.deliver(changed(lab.server, ca_pem=ca.read_text()), IN, [(NAME, b"")])
    assert told == []


def test_old_tls_is_not_spoken(lab: Lab, handler: Any, told: list[str]) -> None:
    handler.ssl_context.set_min_proto_version(SSL.TLS1_VERSION)
    handler.ssl_context.set_max_proto_version(SSL.TLS1_1_VERSION)
    handler.ssl_context.set_cipher_list(b"ALL:@SECLEVEL=0")
    with pytest.raises(Untrusted):
        ftps.deliver(lab.server, IN, [(NAME, b"")])
    assert told == []


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_data_channels_resume_the_session(
    lab: Lab, handler: Any, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    # The lab's server refuses others; so does a vsftpd as it comes.
    highest = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}[version]
    handler.ssl_context.set_max_proto_version(highest)
    with Session(lab.server) as session:
        assert session.put(IN, NAME, BIG) is True
        assert session.put(IN, NAME, BIG) is False
        assert isinstance(session._line.sock, ssl.SSLSocket)
        assert session._line.sock.version() == version
    monkeypatch.setattr(ftps._Line, "ntransfercmd", ftplib.FTP_TLS.ntransfercmd)
    with Session(lab.server) as session, pytest.raises(PayvandError):
        session.names(IN)


def test_an_empty_authority_is_not_everybody(lab: Lab) -> None:
    with pytest.raises(ValueError, match="no authorities"):
        Session(changed(lab.server, ca_pem=""))
    with pytest.raises(ValueError, match="not certificates"):
        Session(changed(lab.server, ca_pem="not PEM"))


def test_no_password_goes_out_without_tls(lab: Lab, talker: Callable[..., Talker]) -> None:
    plain = talker(b"220 hello\r\n", b"502 no TLS here\r\n")
    with pytest.raises(Denied) as no:
        ftps.deliver(changed(lab.server, port=plain.port), IN, [(NAME, b"")])
    assert (no.value.asked, no.value.code) == ("TLS", "502")
    assert plain.heard == [b"AUTH TLS\r\n"]


def test_a_server_that_will_not_protect_data_gets_none(lab: Lab, handler: Any) -> None:
    handler.ftp_PROT = lambda self, _line: self.respond("534 not here")
    with pytest.raises(Denied) as no:
        ftps.deliver(lab.server, IN, [(NAME, b"")])
    assert (no.value.asked, no.value.code) == ("protect", "534")


@pytest.mark.parametrize(
    "wrong", [{"password": "wrong"}, {"user": "XYZ"}, {"user": "", "password": ""}]
)
def test_a_wrong_login_is_denied(lab: Lab, wrong: dict[str, str]) -> None:
    with pytest.raises(Denied) as no:
        ftps.deliver(changed(lab.server, **wrong), IN, [(NAME, b"")])
    assert (no.value.asked, no.value.code) == ("login", "530")


@pytest.mark.parametrize("text", ["a\r\nDELE x", "رمز", "a\0b", "\x7f"])
def test_a_login_cannot_carry_a_command(lab: Lab, text: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        changed(lab.server, password=text)
    with pytest.raises(ValueError, match="printable ASCII"):
        changed(lab.server, user=text)


def test_nothing_secret_is_shown(lab: Lab, handler: Any) -> None:
    assert PASSWORD not in repr(lab.server)
    handler.ftp_CWD = lambda self, _path: self.respond(
        f"550 {PASSWORD} for IR062960000000100324200001"
    )
    with Session(lab.server) as session, pytest.raises(Denied) as no:
        session.names(IN)
    assert str(no.value) == "list: the server said 550"
    assert no.value.__suppress_context__


# ---- what breaks ------------------------------------------------------------------------------


def test_a_server_that_is_down_is_unknown(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ftps.deliver(changed(lab.server, port=port), IN, [(NAME, b"")]) == Delivery.UNKNOWN
    with pytest.raises(Silence, match=r"^connect: ConnectionRefusedError$"):
        Session(changed(lab.server, port=port)).__enter__()


def test_a_silent_server_is_left(lab: Lab, talker: Callable[..., Talker]) -> None:
    for says in ((), (b"220 hello\r\n",), (b"220 hello\r\n", b"234 go on\r\n")):
        session = Session(changed(lab.server, port=talker(*says).port), timeout_s=0.1)
        with pytest.raises(Silence):
            session.__enter__()


@pytest.mark.parametrize(
    "greeting",
    [
        b"",
        b"hello\r\n",
        b"\xff\xfe\x00\r\n",
        b"220" + b"x" * 9_000 + b"\r\n",
        b"421 too many of you\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
    ],
)
def test_a_server_of_another_kind_is_silence(
    lab: Lab, talker: Callable[..., Talker], greeting: bytes
) -> None:
    session = Session(changed(lab.server, port=talker(greeting).port), timeout_s=0.1)
    with pytest.raises(Silence):
        session.__enter__()


def test_a_server_that_never_stops_talking_is_left(
    lab: Lab, talker: Callable[..., Talker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftps, "TALK_MAX_BYTES", 5_000)
    endless = talker(b"220-and then\r\n" * 10_000)
    with pytest.raises(Silence, match=r"^connect: error_proto$"):
        Session(changed(lab.server, port=endless.port)).__enter__()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1256"])
def test_a_greeting_in_any_alphabet_is_fine(lab: Lab, handler: Any, encoding: str) -> None:
    handler.banner, handler.encoding = "شاپرك", encoding
    assert ftps.deliver(lab.server, IN, [(NAME, b"{}")]) == Delivery.SENT


def dropping(handler: Any, after: int) -> Any:
    """A data channel that dies with its connection after so many bytes."""

    class Dropping(handler.dtp_handler):  # type: ignore[misc]
        def recv(self, size: int) -> bytes:
            if self.tot_bytes_received <= after:
                return bytes(super().recv(size))
            self.cmd_channel.close()
            return b""

    return Dropping


def test_a_connection_lost_during_an_upload_leaves_no_half_file(lab: Lab, handler: Any) -> None:
    whole, files = handler.dtp_handler, [(f"{NAME}.sign", b"s" * 256), (NAME, BIG)]
    handler.dtp_handler = dropping(handler, 100_000)
    assert ftps.deliver(lab.server, IN, files) == Delivery.UNKNOWN
    left = inside(lab)
    assert left.pop(f"{NAME}.sign") == b"s" * 256
    ((part, half),) = left.items()
    assert re.fullmatch(re.escape(NAME) + r"\.[0-9a-f]{8}\.part", part)
    assert 0 < len(half) < len(BIG)

    handler.dtp_handler = whole
    assert ftps.deliver(lab.server, IN, files) == Delivery.SENT
    assert inside(lab) == {**dict(files), part: half}


def test_a_rename_whose_answer_is_lost_is_found_done(lab: Lab, handler: Any) -> None:
    rename = handler.ftp_RNTO

    def lost(self: Any, path: str) -> None:
        self.respond = lambda *_args, **_kwargs: None
        rename(self, path)
        self.close()

    handler.ftp_RNTO = lost
    assert ftps.deliver(lab.server, IN, [(NAME, BIG)]) == Delivery.UNKNOWN
    assert inside(lab) == {NAME: BIG}
    handler.ftp_RNTO = rename
    assert ftps.deliver(lab.server, IN, [(NAME, BIG)]) == Delivery.SENT
    assert inside(lab) == {NAME: BIG}


def test_an_upload_the_server_has_less_of_gets_no_name(lab: Lab, handler: Any) -> None:
    size = handler.ftp_SIZE
    handler.ftp_SIZE = lambda self, _path: self.respond("213 7")
    assert ftps.deliver(lab.server, IN, [(NAME, BIG)]) == Delivery.UNKNOWN
    assert NAME not in inside(lab)
    handler.ftp_SIZE = size
    assert ftps.deliver(lab.server, IN, [(NAME, BIG)]) == Delivery.SENT


def test_a_full_disk_is_an_explicit_no(lab: Lab, handler: Any) -> None:
    class Full(handler.dtp_handler):  # type: ignore[misc]
        def recv(self, size: int) -> bytes:
            if self.tot_bytes_received <= 100_000:
                return bytes(super().recv(size))
            self._resp = ("552 no room", lambda *_: None)
            self.close()
            return b""

    handler.dtp_handler = Full
    with pytest.raises(Denied) as no:
        ftps.deliver(lab.server, IN, [(NAME, bytes(32 * 1024 * 1024))])  # more than buffers hold
    assert (no.value.asked, no.value.code) == ("store", "552")
    assert NAME not in inside(lab)


def test_a_rename_the_server_refuses_leaves_nothing(lab: Lab, handler: Any) -> None:
    handler.ftp_RNTO = lambda self, _path: self.respond("553 not this name")
    with pytest.raises(Denied) as no:
        ftps.deliver(lab.server, IN, [(NAME, BIG)])
    assert (no.value.asked, no.value.code) == ("rename", "553")
    assert inside(lab) == {}


def test_for_now_is_not_never(lab: Lab, handler: Any) -> None:
    handler.ftp_STOR = lambda self, _path, **_: self.respond("452 no room for now")
    assert ftps.deliver(lab.server, IN, [(NAME, BIG)]) == Delivery.UNKNOWN


def test_a_file_that_comes_in_half_is_silence(lab: Lab, handler: Any) -> None:
    (lab.running.switch.home(ALIAS) / OUT / NAME).write_bytes(BIG)
    size = handler.ftp_SIZE
    handler.ftp_SIZE = lambda self, _path: self.respond(f"213 {len(BIG) + 1}")
    with Session(lab.server) as session, pytest.raises(Silence, match="not the whole file"):
        session.read(OUT, NAME)
    handler.ftp_SIZE = lambda self, _path: self.respond(f"213 {len(BIG) - 1}")
    with Session(lab.server) as session, pytest.raises(TooLarge):
        session.read(OUT, NAME)
    handler.ftp_SIZE = size

    class Dying(handler.dtp_handler):  # type: ignore[misc]
        def handle_write(self) -> None:
            self.cmd_channel.close()
            self.close()

    handler.dtp_handler = Dying
    with Session(lab.server) as session, pytest.raises(Silence):
        session.read(OUT, NAME)


def test_after_a_silence_nothing_is_said(lab: Lab, handler: Any) -> None:
    # A late answer would be taken for the answer to the next question.
    handler.ftp_TYPE = lambda _self, _line: None
    with Session(lab.server, timeout_s=0.1) as session:
        with pytest.raises(Silence, match=r"^list: TimeoutError$"):
            session.names(IN)
        for ask in (lambda: session.names(IN), lambda: session.read(IN, NAME)):
            with pytest.raises(Silence, match="the connection was lost before"):
                ask()
        with pytest.raises(Silence, match="the connection was lost before"):
            session.put(IN, NAME, b"")


def test_a_listing_or_file_without_end_is_not_kept(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftps, "FILE_MAX_BYTES", 5)
    with Session(lab.server) as session:
        assert session.put(IN, NAME, b"12345") is True
        with pytest.raises(TooLarge):
            session.put(IN, f"{NAME}.sign", b"123456")
    assert inside(lab) == {NAME: b"12345"}
    monkeypatch.setattr(ftps, "LISTING_MAX_BYTES", 5)
    with Session(lab.server) as session:
        with pytest.raises(TooLarge):
            session.names(OUT)
        with pytest.raises(Silence, match="the connection was lost before"):
            session.names(OUT)  # the rest of the listing is still under way


@pytest.mark.parametrize("answers", [8, 12, 16, 20])
def test_a_session_has_an_end(lab: Lab, answers: int) -> None:
    ticks = iter([0.0] * answers + [1_000.0] * 1_000)
    with pytest.raises(Silence), Session(lab.server, monotonic=lambda: next(ticks)) as session:
        session.put(IN, NAME, BIG)
    assert NAME not in inside(lab)


def test_the_standard_client_checks_what_we_rely_on() -> None:
    # The address in a PASV answer is not believed: a server could point us at others.
    assert ftplib.FTP.trust_server_pasv_ipv4_address is False  # type: ignore[attr-defined]
    context = ftps._context(Path(ssl.get_default_verify_paths().cafile or "").read_text())
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
