"""A small OpenID Connect provider of this machine: real signatures, and every way to cheat."""

import hmac
import json
import secrets
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "countersign", "a secret of the client"
Claims = dict[str, Any]


@dataclass
class Provider:
    """Signs in whoever ``person`` says, at once; ``twist`` changes the claims before they are
    signed, ``sign`` how they are."""

    issuer: str = ""
    person: Claims = field(default_factory=lambda: {"sub": "s-1", "preferred_username": "olivia"})
    twist: Callable[[Claims], Claims] = lambda claims: claims
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    sign: Callable[["Provider", Claims], str] = lambda self, claims: self.signed(claims)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def signed(self, claims: Claims, key: RSAKey | None = None) -> str:
        """An ID token under the provider's key, or another one that calls itself the same."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key or self.key)

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes back to."""
        assert asked["response_type"] == "code" and "openid" in asked["scope"].split()
        assert asked["client_id"] == CLIENT and asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The token endpoint: client, code, address and PKCE must fit; each code counts once."""
        asked = self.codes.pop(form.get("code", ""), None)
        client = b64decode(authorization.removeprefix("Basic ")).decode()
        digest = sha256(form.get("code_verifier", "").encode()).digest()
        challenge = text_of(digest)
        fits = asked is not None and (
            client == f"{CLIENT}:{SECRET}"
            and form["redirect_uri"] == asked["redirect_uri"]
            and challenge == asked["code_challenge"]
        )
        if asked is None or not fits:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300}
        claims |= {"nonce": asked["nonce"], **self.person}
        token = self.sign(self, self.twist(claims))
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": token}


def by_another_key(provider: Provider, claims: Claims) -> str:
    return provider.signed(claims, RSAKey.generate_key(2048, {"kid": "one"}))


def text_of(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def unsigned(algorithm: str, claims: Claims) -> str:
    header = {"alg": algorithm, "kid": "one"}
    return ".".join(text_of(json.dumps(part).encode()) for part in (header, claims))


def by_no_key(_provider: Provider, claims: Claims) -> str:
    return unsigned("none", claims) + "."


def by_the_public_key_as_a_secret(provider: Provider, claims: Claims) -> str:
    """What a library takes that lets the token choose the algorithm."""
    token = unsigned("HS256", claims)
    secret = provider.key.as_pem(private=False)
    return f"{token}.{text_of(hmac.new(secret, token.encode(), sha256).digest())}"


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    """The provider on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, urlsplit(self.path).query
            if path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(asked))
                self.end_headers()
            elif path == "/jwks":
                self.reply(200, {"keys": [provider.key.as_dict(private=False)]})
            else:
                names = ("authorize", "token", "jwks")
                authorize, token, jwks = (f"{provider.issuer}/{name}" for name in names)
                self.reply(
                    200,
                    {
                        "issuer": provider.issuer,
                        "authorization_endpoint": authorize,
                        "token_endpoint": token,
                        "jwks_uri": jwks,
                    },
                )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self.reply(*provider.token(form, self.headers.get("Authorization", "")))

        def reply(self, status: int, value: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
