"""What OpenFeature clients are told."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.flags import ENABLED, NO_WEB, WAVE1_AGENTS
from rollout.domain.ofrep import Evaluator, Failure
from tests.rollout.domain.test_decisions import a_rule, a_snapshot

KNOWN = {
    "targetingKey": "run-1",
    "team": "alpha",
    "mode": "standard",
    "query_class": "fixture_replay",
    "sensitivity": "no_web",
}


class Told:
    """An evaluator whose answers are what goes over the wire."""

    def __init__(self, snapshot) -> None:
        self.evaluator = Evaluator.of(snapshot, revision=7)

    def _json(self, found, *, is_stale: bool) -> dict:
        if isinstance(found, Failure):
            return found.to_json()
        return self.evaluator.basis._replace(is_stale=is_stale).to_json(found)

    def one(self, key, attributes, *, is_stale=False, **how):
        return self._json(self.evaluator.one(key, attributes, **how), is_stale=is_stale)

    def all(self, attributes, *, is_stale=False, **how):
        found = self.evaluator.all(attributes, **how)
        if isinstance(found, Failure):
            return found.to_json()
        return [self._json(each, is_stale=is_stale) for each in found]


def evaluator(**changes) -> Told:
    return Told(a_snapshot(**changes))


def by_key(found: list[dict]) -> dict[str, dict]:
    return {each["key"]: each for each in found}


def test_a_success_has_all_that_clients_need():
    for each in evaluator().all(KNOWN):
        assert each["variant"]
        assert each["reason"] in {"STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED"}
        assert all(
            isinstance(value, bool | int | str) for value in each["metadata"].values()
        )


def test_the_enabled_flag_is_the_decision():
    found = evaluator().one(ENABLED, KNOWN)
    assert (found["value"], found["variant"], found["reason"]) == (True, "on", "SPLIT")
    assert found["metadata"]["why"] == "ADMITTED"

    other_team = evaluator().one(ENABLED, KNOWN | {"team": "omega"})
    assert other_team["value"] is False
    assert other_team["reason"] == "TARGETING_MATCH"
    assert other_team["metadata"]["why"] == "NOT_ADMITTED"


def test_a_killed_flag_has_the_safe_value_and_says_disabled():
    killed = evaluator(switch="engaged")

    found = by_key(killed.all(KNOWN))

    assert {each["reason"] for each in found.values()} == {"DISABLED"}
    assert found[ENABLED]["value"] is False
    assert found[ENABLED]["metadata"]["why"] == "KILL_SWITCH"


def test_a_stage_s_cap_is_told_in_the_metadata():
    found = evaluator().one(WAVE1_AGENTS, KNOWN)

    assert type(found["value"]) is int
    assert found["metadata"]["why"].split(",")[0] == "DEFAULT"


def test_without_a_key_only_what_needs_a_bucket_fails():
    nobody = {key: value for key, value in KNOWN.items() if key != "targetingKey"}
    half = evaluator(share=5000)

    found = by_key(half.all(nobody))

    assert found[ENABLED]["errorCode"] == "TARGETING_KEY_MISSING"
    assert found[WAVE1_AGENTS]["value"] is not None
    full = evaluator(share=10_000)
    assert full.one(ENABLED, nobody)["value"] is True


def test_an_unknown_flag_is_not_found_and_an_old_name_is():
    assert evaluator().one("NOPE", KNOWN)["errorCode"] == "FLAG_NOT_FOUND"
    assert evaluator().one("PAI_DR_NO_WEB", KNOWN)["key"] == "PAI_DR_NO_WEB"


def test_a_context_that_cannot_be_taken_is_said_so():
    assert "/team" in evaluator().one(NO_WEB, {"team": 3})["errorDetails"]
    assert "/team" in evaluator().all({"team": 3})["errorDetails"]


def test_what_was_confirmed_too_long_ago_enables_nobody_and_keeps_the_rest():
    fresh = by_key(evaluator().all(KNOWN))
    old = by_key(evaluator().all(KNOWN, is_stale=True, is_expired=True))

    assert old[ENABLED]["value"] is False
    assert all(each["metadata"]["stale"] is True for each in old.values())
    rest = set(fresh) - {ENABLED}
    assert {k: fresh[k]["value"] for k in rest} == {k: old[k]["value"] for k in rest}


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.none() | st.booleans() | st.integers() | st.text(max_size=30),
        max_size=10,
    )
)
def test_no_context_breaks_it(context):
    found = evaluator().all(context)
    assert "errorCode" in found or all("key" in each for each in found)


def test_a_null_is_an_empty_text_with_a_variant():
    found = by_key(evaluator().all(KNOWN))
    endpoint = found["PAI_DR_CLI_CITATIONS_APIFY_ENDPOINT"]

    assert (endpoint["value"], endpoint["variant"]) == ("", "default")


def test_a_rule_that_matches_is_told():
    rules = {WAVE1_AGENTS: [a_rule(1, team="alpha")]}

    found = evaluator(rules=rules).one(WAVE1_AGENTS, KNOWN)

    assert (found["value"], found["reason"]) == (1, "TARGETING_MATCH")
    assert found["variant"] == "rule_1"


def test_equal_answers_of_two_rollouts_are_not_the_same():
    one = Evaluator.of(a_snapshot(), revision=7)
    other = Evaluator.of(replace(a_snapshot(), rollout="other"), revision=7)

    assert one.basis != other.basis
