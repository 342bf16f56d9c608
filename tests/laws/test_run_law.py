"""Runs as a state machine: processes that crash, others' deeds, time that passes, in any order."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.simulated_world import World
from tests.support.simulation import History, Machine, end_every_run, list_of


class RunMachine(RuleBasedStateMachine):
    """Any order of commands and deeds; at the end every run is finished or closed."""

    @initialize(seed=st.integers(0, 2**32), fault_rate=st.sampled_from([0.05, 0.2, 0.5]))
    def begin(self, seed: int, fault_rate: float) -> None:
        self.world = World(random.Random(seed), fault_rate=fault_rate)
        self.machine = Machine(self.world)
        self.machine.run(list_of(self.world, "list1"))

    @precondition(lambda self: len(self.machine.runs) < 4)
    @rule()
    def another_list_is_run(self) -> None:
        self.machine.run(list_of(self.world, f"list{len(self.machine.runs) + 1}"))

    @precondition(lambda self: self.machine.unfinished())
    @rule(data=st.data(), is_closed=st.sampled_from([False, False, True]))
    def a_run_is_resumed_or_closed(self, data: st.DataObject, *, is_closed: bool) -> None:
        run_id = data.draw(st.sampled_from(self.machine.unfinished()))
        (self.machine.end_for_good if is_closed else self.machine.resume)(run_id)

    @rule(seconds=st.floats(0, 300))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.now += seconds
        self.world.catch_up()

    @rule(data=st.data())
    def somebody_acts(self, data: st.DataObject) -> None:
        self.world.somebody_acts(data.draw(st.sampled_from(self.world.ids)))

    @invariant()
    def no_request_breaks_a_law(self) -> None:
        if hasattr(self, "machine"):
            assert self.world.broken == []

    def teardown(self) -> None:
        if not hasattr(self, "machine"):
            return
        end_every_run(self.machine)
        rows = {run_id: self.machine.rows(run_id) for run_id in self.machine.kept()}
        self.machine.close()
        assert History(self.world, self.machine, rows).complaints() == []


RunMachine.TestCase.settings = settings(
    max_examples=8, stateful_step_count=6, deadline=None, derandomize=True
)
TestRun = RunMachine.TestCase
