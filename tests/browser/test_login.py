"""Who comes in: through the company's login in a real browser, and nobody where strangers could come without one."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from data import catalogue
from labeling import decisions, serving, team
from tests import oidc_world
from tests.browser.conftest import QUIET, Server, system_chromium
from tests.browser.test_verify import press, sample, saved, shown
from tests.conftest import copy_workspace

FIELDS = "bavaria-2018"
PATIENCE = 60_000
PEOPLE = {
    "ann": {"email": "Ann@example.org", "email_verified": True, "name": "Ann Lee"},
    "bob": {"email": "bob@example.org", "email_verified": True, "name": "ANN LEE"},
    "eve": {"email": "eve@elsewhere.net", "email_verified": True, "name": "Ann Lee"},
    "mal": {"email": "ann@example.org", "email_verified": False, "name": "Ann Lee"},
}


@pytest.fixture
def started(demo_home, tmp_path):
    """Starts the app on a copy of the demo workspace with further options; ends it after the test."""
    servers = []

    def start(*options: str) -> Server:
        servers.append(Server(copy_workspace(demo_home, tmp_path / "workspace").home, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def provider() -> Iterator[oidc_world.Provider]:
    with oidc_world.running(PEOPLE) as made:
        yield made


def with_login(started, provider, tmp_path, *, join: str | None = None) -> Server:
    (tmp_path / "secrets.toml").write_text(oidc_world.secrets_toml(provider, join=join))
    return started("--secrets.files", str(tmp_path / "secrets.toml"))


def log_in(page: Page, user: str) -> None:
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name=f"Continue as {user}").click()


def refused(page: Page, why: str) -> None:
    """Only the refusal is shown: no page, no menu, no name to choose."""
    expect(page.get_by_text(why)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("ssh -N -L")).to_be_visible()
    expect(page.get_by_text("server_metadata_url")).to_be_visible()
    for sign in (
        page.get_by_role("combobox"),
        page.get_by_test_id("stSidebar"),
        page.get_by_role("link", name="Verify"),
        page.get_by_text(FIELDS),
    ):
        expect(sign).to_have_count(0)


def test_who_logs_in_decides_under_their_own_name_and_logs_out(started, provider, tmp_path, page: Page):
    server = with_login(started, provider, tmp_path)
    page.goto(f"{server.url}/verify?collection={FIELDS}")
    expect(page.get_by_role("button", name="Log in")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("link", name="Verify")).to_have_count(0)
    assert team.curators(server.workspace.store) == []

    log_in(page, "ann")
    expect(page.get_by_test_id("stSidebar").get_by_text("Ann Lee")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("combobox", name="Curator")).to_have_count(0)
    (ann,) = team.curators(server.workspace.store)
    assert (ann.name, ann.role, ann.login) == ("Ann Lee", "administrator", "Ann@example.org")

    page.goto(f"{server.url}/verify?collection={FIELDS}")
    card = shown(page)
    press(page, card, "a")
    saved(card)
    (event,) = decisions.events(server.workspace.store, FIELDS)
    assert (event["curator"], event["action"]) == ("Ann Lee", "agree")

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible(timeout=PATIENCE)
    assert provider.ended == 1
    page.goto(f"{server.url}/team")
    expect(page.get_by_role("button", name="Log in")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("Ann Lee")).to_have_count(0)


@pytest.mark.parametrize(
    ("user", "why"), [("eve", "eve@elsewhere.net is not of this team"), ("mal", "The login has not verified the address ann@example.org")]
)
def test_a_stranger_with_a_login_is_turned_away(started, provider, tmp_path, page: Page, user, why):
    server = with_login(started, provider, tmp_path)
    team.add(server.workspace.store, "Ann Lee", login="ann@example.org")
    page.goto(server.url)
    log_in(page, user)
    expect(page.get_by_text(why)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("link", name="Verify")).to_have_count(0)
    assert [one.name for one in team.curators(server.workspace.store)] == ["Ann Lee"]
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible(timeout=PATIENCE)


def test_people_of_the_company_join_and_take_nobodys_name(started, provider, tmp_path, page: Page):
    server = with_login(started, provider, tmp_path, join="example.org")
    team.add(server.workspace.store, "Ann Lee", login="ann@example.org")
    page.goto(server.url)
    log_in(page, "bob")
    expect(page.get_by_test_id("stSidebar").get_by_text("ANN LEE (bob@example.org)")).to_be_visible(timeout=PATIENCE)
    assert [(one.name, one.role) for one in team.curators(server.workspace.store)] == [
        ("Ann Lee", "administrator"), ("ANN LEE (bob@example.org)", "curator"),
    ]  # fmt: skip


def test_decisions_that_another_left_in_the_browser_wait_for_them(started, provider, tmp_path, page: Page):
    server = with_login(started, provider, tmp_path, join="example.org")
    store = server.workspace.store
    team.add(store, "Ann Lee", login="ann@example.org")
    page.goto(server.url)
    log_in(page, "bob")
    expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=PATIENCE)
    page.goto(f"{server.url}/verify?collection={FIELDS}")
    number = catalogue.sample_id(store, FIELDS, sample(shown(page)))
    key = f"cropcheck.{serving.workspace_key(server.workspace)}.event.left-by-ann"
    left = {
        "uid": "left-by-ann",
        "t": 0,
        "seq": 0,
        "curator": "Ann Lee",
        "collection": FIELDS,
        "sample": number,
        "action": "unsure",
        "seen": None,
    }
    page.evaluate("([key, event]) => localStorage.setItem(key, JSON.stringify(event))", [key, left])
    page.reload()
    shown(page)
    expect(page.get_by_text("Decisions of Ann Lee (1) wait in this browser until they log in here again")).to_be_visible(timeout=PATIENCE)
    assert decisions.events(store, FIELDS) == []
    assert page.evaluate("key => localStorage.getItem(key) !== null", key)

    page.get_by_role("button", name="Log out").click()
    log_in(page, "ann")
    expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=PATIENCE)
    page.goto(f"{server.url}/verify?collection={FIELDS}")
    saved(shown(page))
    assert [(event["curator"], event["action"]) for event in decisions.events(store, FIELDS)] == [("Ann Lee", "unsure")]


def own_address() -> str | None:
    """This machine's address in its network, by asking the routing table; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1
        except OSError:
            return None
        return probe.getsockname()[0]


