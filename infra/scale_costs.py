#!/usr/bin/env python3
"""Prints the table of infra/scale.md: what training beyond one machine takes.

    infra/scale_costs.py [interactions solved per second by one vCPU]
"""

import math
import sys

# The one measured variable: interactions that one Lambda vCPU solves in a second of a
# half-iteration, f = 64. `crossfold bench train` measures it for a machine.
SOLVER_RATE = float(sys.argv[1]) if len(sys.argv) > 1 else 5e6

# Assumptions: public list prices (us-east-1, arm64, no free tier) and what a function gets.
GB_SECOND = 0.0000133334
LAMBDA_REQUEST = 0.20 / 1e6
S3_PUT, S3_GET = 0.005 / 1e3, 0.0004 / 1e3
TRANSITION = 0.025 / 1e3
TRANSITIONS = 3  # of a child execution: start, task, end
MEMORY_GB, VCPUS = 10, 6
NETWORK = 75e6  # bytes per second, sustained, of one function
CONCURRENCY = 200  # MaxConcurrency of the state machine
START = 1.0  # seconds of a task beside its work
STEP = 3.0  # seconds of a step beside its tasks: listing, starting, collecting

# The fit: as ShardBounds has it.
FACTORS, ITERATIONS, FITS = 64, 15, 3
SHARD = 512 * 2**20
ROW = 4 * FACTORS
USABLE = 0.9 * 10 * 2**30


def shards(entries: float, rows: float) -> int:
    return max(1, math.ceil((8 * entries + 2 * ROW * rows) / SHARD))


def fits_broadcast(rows: float, others: float) -> bool:
    return 2 * ROW * (rows + others) + 3 * SHARD <= USABLE


def half(entries: float, rows: float, others: float) -> tuple[int, float, float, bool]:
    """Tasks, bytes that one reads, seconds of one, and whether the other side is streamed."""

    def task(count: int, rate: float) -> tuple[float, float]:
        own = rows if rows < others else rows / count
        read = 8 * entries / count + ROW * own + ROW * others
        written = ROW * rows / count
        return read, START + (read + written) / NETWORK + entries / count / rate / VCPUS

    if others < rows or fits_broadcast(others, rows):
        count = shards(entries, rows)
        return (count, *task(count, SOLVER_RATE), False)
    # The normal equations of a task's rows in half of the memory, and 10 minutes for a task.
    # f^2 / 2 multiplications for each interaction instead of a few f: a third of the rate.
    equations = 4 * rows * (FACTORS * (FACTORS + 1) / 2 + FACTORS)
    count = max(1, math.ceil(equations / (USABLE / 2)))
    while task(count, SOLVER_RATE / 3)[1] > 600:
        count += 1
    return (count, *task(count, SOLVER_RATE / 3), True)


def row(interactions: float, people: float, items: float) -> list[str]:
    people_half, item_half = halves = [
        half(interactions, people, items),
        half(interactions, items, people),
    ]
    # The shards of all fits are solved in one step.
    wall = ITERATIONS * sum(math.ceil(FITS * h[0] / CONCURRENCY) * h[2] + STEP for h in halves)
    times = FITS * ITERATIONS
    tasks = times * sum(h[0] for h in halves)
    moved = times * sum(h[0] * h[1] for h in halves)
    gb_seconds = times * sum(h[0] * h[2] for h in halves) * MEMORY_GB
    shards_read = 3 + people_half[0] + item_half[0]  # at most: its own files, and every shard
    gets = tasks * shards_read
    dollars = {
        "Lambda": gb_seconds * GB_SECOND + tasks * LAMBDA_REQUEST,
        "S3": tasks * S3_PUT + gets * S3_GET,
        "Step Functions": tasks * TRANSITIONS * TRANSITION,
    }
    kind = "streamed" if item_half[3] else "broadcast"
    return [
        f"{interactions / 1e9:g} billion",
        f"{people / 1e6:g} M x {items / 1e6:g} M",
        f"{people_half[0]} / {item_half[0]}",
        f"{ROW * items / 1e9:.2f} / {ROW * people / 1e9:.2f} ({kind})",
        f"{people_half[2]:.0f} / {item_half[2]:.0f}",
        f"{moved / 1e12:.2f}",
        f"{wall / 60:.0f}",
        " + ".join(f"{value:.2f}" for value in dollars.values()) + f" = **{sum(dollars.values()):.2f}**",
    ]


HEADER = [
    "interactions",
    "people x items",
    "shards, people / items",
    "other side's factors, GB, people half / item half",
    "seconds of a task, people half / item half",
    "TB read",
    "minutes",
    "$ Lambda + S3 + Step Functions",
]

print("| " + " | ".join(HEADER) + " |")
print("|" + " --- |" * len(HEADER))
for scenario in [(1e8, 1e6, 1e5), (1e9, 1e7, 5e5), (1e10, 1e8, 1e6)]:
    print("| " + " | ".join(row(*scenario)) + " |")
