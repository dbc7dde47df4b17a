"""Settings a small shop would have."""

import os

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only for the bench")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "peers.django_shop.shop"
INSTALLED_APPS = ["payments", "peers.django_shop"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SQLITE_PATH"]}}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PAYMENT_MODEL = "django_shop.Payment"
PAYMENT_HOST = "pay.example"
PAYMENT_USES_SSL = True
PAYMENT_VARIANTS = {"default": ("payments.dummy.DummyProvider", {})}
