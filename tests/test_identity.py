"""Who is at the screen and who stays outside, through Streamlit's own test harness."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from data.errors import NotAllowed
from labeling import policy, team
from pages.widgets import guard, identity, plain, team_curators
from tests.conftest import ROOT

FIELDS = "bavaria-2018"
AUTH = {"client_id": "cropcheck"}
PAGES = sorted(path.name for path in (ROOT / "pages").glob("*.py") if path.name != "__init__.py")


def app(page: str = "team", *, curator: str | None = None) -> AppTest:
    opened = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    if curator is not None:
        opened.session_state["curator"] = curator
    return opened.run().switch_page(f"pages/{page}.py").run()


def logged_in(rules: dict | None = None, **claims) -> AppTest:
    opened = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    opened.secrets = {"auth": AUTH, "team": rules or {}}
    opened.user = {"is_logged_in": bool(claims), **claims}
    return opened.run()


def shown(opened: AppTest) -> str:
    parts = [*opened.error, *opened.warning, *opened.info, *opened.markdown, *opened.caption, *opened.text, *opened.toast, *opened.title]
    return "\n".join(part.value for part in parts).replace("\\", "")


def says_who(workspace, typed: str) -> tuple[str, str]:
    opened = app(curator=typed)
    assert not opened.exception
    return opened.session_state["curator"], shown(opened)


def test_the_account_that_runs_the_server_is_the_first_guess(demo, monkeypatch):
    monkeypatch.setenv("LOGNAME", "greta")
    opened = app()
    assert (opened.session_state["curator"], opened.selectbox(key="curator").options) == ("greta", ["greta"])
    assert team.curators(demo.store) == []  # looking is not joining


def test_an_account_without_a_name_leaves_the_choice_open(demo, monkeypatch):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(identity.getpass, "getuser", nobody)
    opened = app("verify")
    assert opened.session_state["curator"] == ""
    assert "Enter your name as curator" in shown(opened)


def test_active_curators_are_offered_and_the_choice_stays_from_page_to_page(demo):
    for name in ("ann", "bob", "cid"):
        team.add(demo.store, name)
    team.change(demo.store, "cid", active=False)
    opened = app(curator="ann")
    assert opened.selectbox(key="curator").options == ["ann", "bob"]
    opened.selectbox(key="curator").select("bob").run()
    assert opened.switch_page("pages/explore.py").run().selectbox(key="curator").value == "bob"
    assert opened.switch_page("pages/team.py").run().session_state["curator"] == "bob"


@pytest.mark.parametrize("typed", ["ZOÉ", " zoé  ", "Zoé"])
def test_a_name_in_other_letters_becomes_the_known_one_and_says_so(demo, typed):
    team.add(demo.store, "Zoé")
    opened = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    opened.session_state["curator"] = typed
    opened.run()
    assert opened.session_state["curator"] == "Zoé"
    assert ("Zoé is known already" in shown(opened)) == (typed != "Zoé")


def test_who_has_left_cannot_decide_and_is_told_why(demo):
    team.add(demo.store, "ann")
    team.add(demo.store, "bob")
    team.change(demo.store, "bob", active=False)
    opened = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    opened.session_state["curator"] = "BOB"
    opened.run()
    assert opened.session_state["curator"] == ""
    assert "bob is no longer active in this team and cannot decide" in shown(opened)
    assert "Enter your name as curator" in shown(opened.switch_page("pages/verify.py").run())


@pytest.mark.parametrize("typed", ["x" * 81, "a\u200bnn"])
def test_what_is_no_name_is_told(demo, typed):
    opened = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    opened.session_state["curator"] = typed
    assert "1 to 80 characters" in shown(opened.run())
    assert opened.session_state["curator"] == ""


@pytest.mark.parametrize(
    ("address", "alone"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("LOCALHOST", True), ("::1", True), ("::ffff:127.0.0.1", True),
        (None, False), ("", False), ("0.0.0.0", False), ("::", False), ("192.168.1.7", False), ("::ffff:10.0.0.1", False),
        ("unix:///run/app.sock", False), ("localhost.example.org", False), ("127.0.0.1.example.org", False),
    ],
)  # fmt: skip
def test_only_loopback_addresses_are_reached_from_one_machine_alone(address, alone):
    assert guard.is_loopback(address) is alone


@pytest.fixture
def listening_to_all():
    before = st.get_option("server.address")
    st.config.set_option("server.address", "0.0.0.0")
    yield
    st.config.set_option("server.address", before)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_anything_where_strangers_could_come(demo, listening_to_all, page):
    for opened in (AppTest.from_file(str(ROOT / "app.py")), AppTest.from_file(str(ROOT / "pages" / page), default_timeout=60)):
        opened.run()
        assert not opened.exception
        assert "listens on 0.0.0.0, and no login is configured" in shown(opened)
        assert (len(opened.selectbox), len(opened.button), len(opened.sidebar), FIELDS in shown(opened)) == (0, 0, 0, False)
        assert any("ssh -N -L" in block.value for block in opened.code)
        assert any("[auth]" in block.value for block in opened.code)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_run_by_itself_goes_through_the_app(demo, page):
    opened = AppTest.from_file(str(ROOT / "pages" / page), default_timeout=60).run()
    assert not opened.exception
    assert opened.selectbox(key="curator").value


def test_the_app_is_delivered_for_its_own_machine_alone():
    assert st.get_option("server.address") == "127.0.0.1"


def test_a_login_shows_a_way_in_and_nothing_else(demo):
    opened = logged_in()
    assert not opened.exception
    assert ([button.label for button in opened.button], len(opened.selectbox), len(opened.sidebar)) == (["Log in"], 0, 0)
    assert "curator" not in opened.session_state
    assert team.curators(demo.store) == []


def test_every_named_login_has_its_button(demo):
    opened = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    opened.secrets = {"auth": {"cookie_secret": "x", "google": AUTH, "okta": AUTH}}
    assert [button.label for button in opened.run().button] == ["Log in with google", "Log in with okta"]


def test_the_first_who_logs_in_leads_and_cannot_take_another_name(demo):
    opened = logged_in(email="ann@x.org", name="Ann")
    assert not opened.exception
    assert opened.session_state["curator"] == "Ann"
    assert not [box for box in opened.selectbox if box.key == "curator"]
    assert [(one.name, one.role, one.login) for one in team.curators(demo.store)] == [("Ann", "administrator", "ann@x.org")]


@pytest.mark.parametrize("rules", [{}, {"join": []}, {"join": ["other.org"]}, {"join": "x.org.evil.net"}])
def test_a_stranger_is_told_what_an_administrator_can_do(demo, rules):
    team.add(demo.store, "Ann", login="ann@x.org")
    opened = logged_in(rules, email="eve'$(id)@x.org", name="Ann")
    assert "is not of this team" in shown(opened)
    assert "--login 'eve'\"'\"'$(id)@x.org'" in shown(opened)
    assert ([button.label for button in opened.button], len(opened.selectbox)) == (["Log out"], 0)
    assert len(team.curators(demo.store)) == 1


def test_a_local_team_is_not_taken_over_by_the_first_login(demo):
    team.add(demo.store, "ann")
    assert "is not of this team" in shown(logged_in(email="eve@x.org", name="ann"))
    team.change(demo.store, "ann", login="ann@x.org")
    assert logged_in(email="ANN@x.org", name="whatever").session_state["curator"] == "ann"


def test_who_has_left_logs_in_to_a_refusal(demo):
    team.add(demo.store, "ann")
    team.add(demo.store, "bob", login="bob@x.org")
    team.change(demo.store, "bob", active=False)
    opened = logged_in({"join": ["*"]}, email="bob@x.org")
    assert "bob is no longer active" in shown(opened)
    assert "curator" not in opened.session_state


@pytest.mark.parametrize(
    ("rule", "login", "joins"),
    [
        (None, "a@x.org", None), ([], "a@x.org", False), (["x.org"], "a@X.ORG", True), ("@x.org", "a@x.org", True), (["*"], "4711", True),
        (["x.org"], "a@sub.x.org", False), (["x.org"], "x.org", False), (["x.org"], "a@x.org@evil.net", False),
    ],
)  # fmt: skip
def test_who_may_join_is_told_by_the_domain(rule, login, joins):
    assert identity.may_join(login, rule) is joins


@pytest.mark.parametrize(
    ("claims", "claim", "login"),
    [
        ({"email": "a@x.org", "sub": "1"}, None, "a@x.org"), ({"preferred_username": "ann", "sub": "1"}, None, "ann"),
        ({"sub": "1"}, None, "1"), ({"email": "a@x.org", "sub": "1"}, "sub", "1"), ({"email": " a@x.org "}, None, "a@x.org"),
    ],
)  # fmt: skip
def test_a_claim_of_the_login_names_a_curator(claims, claim, login):
    assert identity.login_of({"is_logged_in": True} | claims, claim) == login


@pytest.mark.parametrize(
    ("claims", "claim", "why"),
    [
        ({}, None, "tells no sub"), ({"email": ["a@x.org"]}, None, "tells no email"), ({"sub": "1"}, "email", "tells no email"),
        ({"email": "a@x.org", "email_verified": False, "sub": "1"}, None, "has not verified"),
        ({"is_logged_in": False, "sub": "1"}, None, "Nobody"),
    ],
)  # fmt: skip
def test_a_login_that_proves_nothing_is_refused(claims, claim, why):
    with pytest.raises(NotAllowed, match=why):
        identity.login_of({"is_logged_in": True} | claims, claim)


def test_without_a_login_all_decisions_of_a_browser_are_taken(demo):
    message = {"n": 1, "events": [{"uid": "1", "curator": "bob"}, {"uid": "2"}]}
    assert identity.vouched(demo.store, "ann", message) == (message, None)


class User(dict):
    """Claims, as `st.user` gives them."""

    def to_dict(self) -> dict:
        return dict(self)


def test_with_a_login_only_ones_own_are(demo, monkeypatch):
    team.add(demo.store, "ann", login="ann@x.org")
    team.add(demo.store, "bob", login="bob@x.org")
    monkeypatch.setattr(guard, "settings", lambda section: AUTH if section == "auth" else {})
    claims = {"is_logged_in": True, "email": "ann@x.org"}
    monkeypatch.setattr(identity.st, "user", User(claims))
    message = {"n": 1, "events": [{"uid": "1", "curator": "bob"}, {"uid": "2"}, {"uid": "3", "curator": "ann"}]}
    said, waiting = identity.vouched(demo.store, "ann", message)
    assert [event["uid"] for event in said["events"]] == ["2", "3"]
    assert waiting == "Decisions of bob (1) wait in this browser until they log in here again."
    assert identity.vouched(demo.store, "ann", None) == (None, None)
    with pytest.raises(NotAllowed, match="bob is no longer logged in here"):
        identity.vouched(demo.store, "bob", message)
    team.add(demo.store, "cid", role="administrator")
    team.change(demo.store, "ann", active=False)
    with pytest.raises(NotAllowed, match="ann is no longer active"):
        identity.vouched(demo.store, "ann", message)


def test_an_administrator_adds_curators_and_changes_roles_on_the_page(demo):
    team.add(demo.store, "ann")
    opened = app(curator="ann")
    opened.text_input(key="team.new.name").set_value("Bob")
    opened.selectbox(key="team.new.role").select("reviewer")
    opened.text_input(key="team.new.login").set_value("bob@x.org")
    opened.button(key="team.new.add").click().run()
    assert not opened.exception
    bob = team.find(demo.store, "bob")
    assert (bob.name, bob.role, bob.login) == ("Bob", "reviewer", "bob@x.org")
    assert (opened.text_input(key="team.new.name").value, opened.selectbox(key="team.new.role").value) == ("", "curator")
    opened.text_input(key="team.new.name").set_value("BOB")
    opened.button(key="team.new.add").click().run()
    assert "is Bob's already" in shown(opened)
    assert len(team.curators(demo.store)) == 2


def test_edits_of_the_table_are_made_each_by_itself(demo):
    team.add(demo.store, "ann")
    for name in ("bob", "cid"):
        team.add(demo.store, name)
    edits = {"ann": {"Role": "curator"}, "bob": {"Role": "administrator", "Login": "x"}, "cid": {"Login": "X", "Active": False}}
    faults = team_curators.apply(demo.store, "ann", edits)
    assert faults == ["The login 'X' is bob's already. Take it from them first, or choose another."]
    assert [(one.name, one.role, one.active) for one in team.curators(demo.store)] == [
        ("ann", "curator", True), ("bob", "administrator", True), ("cid", "curator", True),
    ]  # fmt: skip
    assert team_curators.apply(demo.store, "bob", {"bob": {"Login": None}, "cid": {"Active": False}}) == []
    assert (team.find(demo.store, "bob").login, team.find(demo.store, "cid").active) == (None, False)
    assert "takes an administrator; ann is a curator" in team_curators.apply(demo.store, "ann", {"ann": {"Role": "administrator"}})[0]


def test_others_see_the_team_and_change_nothing(demo):
    team.add(demo.store, "ann")
    team.add(demo.store, "bob")
    opened = app(curator="bob")
    assert not [button for button in opened.button if button.key in {"team.save", "team.new.add"}]
    assert opened.button(key="team.rules.save").disabled
    assert "Administrators add curators and change roles: ann" in shown(opened)


def test_a_role_that_was_taken_away_meanwhile_changes_nothing(demo):
    team.add(demo.store, "ann")
    team.add(demo.store, "bob", role="administrator")
    opened = app(curator="bob")
    team.change(demo.store, "bob", role="curator")
    opened.text_input(key="team.new.name").set_value("dan")
    opened.button(key="team.new.add").click().run()
    assert "This takes an administrator; bob is a curator" in shown(opened)
    assert team.find(demo.store, "dan") is None


def test_a_reviewer_changes_the_rules_of_the_collection(demo):
    team.add(demo.store, "ann")
    team.add(demo.store, "bob", role="reviewer")
    policy.write(demo.store, FIELDS, policy.Policy(mix={"audit": 1}))
    opened = app(curator="bob")
    opened.slider(key=f"team.rule.{FIELDS}.second_share.0.1").set_value(0.25)
    opened.toggle(key=f"team.rule.{FIELDS}.blind.False").set_value(True)
    opened.button(key="team.rules.save").click().run()
    assert not opened.exception
    assert policy.read(demo.store, FIELDS) == policy.Policy(second_share=0.25, blind=True, mix={"audit": 1})
    assert opened.slider(key=f"team.rule.{FIELDS}.second_share.0.25").value == 0.25


def test_in_a_new_workspace_whoever_saves_first_leads(demo):
    opened = app(curator="ann")
    assert "Nobody has joined yet" in shown(opened)
    opened.button(key="team.rules.save").click().run()
    assert [(one.name, one.role) for one in team.curators(demo.store)] == [("ann", "administrator")]


def test_a_name_is_shown_as_it_is():
    assert plain.escaped("![x](http://y) :red[z] a") == r"\!\[x\]\(http\://y\) \:red\[z\] a"
