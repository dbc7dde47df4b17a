"""POST /payments: make a payment.

In:    API Gateway, an API key with payments:write, a CreatePayment body
Out:   timer to TimerQueue, then tables References and Payments (put if absent); a named channel
       is opened first
Fails: problem+json; sent again with the same reference it answers the same payment
"""

from functions.payment_init.create import create
from functions.payment_init.wish import read
from payvand.edge import log
from payvand.edge.api import Request, Response, Route, serve
from payvand.edge.shown import payment_fields
from payvand.edge.wiring import wiring


def post(request: Request) -> Response:
    """Make a payment, or answer the one this reference already made."""
    body = read(request.object())
    payment, now = create(wiring(), request, body, request.caller)
    log.note(payment=payment.id.text, channel=payment.channel or "hosted")
    log.metric("PaymentsCreated")
    return Response.json(payment_fields(payment, request.base_url, now.ms), 201)


ROUTES = (
    Route(
        "POST",
        "/payments",
        post,
        "Create a payment",
        scope="payments:write",
        body="payvand.edge.views:CreatePayment",
        answer="payvand.edge.views:PaymentView",
        status=201,
        problems=("400", "409", "503"),
    ),
)
lambda_handler = serve(*ROUTES)
