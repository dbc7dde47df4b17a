"""A conventional service of one file: models, session per request, three operations."""

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import RedirectResponse
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field
from sqlalchemy import JSON, UniqueConstraint, create_engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

engine = create_engine(f"sqlite:///{os.environ['SQLITE_PATH']}")
Sessions = sessionmaker(engine)
client = httpx.Client(timeout=5)


class Base(DeclarativeBase):
    pass


class Payment(Base):
    __tablename__ = "payments"
    __table_args__ = (UniqueConstraint("merchant_id", "reference"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(index=True)
    reference: Mapped[str]
    status: Mapped[str]
    amount: Mapped[int]
    currency: Mapped[str]
    return_url: Mapped[str]
    description: Mapped[str]
    metadata_: Mapped[dict[str, str]] = mapped_column("metadata", JSON)
    created_at: Mapped[datetime]
    receipt: Mapped[str | None]


class Sum(Base):
    __tablename__ = "sums"

    book: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    total: Mapped[int]


class CreatePayment(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: Annotated[int, Field(gt=0, le=10**12)]
    currency: Literal["IRR"]
    reference: Annotated[str, Field(min_length=1, max_length=64)]
    return_url: AnyHttpUrl
    description: Annotated[str, Field(max_length=255)] = ""
    locale: Literal["fa", "en"] = "fa"
    metadata: dict[str, str] = Field(default_factory=dict)


class PaymentView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    status: str
    amount: int
    currency: str
    reference: str
    description: str
    return_url: str
    created_at: datetime


def session() -> Iterator[Session]:
    with Sessions() as made:
        yield made


app = FastAPI()
Db = Annotated[Session, Depends(session)]


@app.post("/payments", status_code=201, response_model=PaymentView)
def create(body: CreatePayment, db: Db, x_merchant: Annotated[str, Header()]) -> Payment:
    payment = Payment(
        id=uuid.uuid4().hex,
        merchant_id=x_merchant,
        reference=body.reference,
        status="created",
        amount=body.amount,
        currency=body.currency,
        return_url=str(body.return_url),
        description=body.description,
        metadata_=body.metadata,
        created_at=datetime.now(UTC),
    )
    db.add(payment)
    try:
        db.commit()
    except IntegrityError:
        db.rollback()
        same = Payment.merchant_id == x_merchant, Payment.reference == body.reference
        found = db.scalars(select(Payment).where(*same)).one()
        if found.amount != body.amount:
            raise HTTPException(409) from None
        return found
    return payment


@app.get("/psp/{channel}/return")
def come_back(channel: str, payment: str, Authority: str, db: Db) -> RedirectResponse:
    found = db.get(Payment, payment)
    if found is None:
        raise HTTPException(404)
    if found.status == "created":
        asked = {
            "merchant_id": os.environ["PROVIDER_MERCHANT"],
            "amount": found.amount,
            "authority": Authority,
        }
        answer = client.post(os.environ["PROVIDER_URL"] + "/verify.json", json=asked)
        answer.raise_for_status()
        found.receipt = str(answer.json()["data"]["ref_id"])
        found.status = "executed"
        db.commit()
    return RedirectResponse(f"{found.return_url}&status=executed", 303)


def settled(book: str) -> dict[str, int]:
    with Sessions() as db:
        columns = select(Payment.id, Payment.created_at, Payment.amount)
        count = total = 0
        for _, _, amount in db.execute(
            columns.where(Payment.merchant_id == book, Payment.status == "executed")
        ).yield_per(1000):
            count += 1
            total += amount
        db.add(Sum(book=book, count=count, total=total))
        db.commit()
    return {"count": count, "total": total}
