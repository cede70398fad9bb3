from tests.unit.dunning_engine.builders import *
from tests.unit.dunning_engine.test_policy_migration import ladder
from dataclasses import replace
def test_x():
    p = replace(ladder(1, ("hello", -1), ("zero", 0)), weekdays=frozenset(range(7)))
    print(diary(case(policy_id="ours", policy_version=1), start=paris("2026-04-30 08:00"), until=paris("2026-06-30"), policy=p))
