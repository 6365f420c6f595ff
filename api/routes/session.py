"""The session of a browser: who has signed in, sign in, sign out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from api.deps import AccessDep, OidcDep, SessionsDep
from api.json_route import JsonRoute
from api.problems import answers
from api.security.auth import Access
from api.security.sessions import Sessions, Way
from data.contracts.base import Contract
from data.contracts.review import Role

router = APIRouter(prefix="/session", tags=["session"], route_class=JsonRoute)


NextPage = Annotated[
    str,
    Query(
        alias="next",
        max_length=500,
        # A page of this desk: browsers read `//` and a backslash as the name of another host.
        pattern=r"^/([^/\\\s][^\\\s]*)?$",
        description="The page of this desk to come back to.",
    ),
]


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
    sign_in: tuple[Way, ...]
    """The ways to sign in, by a key or at the issuer; empty on a desk without keys."""
    signed_in: bool
    """Whether the caller needs to show nothing more. Always true on a desk without keys."""


@router.get("", responses=answers(503))
async def read_session(access: AccessDep, sessions: SessionsDep) -> SessionView:
    """Who the caller is. Answers callers who have not signed in, too."""
    return _view(access, sessions)


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
    return _view(Access(session.caller, lambda: True, session.counted_as, session), sessions)


@router.delete("", status_code=HTTPStatus.NO_CONTENT, responses=answers(401, 403, 429, 503))
async def sign_out(
    access: AccessDep, request: Request, response: Response, sessions: SessionsDep
) -> None:
    """Sign out: the cookie is worth nothing any more, nor is a copy of it."""
    if access.session:
        sessions.end(access.session)
    sessions.take(response, request)


@router.get("/oidc", include_in_schema=False)
async def go_to_issuer(
    oidc: OidcDep, request: Request, sessions: SessionsDep, next_page: NextPage = "/"
) -> RedirectResponse:
    """Send the browser to the issuer, where the person signs in."""
    address, held = await oidc.begin(next_page)
    answer = RedirectResponse(address, HTTPStatus.SEE_OTHER)
    sessions.hold_state(answer, held, request)
    return answer


@router.get("/oidc/callback", include_in_schema=False)
async def come_back(oidc: OidcDep, request: Request, sessions: SessionsDep) -> RedirectResponse:
    """The issuer sends the browser here. The answer sets the session's cookie."""
    subject, next_page = await oidc.finish(sessions.held_state(request), request.query_params)
    answer = RedirectResponse(next_page, HTTPStatus.SEE_OTHER)
    sessions.give(answer, sessions.welcome(subject), request)
    sessions.drop_state(answer, request)
    return answer


def _view(access: Access, sessions: Sessions) -> SessionView:
    caller = access.caller
    is_open = not caller.proven and bool(caller.roles)  # a desk that asks nothing
    return SessionView(
        name=caller.name,
        roles=caller.roles,
        csrf=sessions.csrf(access.session) if access.session else "",
        sign_in=() if is_open else sessions.ways,
        signed_in=is_open or caller.proven,
    )
