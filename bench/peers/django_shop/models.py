"""The payment of the shop."""

from django.db import models
from payments import PurchasedItem
from payments.models import BasePayment


class Payment(BasePayment):
    merchant_id = models.CharField(max_length=32)
    reference = models.CharField(max_length=64)
    return_url = models.URLField(max_length=2000)
    metadata = models.JSONField(default=dict)
    day = models.DateField(auto_now_add=True)

    class Meta:
        app_label = "django_shop"
        constraints = [
            models.UniqueConstraint(fields=["merchant_id", "reference"], name="one_reference")
        ]
        indexes = [models.Index(fields=["merchant_id", "day"], name="by_day")]

    def get_failure_url(self) -> str:
        return f"{self.return_url}&status=refused"

    def get_success_url(self) -> str:
        return f"{self.return_url}&status=executed"

    def get_purchased_items(self) -> list[PurchasedItem]:
        return []


class Sum(models.Model):
    book = models.CharField(max_length=64, unique=True)
    count = models.IntegerField()
    total = models.DecimalField(max_digits=20, decimal_places=2)

    class Meta:
        app_label = "django_shop"
