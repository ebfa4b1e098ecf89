"""Curators, roles, logins and rules, in a real store and on the command line."""

import json
import threading
import unicodedata
from dataclasses import asdict, replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from data import catalogue
from data.errors import BadInput, NotAllowed, UnknownCollection
from labeling import decisions, policy, team
from labeling.__main__ import main
from labeling.policy import Policy

FIELDS = "bavaria-2018"


def names(workspace) -> list[tuple[str, str]]:
    return [(one.name, one.role) for one in team.curators(workspace.store)]


def decide(workspace, curator: str, uid: str, sample: str = "D2-2018", action: str = "unsure") -> decisions.Outcome:
    number = catalogue.sample_id(workspace.store, FIELDS, sample)
    (outcome,) = decisions.record(workspace.store, FIELDS, curator, [{"uid": uid, "sample": number, "action": action}])
    return outcome


def test_the_first_curator_is_the_administrator_and_others_are_not(empty):
    for name in ("ann", "bob", "cid"):
        team.joined(empty.store, name)
    assert names(empty) == [("ann", "administrator"), ("bob", "curator"), ("cid", "curator")]


@pytest.mark.parametrize(
    ("known", "typed"),
    [
        ("Ann", "ann"), ("Ann", " ANN "), ("Ann Lee", "ann   lee"), ("Zoé", "ZOÉ"), ("ЖАННА", "жанна"), ("Straße", "STRASSE"),
        (unicodedata.normalize("NFC", "Zoé"), unicodedata.normalize("NFD", "zoé")),
    ],
)  # fmt: skip
def test_a_name_in_other_letters_is_the_same_curator(empty, known, typed):
    team.add(empty.store, known)
    assert team.find(empty.store, typed).name == known
    assert team.joined(empty.store, typed).name == known
    with pytest.raises(BadInput, match="'s already"):
        team.add(empty.store, typed)
    assert len(names(empty)) == 1


def test_decisions_bear_the_name_as_the_team_spells_it(demo):
    team.add(demo.store, "Zoé")
    assert decide(demo, "ZOÉ ", "u1").stored
    assert [event["curator"] for event in decisions.events(demo.store, FIELDS)] == ["Zoé"]
    assert team.activity(demo.store)["Zoé"].decisions == 1
    assert team.activity(demo.store)["Zoé"].last == decisions.events(demo.store, FIELDS)[0]["at"]


def test_flags_are_no_decisions_but_they_are_seen(demo):
    decide(demo, "ann", "u1", action="flag")
    assert (team.activity(demo.store)["ann"].decisions, team.activity(demo.store)["ann"].last is not None) == (0, True)


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\u200bnn", "a\x00b", "\u202eann"])
def test_what_cannot_be_seen_is_no_name(empty, name):
    with pytest.raises(BadInput, match="1 to 80 characters"):
        team.add(empty.store, name)
    assert names(empty) == []


