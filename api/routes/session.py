"""The session of a browser: who is signed in, sign in with a key, sign out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.deps import CallerDep
from api.json_route import JsonRoute
from api.problems import UnauthenticatedError, answers
from api.security.keys import KeyRing
from api.security.sessions import COOKIE, Sessions, cookie_of
from data.contracts.base import Contract
from data.contracts.review import Role

router = APIRouter(prefix="/session", tags=["session"], route_class=JsonRoute)


class SignIn(Contract):
    """The API key of the person who signs in."""

    key: Annotated[str, Field(min_length=1, max_length=200, repr=False)]


class SessionView(Contract):
    """Who this browser is for the desk."""

    signed_in: bool
    """True also on a desk without keys, which asks for none."""
    name: str = ""
    roles: tuple[Role, ...] = ()
    csrf: str = ""
    """Send it as `X-CSRF-Token` with each request that changes something."""
    sign_in: tuple[str, ...] = ("key",)


@router.get("", responses=answers(503))
async def read_session(request: Request, caller: CallerDep) -> SessionView:
    """Who is signed in. Answers anybody, and opens nothing."""
    sessions: Sessions = request.app.state.sessions
    cookie = cookie_of(request.headers)
    is_by_cookie = bool(cookie and caller.proven)
    return SessionView(
        signed_in=bool(caller.roles),
        name=caller.name,
        roles=caller.roles,
        csrf=sessions.csrf(cookie) if is_by_cookie else "",
    )


@router.post("", responses=answers(400, 401, 413, 415, 422, 503))
async def sign_in(request: Request, body: SignIn, response: Response) -> SessionView:
    """Sign in with an API key. The session is a cookie that no script can read."""
    sessions: Sessions = request.app.state.sessions
    ring: KeyRing = request.app.state.key_ring
    key = ring.holder(body.key.strip())
    if key is None:
        raise UnauthenticatedError("this key is not valid: check it, or ask an operator for one")
    cookie = sessions.open(key.id)
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=sessions.seconds,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return SessionView(signed_in=True, name=key.name, roles=key.roles, csrf=sessions.csrf(cookie))


@router.delete("", status_code=HTTPStatus.NO_CONTENT, responses=answers(403, 503))
async def sign_out(response: Response) -> None:
    """End the session of this browser."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
