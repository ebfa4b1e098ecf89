"""A small OpenID Connect provider on this machine: discovery, login page, codes, signed tokens, keys, userinfo and logout.

It checks what a real one checks: the client and its secret, the address to return to, that a code is used once and with its PKCE
verifier (S256). Whoever is asked for at the login page is believed, for a test has no passwords.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "cropcheck", "a secret of the tests"
LIFE_SECONDS = 300


class Provider:
    """A running provider.

    people: user name -> their claims, without those that the provider sets itself (iss, aud, sub, exp, iat, nonce).
    ended: how often somebody logged out here.
    """

    def __init__(self, people: dict[str, dict[str, Any]]):
        self.people = people
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.ended = 0
        self.key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "test"})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"

    def discovery(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0, section 3."""
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize", "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo", "jwks_uri": f"{self.issuer}/jwks", "end_session_endpoint": f"{self.issuer}/end",
            "response_types_supported": ["code"], "subject_types_supported": ["public"], "scopes_supported": ["openid", "email", "profile"],
            "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }  # fmt: skip

    def claims(self, user: str) -> dict[str, Any]:
        return {"sub": f"id-of-{user}"} | self.people[user]

    def login_page(self, asked: dict[str, str]) -> str:
        """A link for each person, which goes back to the client with a code for them."""
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code") and "openid" in asked["scope"].split()
        links = []
        for user in self.people:
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked | {"user": user}
            back = urlencode({"code": code, "state": asked["state"]})
            links.append(f'<p><a href="{asked["redirect_uri"]}?{back}">Continue as {user}</a></p>')
        return f"<!doctype html><title>Company login</title><h1>Company login</h1>{''.join(links)}"

    def token(self, form: dict[str, str], basic: str | None) -> dict[str, Any] | None:
        """The answer to a code; None where anything about it is wrong."""
        client = (
            base64.b64decode(basic.removeprefix("Basic ")).decode() if basic else f"{form.get('client_id')}:{form.get('client_secret')}"
        )
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if client != f"{CLIENT}:{SECRET}" or not asked or (asked["redirect_uri"], asked["code_challenge"]) != (form["redirect_uri"], proof):
            return None
        now, access = int(time.time()), secrets.token_urlsafe(16)
        self.tokens[access] = asked["user"]
        issued = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + LIFE_SECONDS, "nonce": asked["nonce"]}
        signed = jwt.encode({"alg": "RS256", "kid": "test"}, self.claims(asked["user"]) | issued, self.key)
        return {"access_token": access, "token_type": "Bearer", "expires_in": LIFE_SECONDS, "id_token": signed}


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            if path == "/.well-known/openid-configuration":
                self.answer(provider.discovery())
            elif path == "/jwks":
                self.answer({"keys": [provider.key.as_dict(private=False)]})
            elif path == "/authorize":
                self.answer(provider.login_page(query))
            elif path == "/userinfo":
                user = provider.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
                self.answer(provider.claims(user) if user else None)
            elif path == "/end":
                provider.ended += 1
                self.send_response(302)
                self.send_header("Location", query["post_logout_redirect_uri"])
                self.end_headers()
            else:
                self.answer(None)

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.answer(provider.token({key: values[0] for key, values in form.items()}, self.headers.get("Authorization")))

        def answer(self, content: dict | str | None) -> None:
            page = isinstance(content, str)
            body = (content if page else json.dumps(content or {"error": "invalid_request"})).encode()
            self.send_response(400 if content is None else 200)
            self.send_header("Content-Type", "text/html" if page else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Silent."""

    return Handler


@contextmanager
def running(people: dict[str, dict[str, Any]]) -> Iterator[Provider]:
    """A provider that knows `people`, for as long as the block lasts."""
    provider = Provider(people)
    thread = threading.Thread(target=provider.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.server.shutdown()
        provider.server.server_close()
        thread.join()


def secrets_toml(provider: Provider, *, join: str | None = None) -> str:
    """What an administrator writes to `.streamlit/secrets.toml`; Streamlit puts its own port in."""
    rules = f"\n[team]\njoin = {json.dumps([join])}\n" if join else ""
    return (
        '[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
        f'cookie_secret = "{secrets.token_hex(32)}"\nclient_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
        f'server_metadata_url = "{provider.issuer}/.well-known/openid-configuration"\n{rules}'
    )
