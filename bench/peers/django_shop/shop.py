"""Views and addresses: creating is the shop's, the payer's return is django-payments' own."""

import json

from django import forms
from django.db import IntegrityError, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from payments import get_payment_model

Payment = get_payment_model()


class CreateForm(forms.Form):
    amount = forms.IntegerField(min_value=1)
    currency = forms.ChoiceField(choices=[("IRR", "IRR")])
    reference = forms.CharField(max_length=64)
    return_url = forms.URLField(max_length=2000, assume_scheme="https")
    description = forms.CharField(max_length=255, required=False)
    metadata = forms.JSONField(required=False)


@csrf_exempt
@require_POST
def create(request: HttpRequest) -> JsonResponse:
    form = CreateForm(json.loads(request.body))
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    wish = form.cleaned_data
    merchant_id = request.headers["X-Merchant"]
    try:
        with transaction.atomic():
            payment = Payment.objects.create(
                variant="default",
                merchant_id=merchant_id,
                reference=wish["reference"],
                total=wish["amount"],
                currency=wish["currency"],
                description=wish["description"],
                return_url=wish["return_url"],
                metadata=wish["metadata"] or {},
            )
    except IntegrityError:
        payment = Payment.objects.get(merchant_id=merchant_id, reference=wish["reference"])
        if payment.total != wish["amount"]:
            return JsonResponse({"error": "reference reused"}, status=409)
    view = {
        "id": payment.token,
        "status": payment.status,
        "amount": int(payment.total),
        "currency": payment.currency,
        "reference": payment.reference,
        "checkout_url": payment.get_process_url(),
    }
    return JsonResponse(view, status=201)


urlpatterns = [path("payments", create), path("", include("payments.urls"))]
