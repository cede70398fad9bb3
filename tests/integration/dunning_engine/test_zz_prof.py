import time, cProfile, pstats, os
from dunning_engine.testing import Bench
from dunning_engine.schema import SCHEMA
from tests.benchmarks.test_sweep import open_cases, make_due
async def test_bench(databases):
    name = await databases.clone(SCHEMA)
    bench = Bench(await databases.open(SCHEMA, name))
    await open_cases(bench, 2500)
    await make_due(databases, name)
    total=0
    pr=cProfile.Profile(time.process_time) if os.environ.get("PROF") else None
    t=time.perf_counter(); c=time.process_time()
    if pr: pr.enable()
    while n:= await bench.sweep(): total+=n
    if pr: pr.disable()
    dt=time.perf_counter()-t; dc=time.process_time()-c
    print("accounts", total, "s", dt, "cpu", dc, "cases/cpu-s", 2*total/dc)
    rows = await bench.rows("select avg(length(record))::int as n from decision")
    print(rows)
    if pr: pstats.Stats(pr).sort_stats("cumtime").print_stats(75)
