"""The API's page for people, `/docs`, with all that it loads: no other machine is asked."""

from __future__ import annotations

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

PAGE, FILES = "/docs", "/docs/files"
PROGRAM, STYLE, ICON = (
    f"{FILES}/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
)
_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self' {scripts};"
    " style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_docs_page(app: FastAPI) -> None:
    """Add the page to an application that has none of FastAPI's, and the files that it names.

    FastAPI's own page loads them from a public host.
    """
    page = get_swagger_ui_html(
        openapi_url=str(app.openapi_url),
        title=app.title,
        swagger_js_url=PROGRAM,
        swagger_css_url=STYLE,
        swagger_favicon_url=ICON,
    )
    page.headers["Content-Security-Policy"] = _POLICY.format(scripts=_inline_scripts(page))

    @app.get(PAGE, include_in_schema=False)
    async def show_docs() -> HTMLResponse:
        return page

    @app.get("/redoc", include_in_schema=False)
    async def show_the_same_docs() -> RedirectResponse:
        return RedirectResponse(PAGE)

    app.mount(FILES, StaticFiles(packages=[("fastapi_offline", "static")]))


def _inline_scripts(page: HTMLResponse) -> str:
    """The digests by which a browser knows the scripts inside the page; it starts no others."""
    scripts = re.findall(r"<script>(.*?)</script>", bytes(page.body).decode(), re.DOTALL)
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
