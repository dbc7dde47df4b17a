"""GET /openapi.json and /docs: the reference of this API, as generated from the handlers.

In:    API Gateway, no key
Out:   nothing
Fails: nothing to fail: both files are part of the package (tools/contracts.py makes them)
"""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from payvand.edge.api import Request, Response, Route, serve


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def get_openapi(request: Request) -> Response:
    """The OpenAPI 3.1 document, naming this deployment as its server."""
    text = _file("openapi.json").replace("https://api.example.com", request.base_url)
    return Response(
        200, text, {"Content-Type": "application/json", "Cache-Control": "public, max-age=300"}
    )


def get_docs(request: Request) -> Response:
    """The reference as a page, without a script."""
    html = _file("docs.html").replace("https://api.example.com", request.base_url)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(
        hashlib.sha256((style[1] if style else "").encode()).digest()
    ).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
    }
    return Response(200, html, headers)


ROUTES = (
    Route("GET", "/openapi.json", get_openapi, "This API as OpenAPI", page=True),
    Route("GET", "/docs", get_docs, "This API as a page", page=True),
)
lambda_handler = serve(*ROUTES)
