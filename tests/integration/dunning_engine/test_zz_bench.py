import time, cProfile, pstats, os
from dunning_engine.testing import Bench
from dunning_engine.schema import SCHEMA
from tests.integration.dunning_engine.test_sweep import _many
async def test_bench(databases):
    for per in (1,):
        bench = Bench(await databases.open(SCHEMA))
        t=time.perf_counter()
        await _many(bench, 10000//per, per_account=per)
        print("\nfeeding", time.perf_counter()-t)
        from dunning_common.db import driver
        async with bench.db.worker() as c: await (await driver(c)).execute("ANALYZE")  if False else None
        total=0
        t=time.perf_counter(); c=time.process_time()
        pr=cProfile.Profile(time.process_time) if os.environ.get("PROF") else None
        if pr: pr.enable()
        await bench.sweeper._sweep_all()
        if pr: pr.disable()
        dt=time.perf_counter()-t
        print("per", per, "accounts", total, "s", dt, "cpu", time.process_time()-c, "cases/s", 10000/dt)
        if pr: pstats.Stats(pr).sort_stats("cumtime").print_stats(70)
