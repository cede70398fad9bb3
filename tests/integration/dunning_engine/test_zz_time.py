import asyncio, time, cProfile, pstats
from datetime import date, timedelta
from dunning_engine.testing import Bench, Ledger, Running
from dunning_engine.schema import SCHEMA

async def test_time(databases):
    bench = Bench(await databases.open(SCHEMA))
    ledger = Ledger()
    await bench.feed(ledger.registered(sandbox_from=date(2026, 3, 1)), ledger.debtor())
    await bench.advance("acme", date(2026, 3, 2))
    d=date(2026,7,1)
    t=time.perf_counter(); c=time.process_time()
    with cProfile.Profile() as pr:
        for k in range(100):
            await bench.advance("acme", d+timedelta(days=k))
    print("100 empty days", time.perf_counter()-t, time.process_time()-c)
    pstats.Stats(pr).sort_stats("cumtime").print_stats(45)
