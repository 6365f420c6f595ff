"""Signing in by OpenID Connect: authorization code with PKCE, state and nonce.

Nothing is kept between the two halves of a sign-in: the browser holds the state in a signed cookie,
and the desk computes nonce and PKCE verifier from it. So either half may meet another API process.
Each sign-in reads the issuer's addresses and keys again. Sign-ins are rare, and a key that the
issuer has replaced counts from that moment on.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote_plus, urlencode

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from api.problems import NotAllowedError, UnauthenticatedError
from api.security.signatures import Signer
from data.contracts.base import Contract
from data.contracts.errors import ContractViolationError, ExtraMissingError, UnavailableError
from data.contracts.personal import Signature
from data.contracts.review import Role
from data.settings import Settings

CALLBACK = "/session/oidc/callback"
SIGN_IN_SECONDS = 600
"""How long a person may take at the issuer."""

_ANSWER_SECONDS = 10.0
_CLOCKS_DIFFER_SECONDS = 60
_LONGEST_IDENTITY = 128
_ALGORITHMS = frozenset(
    {*("RS256", "RS384", "RS512"), *("PS256", "PS384", "PS512"), *("ES256", "ES384", "ES512")}
)
"""Signatures by a private key of the issuer. Never `none`, and none by a secret that both know."""

_NAME: TypeAdapter[str] = TypeAdapter(
    Annotated[Signature, Field(min_length=1, max_length=100, pattern=r"^\S(.*\S)?$")]
)


@dataclass(frozen=True)
class Subject:
    """A person as the issuer knows them."""

    name: str
    identity: str
    """Issuer and subject: the person's identity in the record, however the name changes."""
    roles: tuple[Role, ...]


class PendingSignIn(Contract):
    """What a browser holds while its person is at the issuer."""

    state: str
    next: str
    expires: int


