"""What merchants and accountants get on paper: statements, journals, trial balances. Pure.

    close            the statement of a period: writes its CSV, says what it amounts to
    statement_csv    the same bytes again
    statement_pdf    the same values for people, in five languages
    verify, read     check a chain of statements; a statement from its file
    journal_csv      every journal by account code
    TrialBalance     all accounts; refuses to be written unless they sum to zero

Values in, bytes out, chunk by chunk: memory does not grow with the lines. Only `statement_pdf`
needs the layer `papers` (HarfBuzz, typefaces, Jalali calendar) and loads it when it is called.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from payvand.papers.accounts import (
    PLAN,
    Account,
    Entry,
    TrialBalance,
    Unbalanced,
    account,
    journal_csv,
)
from payvand.papers.chain import close, read, statement_csv, verify
from payvand.papers.statement import (
    Broken,
    Head,
    Line,
    Link,
    Mark,
    PaperError,
    Statement,
    Sum,
    Torn,
    Transfer,
    by_time,
)
from payvand.papers.wording import LOCALES, wording

__all__ = [
    "LOCALES",
    "PDF_LINES_MAX",
    "PLAN",
    "Account",
    "Broken",
    "Entry",
    "Head",
    "Line",
    "Link",
    "Mark",
    "PaperError",
    "Statement",
    "Sum",
    "TooLong",
    "Torn",
    "Transfer",
    "TrialBalance",
    "Unbalanced",
    "account",
    "by_time",
    "close",
    "journal_csv",
    "read",
    "statement_csv",
    "statement_pdf",
    "verify",
]

PDF_LINES_MAX: Final = 20_000
"""Some 600 pages: more nobody reads on paper, and only the CSV is made."""


class TooLong(PaperError):
    """More lines than are put on paper."""


def statement_pdf(
    statement: Statement, lines: Iterable[Line], locale: str, *, issuer: str = ""
) -> Iterator[bytes]:
    """The statement as PDF, chunk by chunk; the same values make the same bytes.

    `lines` are those it was closed over; `issuer` is the name of the facilitator. Raises at once
    KeyError for a locale that is not in `LOCALES` and TooLong, and Torn at the end when the lines
    are others: then what came before is of no use.
    """
    words = wording(locale)
    if statement.whole.count > PDF_LINES_MAX:
        raise TooLong(f"at most {PDF_LINES_MAX} lines on paper; the CSV has no limit")
    # HarfBuzz and the typefaces are in a layer of their own and take their time to load.
    from payvand.papers import printed

    return printed.pages(statement, lines, words, issuer)
