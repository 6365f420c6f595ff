"""An OpenID Connect issuer of the tests' own: a real server that signs one person in at once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT, SECRET = "credit-desk", "between-the-two"


@dataclass
class Issuer:
    """What the issuer says. A test changes it, and the next sign-in meets the change."""

    url: str
    person: dict[str, Any] = field(
        default_factory=lambda: {"sub": "u-17", "name": "Una Writer", "groups": ["officers"]}
    )
    changes: dict[str, Any] = field(default_factory=dict)
    """Claims of the ID token that differ from what they should be; None leaves one out."""
    discovery: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: _new_key())
    published: list[RSAKey] = field(default_factory=list)
    signing: str = "RS256"
    grants: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the browser asked for, by code. A code is given out once and redeemed once."""
    is_down: bool = False

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish it alone."""
        self.key, self.published = _new_key(), []

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        } | self.discovery

    def keys(self) -> dict[str, Any]:
        shown = KeySet([*(self.published or [self.key])])
        return dict(shown.as_dict(private=False))

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes: back, with a code."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.grants[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def redeem(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Tokens for a code; None for a client that is not the one that it was given to."""
        asked = self.grants.pop(form["code"], None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or authorization != f"Basic {basic}":
            return None
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        proven = _text(challenge)
        if proven != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        return {"access_token": "unused", "token_type": "Bearer", "id_token": self._token(asked)}

    def _token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = (
            {
                "iss": self.url,
                "aud": CLIENT,
                "nonce": asked["nonce"],
                "iat": now,
                "exp": now + 300,
            }
            | self.person
            | self.changes
        )
        stated = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.signing, "kid": self.key.kid}
        if self.signing == "none":
            return f"{_part(header)}.{_part(stated)}."
        if self.signing == "HS256":  # signed with what every client can read: the public key
            signed = f"{_part(header)}.{_part(stated)}"
            public = self.key.as_pem(private=False)
            return f"{signed}.{_text(hmac.digest(public, signed.encode(), hashlib.sha256))}"
        return jwt.encode(header, stated, self.key, algorithms=[self.signing])


@contextmanager
def an_issuer() -> Iterator[Issuer]:
    """An issuer that listens on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path == "/authorize":
                self._answer(302, {}, Location=issuer.authorize(_fields(address.query)))
            elif issuer.is_down:
                self._answer(500, {})
            else:
                document = issuer.keys() if address.path == "/keys" else issuer.document()
                self._answer(200, document)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given = issuer.redeem(_fields(body), self.headers.get("Authorization", ""))
            self._answer(200 if given else 400, given or {"error": "invalid_grant"})

        def _answer(self, status: int, document: dict[str, Any], **headers: str) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _new_key() -> RSAKey:
    key = RSAKey.generate_key(2048)
    key.ensure_kid()
    return key


def _fields(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def _part(document: dict[str, Any]) -> str:
    return _text(json.dumps(document).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
