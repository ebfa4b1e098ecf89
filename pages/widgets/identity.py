"""Who is at the screen: the person whom the company's login names, or, where none is configured, the name chosen in the sidebar.

`st.session_state["curator"]` holds the name as the team spells it, or "" while nobody is chosen; it is set before every page.
"""

import getpass
import json
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

import streamlit as st
from streamlit.errors import Error as StreamlitError

from data.errors import BadInput, CropcheckError, NotAllowed
from data.store import Store
from labeling import team
from labeling.team import Curator
from pages.widgets import guard, resources
from pages.widgets.plain import escaped

KEY = "curator"
COOKIE = "cropcheck_curator"  # the name last chosen in this browser
YEAR_SECONDS = 365 * 24 * 3600
CLAIMS = ("email", "preferred_username", "sub")  # of the login: the first that is there names a curator


def barrier() -> Callable[[], None] | None:
    """What to show instead of the pages: a refusal, or the way to log in. None where somebody may use them."""
    reason = guard.exposed()
    if reason is None and not logs_in():
        return None
    st.session_state.pop(KEY, None)
    if reason:
        return partial(guard.refuse, reason)
    if not st.user.get("is_logged_in"):
        return _ask_to_log_in
    try:
        st.session_state[KEY] = logged_in(resources.workspace().store).name
    except CropcheckError as error:
        return partial(_turn_away, str(error))
    return None


def sidebar(store: Store) -> None:
    """Say in the sidebar who is at the screen; without a login they choose their name there."""
    with st.sidebar:
        if logs_in():
            st.text(st.session_state[KEY], help="Your name, stored with every decision.")
            st.button("Log out", key="identity.logout", on_click=st.logout, icon=":material/logout:")
        else:
            with st.container(gap=None):  # what remembers the name must not move the page
                _choose(store)


def logs_in() -> bool:
    """Whether a login is configured."""
    return bool(guard.settings("auth"))


def logged_in(store: Store) -> Curator:
    """The curator who is logged in; a new one joins where the rules of `secrets.toml` let them.

    Raises:
        NotAllowed: nobody is logged in, or they are a stranger or have left.
        BadInput: they may join, but their name is taken.
    """
    login = login_of(st.user.to_dict(), guard.settings("team").get("claim"))
    found = team.welcome(store, login, str(st.user.get("name") or login), joins=may_join(login, guard.settings("team").get("join")))
    if found is None:
        raise NotAllowed(
            f"{login} is not of this team. An administrator adds you on the page Team, or on the server with: "
            f"python -m labeling curators add NAME --login {shlex.quote(login)}"
        )
    if not found.active:
        raise NotAllowed(f"{found.name} is no longer active in this team. An administrator can let them come back, on the page Team.")
    return found


def login_of(user: Mapping[str, Any], claim: str | None = None) -> str:
    """What the login calls somebody: their `claim`, by default the first of CLAIMS that they have.

    Raises:
        NotAllowed: nobody is logged in, the claim is missing, or the e-mail address is not verified.
    """
    if not user.get("is_logged_in"):
        raise NotAllowed("Nobody is logged in. Reload the page and log in.")
    used = claim or next((name for name in CLAIMS if user.get(name)), CLAIMS[-1])
    value = user.get(used)
    if not isinstance(value, str) or not value.strip():
        raise NotAllowed(f"The login tells no {used}. Its administrator can add that claim, or name another as `claim` in secrets.toml.")
    if used == "email" and user.get("email_verified") is False:
        raise NotAllowed(f"The login has not verified the address {value}. Confirm it there, then log in again.")
    return value.strip()


def may_join(login: str, rule: str | list[str] | None) -> bool | None:
    """Whether somebody new may join: their e-mail address ends in one of the rule's domains, or the rule holds "*".

    None where there is no rule: nobody joins but the first, see `labeling.team.welcome`.
    """
    if rule is None:
        return None
    domains = {domain.strip().lstrip("@").casefold() for domain in ([rule] if isinstance(rule, str) else rule)}
    return "*" in domains or (login.rpartition("@")[2].casefold() in domains and "@" in login)


