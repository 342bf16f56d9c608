"""The whole run as a state machine: processes that crash, others' deeds, time that passes."""

from __future__ import annotations

import random
import sqlite3

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from batch.record import database
from batch.record.journal import Journal
from tests.support.simulation import History, World, _process, _stage, _until_settled


class RunMachine(RuleBasedStateMachine):
    """Any order of processes and deeds; at the end the run is resumed until it is settled."""

    @initialize(seed=st.integers(0, 2**32), fault_rate=st.sampled_from([0.0, 0.2, 0.5]))
    def begin(self, seed: int, fault_rate: float) -> None:
        self.world = World(random.Random(seed), fault_rate=fault_rate)
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        database._migrate(self.connection)
        self.run_no = _stage(self.world, self.connection, "run")

    @rule()
    def a_process_runs_and_may_crash(self) -> None:
        _process(self.world, self.connection, self.run_no)

    @rule(seconds=st.floats(0, 300))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.now += seconds
        self.world.catch_up()

    @rule(data=st.data())
    def somebody_reinstates(self, data: st.DataObject) -> None:
        trainee_id = data.draw(st.sampled_from(self.world.ids))
        if self.world.state_of(trainee_id) == "deferred":
            self.world.register.reinstate(trainee_id)

    @invariant()
    def nobody_is_deferred_twice(self) -> None:
        if hasattr(self, "world"):
            counts = (self.world.register.deferrals_by_api(i) for i in self.world.ids)
            assert max(map(max, counts)) <= 1

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.fault_rate = 0.0
        _until_settled(self.world, self.connection, self.run_no)
        rows = list(Journal(self.connection, wall=self.world.wall).ledger.rows("run"))
        self.connection.close()
        assert History(self.world, {"run": rows}).complaints() == []


RunMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=8, deadline=None)
TestRun = RunMachine.TestCase