class _Issuer(BaseModel):
    """The part of the discovery document that a sign-in needs."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class OidcLogin:
    """Sends people to the issuer of the settings, and reads who came back.

    Raises ExtraMissingError without the extra `oidc`, and ContractViolationError for a role that
    the desk does not have.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        try:
            from joserfc import jwt
        except ImportError:
            raise ExtraMissingError("oidc", "sign-ins by OpenID Connect") from None
        self._jwt = jwt
        self._settings = settings
        self._clock = clock
        self._roles = _roles(dict(settings.oidc_roles))
        self._pending = Signer(settings.folder, b"credit-desk oidc state 1")
        self._nonce = Signer(settings.folder, b"credit-desk oidc nonce 1")
        self._verifier = Signer(settings.folder, b"credit-desk oidc verifier 1")

    async def begin(self, next_page: str) -> tuple[str, str]:
        """The address at the issuer, and what the browser holds until it comes back.

        Raises UnavailableError while the issuer cannot be reached.
        """
        pending = PendingSignIn(
            state=secrets.token_hex(16),
            next=next_page,
            expires=int(self._clock()) + SIGN_IN_SECONDS,
        )
        async with _client() as client:
            issuer = await self._discover(client)
        challenge = hashlib.sha256(self._verifier_of(pending).encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._settings.oidc_scope,
            "state": pending.state,
            "nonce": self._nonce_of(pending),
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in issuer.authorization_endpoint else "?"
        address = f"{issuer.authorization_endpoint}{joint}{urlencode(query)}"
        return address, self._pending.sign(pending.model_dump_json().encode())

    async def finish(self, held: str, answer: Mapping[str, str]) -> tuple[Subject, str]:
        """Who came back from the issuer, and the page that they wanted to see.

        Raises UnauthenticatedError for an answer that this browser did not ask for, and for a token
        that is not the issuer's, not for this desk, or not of this sign-in; NotAllowedError for a
        person without a role; UnavailableError while the issuer cannot be reached.
        """
        pending = self._read(held, answer.get("state", ""))
        if "error" in answer or not answer.get("code"):
            raise UnauthenticatedError("the issuer has not signed this person in")
        if answer.get("iss", self._settings.oidc_issuer) != self._settings.oidc_issuer:
            raise _refused()
        async with _client() as client:
            issuer = await self._discover(client)
            token = await self._redeem(client, issuer, answer["code"], pending)
            keys = await _fetch(client, issuer.jwks_uri)
        return self._subject(self._claims(token, keys, pending)), pending.next

    def _read(self, held: str, state: str) -> PendingSignIn:
        claims = self._pending.read(held)
        pending = PendingSignIn.model_validate_json(claims) if claims else None
        if (
            pending is None
            or not hmac.compare_digest(pending.state.encode(), state.encode())
            or pending.expires <= self._clock()
        ):
            raise UnauthenticatedError("this browser has begun no such sign-in: begin again")
        return pending

    async def _discover(self, client: httpx.AsyncClient) -> _Issuer:
        named = self._settings.oidc_issuer
        address = f"{named.rstrip('/')}/.well-known/openid-configuration"
        try:
            found = _Issuer.model_validate(await _fetch(client, address))
        except ValidationError:
            raise _unavailable() from None
        # A document that names another issuer would let that one speak for this one.
        if found.issuer != named:
            raise _unavailable()
        return found

    async def _redeem(
        self, client: httpx.AsyncClient, issuer: _Issuer, code: str, pending: PendingSignIn
    ) -> str:
        """The ID token for a code. A code counts once, so a second try is refused."""
        secret = self._settings.oidc_client_secret.get_secret_value()
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": self._settings.oidc_client_id,
            "code_verifier": self._verifier_of(pending),
        }
        # RFC 6749 2.3.1: both are encoded as in a form before they are joined by a colon.
        pair = (quote_plus(self._settings.oidc_client_id), quote_plus(secret))
        auth = pair if secret else httpx.USE_CLIENT_DEFAULT
        try:
            answer = await client.post(issuer.token_endpoint, data=fields, auth=auth)
            if answer.is_server_error:
                raise _unavailable()
            token = answer.json().get("id_token") if answer.is_success else None
        except (httpx.HTTPError, ValueError, AttributeError):
            raise _unavailable() from None
        if not isinstance(token, str):
            raise _refused()
        return token

    def _claims(self, token: str, keys: Any, pending: PendingSignIn) -> dict[str, Any]:
        """The claims of a token, checked as OpenID Connect Core 3.1.3.7 asks."""
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        needed = self._jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock()),
            leeway=_CLOCKS_DIFFER_SECONDS,
            iss={"essential": True, "value": self._settings.oidc_issuer},
            aud={"essential": True, "value": self._settings.oidc_client_id},
            azp={"value": self._settings.oidc_client_id},
            nonce={"essential": True, "value": self._nonce_of(pending)},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            read = self._jwt.decode(token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS)
            needed.validate(read.claims)
        except (JoseError, ValueError, KeyError, TypeError):
            raise _refused() from None
        return read.claims

    def _subject(self, claims: dict[str, Any]) -> Subject:
        identity = f"{self._settings.oidc_issuer}#{claims['sub']}"
        if len(identity) > _LONGEST_IDENTITY:
            raise NotAllowedError("issuer and subject are longer than the desk can record")
        groups = set(_texts(_claim(claims, self._settings.oidc_roles_claim)))
        roles = tuple(role for group, role in self._roles.items() if group in groups)
        if not roles:
            raise NotAllowedError(
                "the issuer names no group of this person that has a role at this desk:"
                " see CREDIT_DESK_OIDC_ROLES"
            )
        return Subject(_display_name(claims), identity, tuple(dict.fromkeys(roles)))

    @property
    def _redirect_uri(self) -> str:
        return f"{self._settings.api_url.rstrip('/')}{CALLBACK}"

    def _nonce_of(self, pending: PendingSignIn) -> str:
        return self._nonce.digest(pending.state.encode()).hex()

    def _verifier_of(self, pending: PendingSignIn) -> str:
        return self._verifier.digest(pending.state.encode()).hex()


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=_ANSWER_SECONDS)


async def _fetch(client: httpx.AsyncClient, address: str) -> Any:
    try:
        answer = await client.get(address)
        return answer.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        raise _unavailable() from None


def _roles(named: Mapping[str, str]) -> dict[str, Role]:
    try:
        return {group: Role(role) for group, role in named.items()}
    except ValueError:
        known = ", ".join(role.value for role in Role)
        raise ContractViolationError(
            f"CREDIT_DESK_OIDC_ROLES maps groups to roles of the desk: {known}"
        ) from None


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the path to it: `realm_access.roles`. Names may hold dots too."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _texts(value: Any) -> Iterator[str]:
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, str):
            yield part


def _display_name(claims: Mapping[str, Any]) -> str:
    """The name that people read. It proves nothing: the identity is issuer and subject."""
    for claim in ("name", "preferred_username", "sub"):
        try:
            return _NAME.validate_python(claims.get(claim))
        except ValidationError:
            continue
    return "unnamed"


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("the issuer's answer does not prove who this is: begin again")


def _unavailable() -> UnavailableError:
    return UnavailableError("the issuer of CREDIT_DESK_OIDC_ISSUER does not answer as one")
