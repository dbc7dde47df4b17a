"""A server's side: events in, WSGI to the application, and the night's sum."""

import io
import json
import os
import sys
import uuid

os.environ["DJANGO_SETTINGS_MODULE"] = "peers.django_shop.settings"

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from peers.django_shop.models import Payment, Sum


def door(event: dict, context: object) -> dict:
    body = (event["body"] or "").encode()
    environ = {
        "REQUEST_METHOD": event["httpMethod"],
        "SCRIPT_NAME": "",
        "PATH_INFO": event["path"],
        "QUERY_STRING": event["query"],
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "pay.example",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "pay.example",
        "HTTP_X_MERCHANT": event["merchant_id"],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in event["headers"].items():
        environ.setdefault("HTTP_" + name.upper().replace("-", "_"), value)
    started = []
    parts = application(
        environ, lambda status, headers, exc=None: started.append((status, headers))
    )
    text = b"".join(parts).decode()
    parts.close()
    status, headers = started[0]
    return {"statusCode": int(status[:3]), "headers": dict(headers), "body": text}


def settle(event: dict, context: object) -> dict:
    book = json.loads(event["Records"][0]["body"])["book"]
    paid = Payment.objects.filter(merchant_id=book, status="confirmed")
    count = total = 0
    for _, _, amount in paid.values_list("token", "created", "total").iterator():
        count += 1
        total += amount
    Sum.objects.create(book=book, count=count, total=total)
    return {"count": count, "total": int(total)}


def prepare(spec: dict) -> dict:
    """A database with open payments to come back to and paid ones to settle."""
    from django.db import connection

    connection.cursor().execute("PRAGMA journal_mode=WAL")
    with connection.schema_editor() as editor:
        editor.create_model(Payment)
        editor.create_model(Sum)

    def made(merchant: str, n: int, status: str) -> Payment:
        return Payment(
            variant="default",
            merchant_id=merchant,
            reference=f"seed-{n}",
            total=250_000 + n,
            currency="IRR",
            return_url="https://shop.example/done?x=1",
            description="Order",
            status=status,
            token=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{merchant}/{n}")),
        )

    opened = [made("open", n, "waiting") for n in range(spec["open"])]
    Payment.objects.bulk_create(opened, 500)
    for size in spec["books"]:
        Payment.objects.bulk_create([made(f"b{size}", n, "confirmed") for n in range(size)], 500)
    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return {"open": [[p.token, "", int(p.total)] for p in opened]}
