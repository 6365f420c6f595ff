"""The session of a browser: who has signed in, sign in, sign out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.deps import AccessDep, SessionsDep
from api.json_route import JsonRoute
from api.problems import answers
from api.security.auth import Access
from data.contracts.base import Contract
from data.contracts.review import Role

router = APIRouter(prefix="/session", tags=["session"], route_class=JsonRoute)


class SignIn(Contract):
    """The key that a person signs in with."""

    key: Annotated[str, Field(min_length=1, max_length=200, examples=["cdk_0a1b2c3d_…"])]


class SessionView(Contract):
    """Who the caller is, and how to sign in."""

    name: str
    """The caller's name; empty for a caller who has not signed in, and on a desk without keys."""
    roles: tuple[Role, ...]
    csrf: str
    """What unsafe requests with the session's cookie send in the header `X-CSRF-Token`; empty for a
    caller without a session."""
    sign_in: tuple[Literal["key", "oidc"], ...]
    """The ways to sign in; empty on a desk without keys."""
    signed_in: bool
    """Whether the caller needs to show nothing more. Always true on a desk without keys."""


@router.get("", responses=answers(503))
async def read_session(access: AccessDep, sessions: SessionsDep) -> SessionView:
    """Who the caller is. Answers callers who have not signed in, too."""
    csrf = sessions.csrf(access.session) if access.session else ""
    return _view(access, csrf)


@router.post("", responses=answers(400, 401, 413, 415, 422, 503))
async def sign_in(
    body: SignIn, request: Request, response: Response, sessions: SessionsDep
) -> SessionView:
    """Sign in with an API key. The answer sets a cookie that no script can read.

    The session ends after `CREDIT_DESK_SESSION_MINUTES`, and as soon as the key is revoked or
    changed.
    """
    session = sessions.sign_in(body.key)
    sessions.give(response, session, request)
    access = Access(session.caller, lambda: True, session.key_id, session)
    return _view(access, sessions.csrf(session))


@router.delete("", status_code=HTTPStatus.NO_CONTENT, responses=answers(401, 403, 429, 503))
async def sign_out(
    access: AccessDep, request: Request, response: Response, sessions: SessionsDep
) -> None:
    """Sign out: the cookie is worth nothing any more, nor is a copy of it."""
    if access.session:
        sessions.end(access.session)
    sessions.take(response, request)


def _view(access: Access, csrf: str) -> SessionView:
    caller = access.caller
    is_open = not caller.proven and bool(caller.roles)  # a desk without keys
    return SessionView(
        name=caller.name,
        roles=caller.roles,
        csrf=csrf,
        sign_in=() if is_open else ("key",),
        signed_in=is_open or caller.proven,
    )