def test_a_server_that_others_reach_shows_nothing_without_a_login(started, browser):
    server = started("--server.address", "0.0.0.0")
    addresses = [address for address in (own_address(), "127.0.0.1") if address]
    for address in addresses:
        page = browser.new_context().new_page()
        for path in ("", "verify", "team", f"verify?collection={FIELDS}"):
            page.goto(f"http://{address}:{server.port}/{path}")
            refused(page, "This server listens on 0.0.0.0, and no login is configured.")
        page.context.close()
    assert team.curators(server.workspace.store) == []


def test_the_same_server_opens_with_a_login(started, provider, tmp_path, page: Page):
    (tmp_path / "secrets.toml").write_text(oidc_world.secrets_toml(provider))
    server = started("--secrets.files", str(tmp_path / "secrets.toml"), "--server.address", "0.0.0.0")
    page.goto(server.url)
    expect(page.get_by_role("button", name="Log in")).to_be_visible(timeout=PATIENCE)


def test_secrets_that_cannot_be_read_open_nothing(started, tmp_path, page: Page):
    (tmp_path / "secrets.toml").write_text("[auth\nclient_id = ")
    server = started("--secrets.files", str(tmp_path / "secrets.toml"))
    page.goto(f"{server.url}/verify")
    refused(page, "secrets.toml cannot be read")


def test_a_proxy_that_brings_strangers_is_refused(started, page: Page):
    server = started()
    with forwarding(server.port) as port:
        page.goto(f"http://127.0.0.1:{port}/verify")
        refused(page, "Something forwards visitors of other machines to this server")
    page.goto(f"{server.url}/team")
    expect(page.get_by_text("Inviting others")).to_be_visible(timeout=PATIENCE)


def test_another_hosts_name_for_this_machine_is_refused(started, browser):
    server = started()
    rules = f"MAP elsewhere.example 127.0.0.1:{server.port}"
    other = browser.browser_type.launch(executable_path=system_chromium(), args=[*QUIET, f"--host-resolver-rules={rules}"])
    page = other.new_page()
    page.goto(f"http://elsewhere.example:{server.port}/verify")
    refused(page, "This page was opened under the name elsewhere.example")
    other.close()


@contextmanager
def forwarding(target: int) -> Iterator[int]:
    """A proxy to a port of this machine, which says for whom it asks as proxies do; gives its own port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", target))
            head, _, rest = client.recv(65536).partition(b"\r\n")
            server.sendall(head + b"\r\nX-Forwarded-For: 203.0.113.9\r\n" + rest)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=pump, args=(source, sink), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()
