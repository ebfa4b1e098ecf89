"""No stranger decides: whether this server may show its pages at all, to whom, and what it shows instead.

Without a configured login whoever reaches the server can take any curator's name. So it must be reached from its own machine
alone: it listens on the loopback address, and what comes through a proxy or under another host's name is turned away.
"""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")  # a proxy sets one of these
SECRETS = """[auth]
redirect_uri = "https://cropcheck.example.org/oauth2callback"   # this app's address, as the browser sees it
cookie_secret = "..."      # long and random: python -c "import secrets; print(secrets.token_hex(32))"
client_id = "..."          # these three are from your login's administrator
client_secret = "..."
server_metadata_url = "https://login.example.org/.well-known/openid-configuration"

[team]
join = ["example.org"]     # whose people may join as curators; without this line an administrator adds each of them
"""


def exposed() -> str | None:
    """Why strangers could come in, or None where they cannot."""
    broken = _unreadable_secrets()
    if broken:
        return f"{broken} cannot be read, so nobody knows who may come in. Mend it, and start the server again."
    if settings("auth"):
        return None
    address = st.get_option("server.address")
    if not is_loopback(address):
        return f"This server listens on {address or 'every address of its machine'}, and no login is configured."
    headers, visitor = st.context.headers, st.context.ip_address
    if any(name in headers for name in FORWARDED) or (isinstance(visitor, str) and not is_loopback(visitor)):
        return "Something forwards visitors of other machines to this server, and no login is configured."
    for name in ("Host", "Origin"):
        host = urlsplit("//" + headers.get(name, "").rpartition("//")[2]).hostname
        if host and not is_loopback(host):
            return f"This page was opened under the name {host}, and no login is configured."
    return None


def is_loopback(address: str | None) -> bool:
    """Whether only its own machine reaches that address: localhost, 127.0.0.0/8 or ::1, also with a zone or as mapped IPv4."""
    if not address or address.casefold() == "localhost":
        return bool(address)
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def settings(section: str) -> Mapping[str, Any]:
    """A section of `.streamlit/secrets.toml`, empty where there is none."""
    return st.secrets.get(section, {}) if st.secrets.load_if_toml_exists() else {}


def refuse(reason: str) -> None:
    """All that is shown where strangers could come in."""
    port = st.get_option("server.port")
    st.title("Not open", anchor=False)
    st.error(f"{reason} Anybody could decide under any name, so nothing is shown.", icon=":material/lock:")
    st.markdown("**Over SSH**, for people who have an account on the server's machine: on the server,")
    st.code(f"python -m streamlit run app.py --server.address 127.0.0.1 --server.port {port}", language="sh")
    st.markdown("on your own machine, with the server's name in place of SERVER,")
    st.code(f"ssh -N -L {port}:127.0.0.1:{port} SERVER", language="sh")
    st.markdown(f"and in your browser http://127.0.0.1:{port}.")
    st.markdown("**With your company's login** (OpenID Connect), for everybody else: write this to `.streamlit/secrets.toml`")
    st.code(SECRETS, language="toml")
    st.markdown("and start the server again, behind a proxy that speaks https. `docs/team.md` says more.")


def _unreadable_secrets() -> Path | None:
    """A file of secrets that is there and cannot be used: a login may be meant in it."""
    if st.secrets.load_if_toml_exists():
        return None
    return next((path for path in map(Path, st.get_option("secrets.files")) if path.exists()), None)