def vouched(store: Store, curator: str, message: dict[str, Any] | None) -> tuple[dict[str, Any] | None, str | None]:
    """What of a component's message the person at the screen may say, and which decisions wait for somebody else, if any do.

    With a login nobody speaks for another: decisions that another curator left in this browser are taken out of the message, so they
    are neither stored nor acknowledged, and stay in the browser until that curator logs in there. Without one, all is taken as it is.

    Args:
        curator: for whom the page was drawn.

    Raises:
        NotAllowed: they are no longer logged in, or no longer active.
    """
    if not logs_in():
        return message, None
    if logged_in(store).name != curator:
        raise NotAllowed(f"{curator} is no longer logged in here. Reload the page.")
    if not message:
        return message, None
    events = message.get("events") or []
    others = [event["curator"] for event in events if event.get("curator", curator) != curator]
    own = [event for event in events if event.get("curator", curator) == curator]
    waiting = f"Decisions of {', '.join(sorted(set(map(str, others))))} ({len(others)}) wait in this browser until they log in here again."
    return message | {"events": own}, waiting if others else None


def invite() -> None:
    """How others come in without letting strangers in."""
    st.subheader("Inviting others")
    if logs_in():
        st.markdown(
            "Send them this app's address, and add them above with what the login calls them. Whoever leaves is made inactive here: "
            "a browser stays logged in for up to 30 days, but an inactive curator sees and decides nothing."
        )
        return
    port = st.get_option("server.port")
    st.markdown(
        "This app listens on its own machine only, and here a name is taken at its word: roles keep order, they keep nobody out. "
        f"People with an account on this machine come over SSH: `ssh -N -L {port}:127.0.0.1:{port} SERVER` on theirs, then "
        f"http://127.0.0.1:{port} in the browser. For everybody else configure the company's login, as `docs/team.md` says. "
        "Never forward a public address to this port."
    )


def _ask_to_log_in() -> None:
    st.title("Cropcheck", anchor=False)
    st.write("Log in to verify crop labels.")
    auth = guard.settings("auth")
    named = [name for name, value in auth.items() if isinstance(value, Mapping) and "client_id" in value]
    for provider in [None] if "client_id" in auth or not named else named:
        if st.button(f"Log in with {provider}" if provider else "Log in", key=f"identity.login.{provider}", type="primary"):
            try:
                st.login(provider)
            except StreamlitError as error:
                st.error(str(error), icon=":material/error:")


def _turn_away(reason: str) -> None:
    st.title("Cropcheck", anchor=False)
    st.error(escaped(reason), icon=":material/lock:")
    st.button("Log out", key="identity.logout", on_click=st.logout, icon=":material/logout:")


def _choose(store: Store) -> None:
    """A box with the active curators' names, into which a new one may be typed."""
    remembered = st.session_state.setdefault("identity.remembered", _remembered())
    typed = st.session_state.get(KEY, remembered)
    name, said = _known(store, typed)
    st.session_state[KEY] = name
    names = [one.name for one in team.curators(store) if one.active]
    st.selectbox(
        "Curator",
        [*([] if name in names else [name]), *names],
        key=KEY,
        format_func=lambda one: one or "Your name",
        accept_new_options=True,
        help="Your name, stored with every decision. A new one joins the team with their first decision.",
        persist_state="session",
    )
    if said and name:
        st.toast(said, icon=":material/person:")
    elif said:
        st.warning(escaped(said), icon=":material/person_off:")
    if name and name != remembered:
        _remember(name)
        st.session_state["identity.remembered"] = name


def _known(store: Store, typed: str) -> tuple[str, str | None]:
    """The name as the team spells it, "" where they cannot decide, and what there is to say about that."""
    if not typed.strip():
        return "", None
    try:
        name = team.tidy(typed)
    except BadInput as error:
        return "", str(error)
    found = team.find(store, name)
    if found and not found.active:
        return (
            "",
            f"{found.name} is no longer active in this team and cannot decide. An administrator can let them come back, on the page Team.",
        )
    if found and found.name != name:
        return found.name, f"{found.name} is known already: letter case makes no other curator."
    return name, None


def _remembered() -> str:
    """The name last chosen in this browser, else that of the account that the server runs under."""
    try:
        return unquote(dict(st.context.cookies).get(COOKIE, "")) or getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in containers
        return ""


def _remember(name: str) -> None:
    cookie = f"{COOKIE}={quote(name, safe='')}; path=/; max-age={YEAR_SECONDS}; samesite=strict"
    st.html(f"<script>document.cookie = {json.dumps(cookie)}</script>", unsafe_allow_javascript=True)
