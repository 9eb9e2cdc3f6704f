"""six_steps.py URL RUNS IN_FLIGHT: runs a workflow of six steps that do nothing, RUNS times in sequence, on an empty database.

Prints what a step costs the database: inserted and updated rows, and bytes of write-ahead log of the whole server. Then it
runs the workflow RUNS times, IN_FLIGHT at a time, in threads and as coroutines, and prints the steps per second.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from dbos import DBOS

STEPS = 6
WARM_UP = 5


@DBOS.step()
def nothing(text: str) -> str:
    return text


@DBOS.workflow()
def six_steps(text: str) -> str:
    for _ in range(STEPS):
        nothing(text)
    return text


@DBOS.step()
async def nothing_async(text: str) -> str:
    return text


@DBOS.workflow()
async def six_steps_async(text: str) -> str:
    for _ in range(STEPS):
        await nothing_async(text)
    return text


def in_threads(runs: int, in_flight: int) -> None:
    with ThreadPoolExecutor(in_flight) as threads:
        list(threads.map(six_steps, ["ducks"] * runs))


def as_coroutines(runs: int, in_flight: int) -> None:
    async def work(texts: "list[str]") -> None:
        while texts:
            await six_steps_async(texts.pop())

    async def all_of() -> None:
        texts = ["ducks"] * runs
        await asyncio.gather(*(work(texts) for _ in range(in_flight)))

    asyncio.run(all_of())


def measure(how: str, work: Callable[[int, int], None], runs: int, in_flight: int) -> None:
    work(in_flight, in_flight)
    begun = time.monotonic()
    work(runs, in_flight)
    rate = runs * STEPS / (time.monotonic() - begun)
    print(f"dbos: {rate:.0f} steps/s with {in_flight} runs in flight, {how}", flush=True)


def position(connection: psycopg.Connection) -> tuple[int, int, int]:
    """Inserted rows, updated rows, and the end of the log."""
    # What a connection wrote is counted at the latest a second after its last transaction.
    connection.execute("SELECT pg_sleep(2)")
    rows = "COALESCE(SUM(n_tup_ins), 0)::bigint, COALESCE(SUM(n_tup_upd), 0)::bigint"
    log = "(pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
    found = connection.execute(f"SELECT {rows}, {log} FROM pg_stat_user_tables").fetchone()
    assert found
    return found


def main() -> None:
    url, runs, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "WARNING", "run_admin_server": False})
    DBOS.launch()
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(WARM_UP):
            six_steps("ducks")
        before = position(connection)
        for _ in range(runs):
            six_steps("ducks")
        after = position(connection)
    inserts, updates, log = ((end - begin) / (runs * STEPS) for begin, end in zip(before, after))
    print(f"dbos: per step: {inserts:.2f} inserts, {updates:.2f} updates, {log:.0f} bytes of log (of the whole server)", flush=True)
    measure("in threads", in_threads, runs, in_flight)
    measure("as coroutines", as_coroutines, runs, in_flight)
    DBOS.destroy()


if __name__ == "__main__":
    main()
