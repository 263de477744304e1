"""Throughput of the matcher: run as a pytest file with the repo's fixtures."""
import time
from datetime import timedelta
import pytest
pytestmark = pytest.mark.server

async def test_perf(bench, kit):
    log = kit.log(); log.ready()
    log.add("product","prod_1",{"name":"G"})
    n=3000
    for i in range(n):
        log.customer(f"cus_{i}", f"a@c{i}.example")
        log.company(f"9{i}", f"c{i}.example")
        log.subscription(f"sub_{i}", f"cus_{i}", 1000+i)
    recs=kit.records(log.observations)
    t=time.perf_counter(); await bench.fold(recs); dt=time.perf_counter()-t
    print("first", len(recs)/dt, "obs/s")
    await bench.rewind()
    t=time.perf_counter(); await bench.fold(recs); dt=time.perf_counter()-t
    print("unchanged", len(recs)/dt)
    log2=kit.log(); log2.observations=list(log.observations)
    for i in range(n): log2.subscription(f"sub_{i}", f"cus_{i}", 2000+i)
    recs2=kit.records(log2.observations)
    import cProfile,pstats
    p=cProfile.Profile()
    t=time.perf_counter(); await bench.fold(recs2); dt=time.perf_counter()-t
    print("changed", n/dt)
    for i in range(n): log2.subscription(f"sub_{i}", f"cus_{i}", 3000+i)
    recs2=kit.records(log2.observations)
    p.enable(); await bench.fold(recs2); p.disable()
    pstats.Stats(p).sort_stats("cumtime").print_stats(45)
