"""What recording costs a worker per transaction: stamps, live counters, histogram, matching with a block, packed row.

    .venv/bin/python benchmarks/recording.py [--transactions 200000]

Also prints the cost of one Locust request event for the same transaction, which is what the recorder avoids.
"""

from __future__ import annotations

import argparse
import gc
import time

from bench.run.overheads import recording_us


def main() -> None:
    """Time both in one run, twice, and print microseconds of CPU per transaction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=200_000)
    count = parser.parse_args().transactions
    gc.disable()
    ours = min(recording_us(count) for _ in range(3))
    locusts = min(locust_events(count // 10) for _ in range(3))
    print(f"recorder            {ours:.2f} µs/transaction")
    print(f"Locust events       {locusts:.2f} µs/transaction (one request event)")
    print(f"ratio               {locusts / ours:.1f}")


def locust_events(count: int) -> float:
    """The same transactions as Locust request events, with Locust's own listener and statistics."""
    import os

    os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
    from locust.env import Environment

    environment = Environment()
    environment.create_local_runner()
    began = time.process_time_ns()
    for k in range(count):
        environment.events.request.fire(  # type: ignore[no-untyped-call]  # Locust's
            request_type="LEDGER",
            name="transfer",
            response_time=k % 1000,
            response_length=0,
            exception=None,
            context={},
        )
    return (time.process_time_ns() - began) / 1000 / count


if __name__ == "__main__":
    main()
