"""Whatever is edited, restored, widened and decided, in whatever order."""

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from portal.domain.canonical import canonical
from rollout.domain.compilation import configuration_in
from rollout.domain.configuration import check, specs
from rollout.domain.contexts import Context, from_asked
from rollout.domain.decisions import decide
from rollout.domain.edits import carried_out, difference
from rollout.domain.snapshots import Snapshot, load
from tests.rollout.domain.configurations import BASELINE, snapshot_of
from tests.rollout.domain.strategies import configurations, contexts

STAGE = "offline-baseline"


class Rollout(RuleBasedStateMachine):
    """A configuration with its past: snapshots, and decisions made from them."""

    @initialize()
    def begin(self) -> None:
        self.now = BASELINE
        self.snapshots: list[bytes] = []
        self.decided: list[tuple[int, dict, dict]] = []
        self.publish()

    def publish(self) -> None:
        check(self.now)
        self.snapshots.append(canonical(snapshot_of(self.now).content))

    def snapshot(self, number: int = -1) -> Snapshot:
        return load(json.loads(self.snapshots[number]))

    @rule(other=configurations())
    def edit(self, other) -> None:
        self.now = carried_out(self.now, difference(self.now, other))
        assert difference(self.now, other) == []
        self.publish()

    @rule(data=st.data())
    def restore(self, data) -> None:
        number = data.draw(st.integers(0, len(self.snapshots) - 1))
        self.now = configuration_in(self.snapshot(number).content, now=self.now)
        self.publish()
        assert self.snapshots[-1] == self.snapshots[number]

    @rule(asked=contexts)
    def decide(self, asked) -> None:
        context = from_asked(asked)
        answer = decide(self.snapshot(), context).answer()
        stored = json.loads(json.dumps([context.to_json(), answer]))
        self.decided.append((len(self.snapshots) - 1, *stored))

    @precondition(lambda self: self.now["stages"][STAGE]["coverage"] < 100)
    @rule(more=st.integers(1, 50), runs=st.lists(contexts, max_size=20))
    def widen(self, more, runs) -> None:
        before = self.snapshot()
        stage = self.now["stages"][STAGE]
        wider = {**stage, "coverage": min(100, stage["coverage"] + more)}
        self.now = {**self.now, "stages": {**self.now["stages"], STAGE: wider}}
        self.publish()
        after = self.snapshot()
        for context in map(from_asked, runs):
            if decide(before, context).is_option_c:
                assert decide(after, context).is_option_c

    @invariant()
    def every_decision_comes_out_the_same(self) -> None:
        for number, context, answer in self.decided[-5:]:
            again = decide(self.snapshot(number), Context.from_json(context))
            assert json.loads(json.dumps(again.answer())) == answer

    @invariant()
    def no_value_leaves_its_clamp(self) -> None:
        if self.decided:
            number, _, answer = self.decided[-1]
            known = specs(configuration_in(self.snapshot(number).content, now=BASELINE))
            for key, value in answer["flags"].items():
                assert known[key].trouble(value) is None


TestAnySequence = Rollout.TestCase
TestAnySequence.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None
)
