"""The doors that payout files leave by and their answers come back through.

A door knows its format and its transport; who calls it knows neither. What it needs to know is the
entry of its mode's bank secret, {currency: {…}}: the fields are said at each door.

    switch   a signed file over FTPS; its answer lies there under the file's name
    sepa     pain.001 in a folder of the bucket; pain.002 and camt.053 are left in another
    csv      a table in a folder; a table with answers is left in another
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from payvand.bank import FileHead, FormatError, Order, Outcome
from payvand.errors import PayvandError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

    from payvand.bank.switch import Signer

SIZE_MAX_BYTES: Final = 32 * 1024 * 1024
"""The largest file that is read from a folder: what the readers of its formats take."""
IN: Final = "IN"
OUT: Final = "OUT"
"""The folders at the switch: what is for it, what is from it."""


class NotConfigured(PayvandError):
    """The bank secret does not say how a currency's payouts leave by this door."""


class Refused(PayvandError):
    """The other side said no to a file, or is not who it should be. `code` is our word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Told:
    """What a file that was left for us says.

    `about` names the message it answers ("" for none), `rest` is its word on the transfers of that
    message which it does not name. `statement`: it tells of movements of an account, too.
    """

    outcomes: tuple[Outcome, ...] = ()
    about: str = ""
    rest: Outcome | None = None
    problems: int = 0
    statement: bool = False


class Door(Protocol):
    """One way to order payouts by file. `debtor_*` is the account they are paid from."""

    debtor_iban: str
    debtor_name: str

    def name(self, head: FileHead) -> str:
        """What a file is called there; the bank pays what comes under another name again."""
        ...

    def message(self, head: FileHead) -> str:
        """What answers call the file; "" where they do not."""
        ...

    def check(self, order: Order) -> None:
        """Raise FormatError for an order no file can carry; says what, never which."""
        ...

    def slot(self, order: Order) -> str:
        """What only one order of a file may have."""
        ...

    def write(self, head: FileHead, orders: Sequence[Order]) -> bytes:
        """The file: equal values, equal bytes."""
        ...

    def deliver(self, name: str, content: bytes) -> bool:
        """Hand it over; False when nobody knows whether it is there: call again.

        Raises Refused.
        """
        ...

    def answer(self, name: str, content: bytes, payouts: Sequence[str]) -> Sequence[Outcome] | None:
        """What a delivered file's own answer says of its payouts; None while there is none.

        Raises FormatError or Forged for an answer that decides nothing.
        """
        ...

    def left(self) -> Iterator[str]:
        """The keys of files that were left for us, whatever they are about."""
        ...

    def read(self, key: str) -> Told:
        """One of them. Raises FormatError."""
        ...


class SwitchDoor:
    """The Iranian switch over FTPS (docs/parties/switch.md).

    From {host, port, user, password, ca_pem, server_name?, alias, switch_pem, debtor_iban,
    debtor_name, and signing_key_id (KMS) or signing_pem}.
    """

    def __init__(self, fields: Mapping[str, Any], kms: "KMSClient") -> None:
        from payvand.bank.ftps import Server
        from payvand.bank.switch import KmsSigner, PemSigner

        login = (fields["user"], fields["password"], fields["ca_pem"])
        name = fields.get("server_name", "")
        self._server: Server = Server(fields["host"], int(fields["port"]), *login, name=name)
        self._alias: str = fields["alias"]
        key_id = fields.get("signing_key_id")
        self._signer: Signer = (
            KmsSigner(kms, key_id) if key_id else PemSigner(fields["signing_pem"].encode())
        )
        self._switch_pem: bytes = fields["switch_pem"].encode()
        self.debtor_iban: str = fields["debtor_iban"]
        self.debtor_name: str = fields["debtor_name"]

    def name(self, head: FileHead) -> str:
        from payvand.bank.switch import order_name

        return order_name(self._alias, head.date, head.cycle)

    def message(self, head: FileHead) -> str:
        del head
        return ""

    def check(self, order: Order) -> None:
        from payvand.bank.switch import check

        check(order)

    def slot(self, order: Order) -> str:
        return str(order.acceptor)

    def write(self, head: FileHead, orders: Sequence[Order]) -> bytes:
        from payvand.bank.switch import write

        return write(head, orders)

    def deliver(self, name: str, content: bytes) -> bool:
        from payvand.bank import ftps
        from payvand.bank.switch import files

        try:
            sent = ftps.deliver(self._server, IN, files(name, content, self._signer))
        except (ftps.Denied, ftps.Different, ftps.Untrusted, ftps.TooLarge) as exc:
            raise Refused(type(exc).__name__.lower()) from exc
        return sent is ftps.Delivery.SENT

    def answer(self, name: str, content: bytes, payouts: Sequence[str]) -> Sequence[Outcome] | None:
        from payvand.bank.ftps import Session
        from payvand.bank.switch import SIGNATURE, read_reply, reply_name

        reply = reply_name(name)
        with Session(self._server) as session:
            if not {reply, reply + SIGNATURE} <= session.names(OUT):
                return None
            said = session.read(OUT, reply)
            signature = session.read(OUT, reply + SIGNATURE)
        return read_reply(content, payouts, said, signature, self._switch_pem)

    def left(self) -> Iterator[str]:
        return iter(())

    def read(self, key: str) -> Told:
        raise FormatError(f"the switch leaves nothing at {key}")


class _Folder:
    """A bank or a person who fetches files from the bucket and leaves others there.

    `bank/out/{place}/` holds ours under their names, `bank/in/{place}/` whatever is left for us;
    the live mode and the test mode have places of their own. From {debtor_iban, debtor_name}.
    """

    def __init__(self, fields: Mapping[str, Any], s3: "S3Client", bucket: str, place: str) -> None:
        self.debtor_iban: str = fields["debtor_iban"]
        self.debtor_name: str = fields["debtor_name"]
        self._s3 = s3
        self._bucket = bucket
        self._place = place

    def slot(self, order: Order) -> str:
        return order.payout

    def deliver(self, name: str, content: bytes) -> bool:
        key = f"bank/out/{self._place}/{name}"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content)
        return True

    def answer(self, name: str, content: bytes, payouts: Sequence[str]) -> Sequence[Outcome] | None:
        del name, content, payouts
        return None  # answers come by themselves: `left`

    def left(self) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"bank/in/{self._place}/"
        )
        for page in pages:
            yield from (found["Key"] for found in page.get("Contents", ()))

    def _body(self, key: str) -> bytes:
        answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        if answer["ContentLength"] > SIZE_MAX_BYTES:
            raise FormatError(f"more than {SIZE_MAX_BYTES} bytes")
        return answer["Body"].read()


class SepaDoor(_Folder):
    """pain.001 out, pain.002 and camt.053 back (docs/parties/sepa.md)."""

    def name(self, head: FileHead) -> str:
        return f"{head.date:%Y%m%d}-{head.cycle:02}.xml"

    def message(self, head: FileHead) -> str:
        from payvand.bank.sepa import message_id

        return message_id(head)

    def check(self, order: Order) -> None:
        from payvand.bank.sepa import check

        check(order)

    def write(self, head: FileHead, orders: Sequence[Order]) -> bytes:
        from payvand.bank.sepa import payment_file

        return payment_file(head, orders)

    def read(self, key: str) -> Told:
        from payvand.bank import camt
        from payvand.bank.sepa import read_status

        body = self._body(key)
        try:
            report = read_status(body)
        except FormatError as not_a_report:
            try:
                statements = camt.read_statements(body)
            except FormatError:
                raise not_a_report from None
            outcomes = [outcome for one in statements for outcome in camt.outcomes(one)]
            problems = sum(len(one.problems) for one in statements)
            return Told(tuple(outcomes), problems=problems, statement=True)
        return Told(report.outcomes, report.about, report.rest, len(report.problems))


class SpreadsheetDoor(_Folder):
    """A table out, a table with answers back (docs/parties/spreadsheet.md). Also {currency}."""

    def __init__(self, fields: Mapping[str, Any], s3: "S3Client", bucket: str, place: str) -> None:
        super().__init__(fields, s3, bucket, place)
        self._currency: str = fields["currency"]

    def name(self, head: FileHead) -> str:
        return f"{head.currency}-{head.date:%Y%m%d}-{head.cycle:02}.csv"

    def message(self, head: FileHead) -> str:
        del head
        return ""

    def check(self, order: Order) -> None:
        from payvand.bank.spreadsheet import payout_file

        today = dt.date(2000, 1, 1)  # any: what is checked is the order
        at = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
        payout_file(FileHead(self._currency, today, 1, at, "", ""), [order])

    def write(self, head: FileHead, orders: Sequence[Order]) -> bytes:
        from payvand.bank.spreadsheet import payout_file

        return payout_file(head, orders)

    def read(self, key: str) -> Told:
        from payvand.bank.spreadsheet import read_answers

        answers = read_answers(self._body(key), self._currency)
        return Told(answers.outcomes, problems=len(answers.problems))


class Doors:
    """The doors of this deployment, by mode, currency and name."""

    def __init__(
        self,
        secret: Callable[[str], Mapping[str, Any]],
        secret_ids: Mapping[str, str],
        s3: "S3Client",
        kms: "KMSClient",
        bucket: str,
    ) -> None:
        self._secret = secret
        self._secret_ids = secret_ids
        self._s3 = s3
        self._kms = kms
        self._bucket = bucket

    def get(self, mode: str, currency: str, name: str) -> Door:
        """A door. Raises NotConfigured."""
        fields = self._secret(self._secret_ids[mode]).get(currency)
        if not isinstance(fields, dict):
            raise NotConfigured(f"no bank is known for {currency} ({mode})")
        try:
            return self._made(mode, currency, name, fields)
        except (KeyError, ValueError) as exc:
            raise NotConfigured(f"the bank of {currency} ({mode}) lacks {exc}") from None

    def _made(self, mode: str, currency: str, name: str, fields: dict[str, Any]) -> Door:
        if name == "switch":
            return SwitchDoor(fields, self._kms)
        if name == "sepa":
            return SepaDoor(fields, self._s3, self._bucket, f"sepa/{mode}")
        place = f"csv/{mode}/{currency}"
        return SpreadsheetDoor({**fields, "currency": currency}, self._s3, self._bucket, place)