def test_twenty_who_join_at_once_under_one_name_are_one(empty):
    barrier = threading.Barrier(20)

    def join(spelling: str) -> None:
        barrier.wait()
        team.joined(empty.store, spelling)

    threads = [threading.Thread(target=join, args=[spelling]) for spelling in ("ann", "ANN", "Ann", "aNN") * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((name, role),) = names(empty)
    assert (name.lower(), role) == ("ann", "administrator")


def test_roles_allow_what_the_ones_before_them_allow(empty):
    for role in team.ROLES:
        team.add(empty.store, role, role=role)
    allowed = {(holder, role) for holder in team.ROLES for role in team.ROLES if team.find(empty.store, holder).may(role)}
    assert allowed == {
        ("curator", "curator"), ("reviewer", "curator"), ("reviewer", "reviewer"),
        ("administrator", "curator"), ("administrator", "reviewer"), ("administrator", "administrator"),
    }  # fmt: skip
    assert team.require(empty.store, "REVIEWER", "reviewer").name == "reviewer"
    with pytest.raises(NotAllowed, match="takes an administrator; reviewer is a reviewer"):
        team.require(empty.store, "reviewer", "administrator")
    with pytest.raises(NotAllowed, match="dan is not of the team"):
        team.require(empty.store, "dan", "curator")


def test_who_has_left_may_nothing_until_they_come_back(demo):
    team.add(demo.store, "ann")
    team.add(demo.store, "bob", role="reviewer")
    team.change(demo.store, "BOB", active=False)
    with pytest.raises(NotAllowed, match="bob is no longer active"):
        team.require(demo.store, "bob", "curator")
    outcome = decide(demo, "bob", "u1")
    assert (outcome.stored, "no longer active" in outcome.error) == (False, True)
    team.change(demo.store, "bob", active=True)
    assert team.require(demo.store, "bob", "reviewer").active
    assert decide(demo, "bob", "u1").stored


def test_the_last_administrator_stays(empty):
    team.add(empty.store, "ann")
    team.add(empty.store, "bob")
    for change in ({"role": "reviewer"}, {"active": False}):
        with pytest.raises(BadInput, match="ann is the only administrator"):
            team.change(empty.store, "ann", **change)
    assert team.find(empty.store, "ann").may("administrator")
    team.change(empty.store, "bob", role="administrator")
    assert not team.change(empty.store, "ann", active=False).active


def test_a_team_without_administrator_can_still_be_changed(empty):
    team.add(empty.store, "bob", role="curator")
    assert team.change(empty.store, "bob", login="bob@x.org").login == "bob@x.org"
    assert team.change(empty.store, "bob", role="administrator").role == "administrator"


def test_a_login_belongs_to_one_curator(empty):
    team.add(empty.store, "ann", login="Ann@X.org")
    assert team.of_login(empty.store, " ann@x.ORG").name == "ann"
    with pytest.raises(BadInput, match=r"'ann@x\.org' is ann's already"):
        team.add(empty.store, "bob", login="ann@x.org")
    team.add(empty.store, "bob")
    with pytest.raises(BadInput, match="is ann's already"):
        team.change(empty.store, "bob", login="ANN@x.org")
    assert team.change(empty.store, "ANN", login="ann@x.org").login == "ann@x.org"
    assert team.change(empty.store, "ann", login="").login is None
    assert team.of_login(empty.store, "") is None
    assert team.change(empty.store, "bob", login="ann@x.org").name == "bob"


@pytest.mark.parametrize("change", [{"role": "boss"}, {"role": ""}])
def test_a_role_that_does_not_exist_is_refused(empty, change):
    team.add(empty.store, "ann")
    with pytest.raises(BadInput, match="There is no role"):
        team.change(empty.store, "ann", **change)
    with pytest.raises(BadInput, match="There is no role"):
        team.add(empty.store, "bob", **change)
    with pytest.raises(BadInput, match="There is no curator 'dan'"):
        team.change(empty.store, "dan", active=False)


def test_the_first_login_founds_the_team_and_a_second_stranger_stays_outside(empty):
    assert team.welcome(empty.store, "ann@x.org", "Ann", joins=None).role == "administrator"
    assert team.welcome(empty.store, "eve@y.org", "Eve", joins=None) is None
    assert team.welcome(empty.store, "ANN@x.org", "Somebody", joins=None).name == "Ann"
    assert names(empty) == [("Ann", "administrator")]


def test_a_login_whom_the_rule_keeps_out_does_not_even_found_a_team(empty):
    assert team.welcome(empty.store, "eve@y.org", "Eve", joins=False) is None
    assert names(empty) == []


def test_who_may_join_becomes_a_curator_and_takes_nobodys_name(empty):
    team.add(empty.store, "Ann")
    assert team.welcome(empty.store, "ann2@x.org", "ANN", joins=None) is None
    joined = team.welcome(empty.store, "ann2@x.org", "ANN", joins=True)
    assert (joined.name, joined.role, joined.login) == ("ANN (ann2@x.org)", "curator", "ann2@x.org")
    assert team.welcome(empty.store, "x@x.org", "\x00", joins=True).name == "x@x.org"
    assert team.welcome(empty.store, "z@x.org", "", joins=True).name == "z@x.org"
    team.add(empty.store, "y@x.org")
    with pytest.raises(BadInput, match="are taken"):
        team.welcome(empty.store, "y@x.org", "", joins=True)


def test_who_has_left_is_known_by_their_login(empty):
    team.add(empty.store, "ann")
    team.add(empty.store, "bob", login="bob@x.org")
    team.change(empty.store, "bob", active=False)
    assert not team.welcome(empty.store, "bob@x.org", "Bob", joins=True).active


def test_a_collection_without_rules_has_the_defaults_and_keeps_its_own(demo):
    assert policy.read(demo.store, FIELDS) == Policy()
    wanted = Policy(second_share=0.25, control_share=0, blind=True, mix={"audit": 1, "suspects": 3})
    policy.write(demo.store, FIELDS, wanted)
    assert policy.read(demo.store, FIELDS) == wanted
    assert policy.read(demo.store, "canada-simulated-2019") == Policy()
    with pytest.raises(UnknownCollection):
        policy.write(demo.store, "peru-1999", wanted)


def test_rules_of_a_later_version_are_left_alone(demo):
    with demo.store.writing() as db:
        db.execute("insert into policy values (?, ?)", [FIELDS, json.dumps({"second_share": 0.5, "of_tomorrow": 1})])
    assert policy.read(demo.store, FIELDS) == Policy(second_share=0.5)


def test_every_rule_says_what_it_does():
    assert set(policy.RULES) == set(asdict(Policy()))
    assert set(policy.MIX) <= set(policy.MIXABLE)


@pytest.mark.parametrize("rule", ["second_share", "least_agreement", "control_share", "repeat_share"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), "0.5", None, True])
def test_a_share_out_of_range_is_refused(rule, value):
    with pytest.raises(BadInput, match=f"The rule {rule} is a share from 0 to 1"):
        Policy(**{rule: value})


