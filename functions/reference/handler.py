"""GET /openapi.json and /docs: the reference of this API, as generated from the handlers.

In:    API Gateway, no key
Out:   nothing
Fails: nothing to fail: both files are part of the package (tools/contracts.py makes them)
"""

import base64
import hashlib
import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Final

from payvand.edge.api import Request, Response, Route, serve

EXAMPLE: Final = "https://api.example.com"
"""What both files call the server; each deployment puts its own address there."""


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def get_openapi(request: Request) -> Response:
    """The OpenAPI 3.1 document, naming this deployment as its server."""
    text = _file("openapi.json").replace(EXAMPLE, json.dumps(request.base_url)[1:-1])
    return Response(
        200, text, {"Content-Type": "application/json", "Cache-Control": "public, max-age=300"}
    )


def get_docs(request: Request) -> Response:
    """The reference as a page, without a script."""
    page = _file("docs.html").replace(EXAMPLE, html.escape(request.base_url))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(
        hashlib.sha256((style[1] if style else "").encode()).digest()
    ).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }
    return Response(200, page, headers)


ROUTES = (
    Route("GET", "/openapi.json", get_openapi, "This API as OpenAPI", page=True),
    Route("GET", "/docs", get_docs, "This API as a page", page=True),
)
lambda_handler = serve(*ROUTES)
