"""The desk's page: static files under an address that names their version, and its views.

Files may stay in a browser's cache for ever: other content has another address. The views share one
document, which is never cached; the page itself reads the address. A browser at an address that the
desk does not have gets a small document of its own.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from api.accept import preferred

FOLDER = Path(str(files("api") / "page"))
ROOT = "/page"
VIEWS = (
    *("/", "/case/{run_id}", "/run/{run_id}", "/all-runs", "/start"),
    *("/portfolios", "/portfolio/{batch_id}", "/operations"),
)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_IS_VIEW = re.compile(
    "|".join(re.sub(r"\{\w+\}", "[^/]+", view) for view in VIEWS)  # as the routes match them
)


def add_page(app: FastAPI) -> None:
    """Add the views and the files that they load."""
    page = _document("index.html")

    async def show_page() -> HTMLResponse:
        return page

    for view in VIEWS:
        app.add_api_route(view, show_page, include_in_schema=False)
    app.mount(f"{ROOT}/{_version()}", _Kept(directory=FOLDER))


def is_of_page(path: str) -> bool:
    """Whether an address is a view of the page or one of its files. They hold no case data."""
    return path.startswith(f"{ROOT}/") or _IS_VIEW.fullmatch(path) is not None


def is_opened_by_a_browser(scope: Scope) -> bool:
    """Whether a person has opened this address; a program that takes any type has not."""
    accept = Headers(scope=scope).get("accept", "")
    offers = ("application/json", "text/html")
    return bool(scope["method"] == "GET" and preferred(accept, offers) == "text/html")


@cache
def unknown_address() -> Response:
    """What a browser shows at an address that the desk does not have."""
    return _document("not_found.html", HTTPStatus.NOT_FOUND)


class _Kept(StaticFiles):
    """Files that a browser never asks for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _document(name: str, status: HTTPStatus = HTTPStatus.OK) -> HTMLResponse:
    text = (FOLDER / name).read_text(encoding="utf-8").replace("{version}", _version())
    return HTMLResponse(text, status, headers={"Content-Security-Policy": _POLICY})


@cache
def _version() -> str:
    """A digest of all files: it changes with each of them."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(FOLDER).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