@pytest.mark.parametrize(
    "mix", [{}, {"audit": 0}, {"audit": -1, "suspects": 2}, {"audit": float("nan")}, {"audit": float("inf")}, {"audit": True}]
)
def test_a_mix_of_nothing_is_refused(mix):
    with pytest.raises(BadInput, match="shares of the mixed queue"):
        Policy(mix=mix)


def test_a_mix_of_what_is_no_queue_is_refused():
    with pytest.raises(BadInput, match="cannot hold 'luck'"):
        Policy(mix={"luck": 1})
    with pytest.raises(BadInput, match="true or false"):
        Policy(blind="yes")


@given(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.dictionaries(st.sampled_from(policy.MIXABLE), st.floats(0.01, 1e6), min_size=1))
def test_rules_survive_the_store_to_the_last_digit(second, control, blind, mix):
    rules = Policy(second_share=second, control_share=control, blind=blind, mix=mix)
    assert Policy(**json.loads(json.dumps(asdict(rules)))) == rules


def call(*arguments: str) -> dict:
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return json.loads(result.stdout)


def fault(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    return result.stderr


def test_the_command_line_adds_lists_and_changes_curators(demo):
    assert call("curators") == {"curators": []}
    assert call("curators", "add", "Ann", "--login", "ann@x.org")["role"] == "administrator"
    assert call("curators", "add", "bob", "--role", "reviewer")["role"] == "reviewer"
    assert call("curators", "change", "BOB", "--inactive", "--login", "bob@x.org")["active"] is False
    decide(demo, "ann", "u1")
    rows = call("curators", "list")["curators"]
    assert rows == call("curators")["curators"]
    assert [(row["name"], row["role"], row["login"], row["active"], row["decisions"]) for row in rows] == [
        ("Ann", "administrator", "ann@x.org", True, 1), ("bob", "reviewer", "bob@x.org", False, 0),
    ]  # fmt: skip
    assert "bob: reviewer, login bob@x.org, no longer active, 0 decisions" in CliRunner().invoke(main, ["curators"]).stdout


def test_the_command_line_says_what_is_wrong_with_a_curator(demo):
    call("curators", "add", "Ann")
    assert "is Ann's already" in fault("curators", "add", "ANN")
    assert "only administrator" in fault("curators", "change", "ann", "--role", "curator")
    assert "Nothing to change" in fault("curators", "change", "ann")
    assert "no curator 'dan'" in fault("curators", "change", "dan", "--active")


def test_the_command_line_reads_and_changes_rules(demo):
    rules = ("rules", "--collection", FIELDS)
    assert call(*rules)["rules"] == asdict(Policy())
    changed = call(*rules, "--second-share", "0.2", "--blind", "--mix", "audit=1", "--mix", "suspects=3")["rules"]
    assert changed == asdict(replace(Policy(), second_share=0.2, blind=True, mix={"audit": 1, "suspects": 3}))
    assert call(*rules, "--no-blind")["rules"] == changed | {"blind": False}
    assert asdict(policy.read(demo.store, FIELDS)) == changed | {"blind": False}
    assert call(*rules, "--defaults")["rules"] == asdict(Policy())
    assert "audit" in CliRunner().invoke(main, rules).stdout


def test_the_command_line_says_what_is_wrong_with_a_rule(demo):
    rules = ("rules", "--collection", FIELDS)
    assert "share from 0 to 1, not 2.0" in fault(*rules, "--second-share", "2")
    assert "takes KIND=SHARE" in fault(*rules, "--mix", "audit")
    assert "cannot hold 'luck'" in fault(*rules, "--mix", "luck=1")
    assert "peru-1999" in fault("rules", "--collection", "peru-1999")
    assert policy.read(demo.store, FIELDS) == Policy()
