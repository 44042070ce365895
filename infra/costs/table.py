#!/usr/bin/env python3
"""Dollars a million of each kind of call, from a dated price list (prices.json) and the units that
calls are measured to take (units.json). No account is asked.

    infra/costs/table.py
    infra/costs/table.py --recommend-ms 8 --memory-mb 512 --architecture arm64

What it is reckoned for can be said: see --help. Storage is that of a million kept as long as the
tables and the bucket keep them.
"""

import argparse
import json
from pathlib import Path

HERE = Path(__file__).parent
DAYS_PER_MONTH = 365.25 / 12


def read(name):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    option = parser.add_argument
    option("--architecture", choices=["x86_64", "arm64"], default="x86_64")
    option("--memory-mb", type=int, default=1024, help="of recommend and campaign (RecommendMemory)")
    option("--recommend-ms", type=float, default=20, help="billed milliseconds of a warm slate")
    option("--ingest-ms", type=float, default=25, help="billed milliseconds of a call with events")
    option("--events-a-call", type=int, default=50)
    option("--decision-table-days", type=float, default=90, help="DecisionTableDays")
    option("--event-days", type=float, default=730, help="EventRetentionDays")
    option("--log-bytes", type=int, default=700, help="that a call leaves in the logs")
    return parser.parse_args()


def compute(prices, options, milliseconds, memory_mb):
    gb_seconds = milliseconds / 1000 * memory_mb / 1024
    return 1e6 * gb_seconds * prices[f"lambda_gb_seconds_{options.architecture}"]


def kept(prices, bytes_each, days):
    """A million records in a table, with point-in-time recovery, for so long."""
    gb_month = prices["dynamodb_storage_gb_month"] + prices["dynamodb_point_in_time_recovery_gb_month"]
    return 1e6 * bytes_each / 1e9 * gb_month * days / DAYS_PER_MONTH


def called(prices, options, calls, milliseconds, memory_mb):
    """What so many calls a million take beside the tables."""
    return {
        "HTTP API": calls * prices["http_api_requests_per_million"],
        "Lambda requests": calls * prices["lambda_requests_per_million"],
        "Lambda time": calls * compute(prices, options, milliseconds, memory_mb),
        "logs": calls * options.log_bytes * 1e6 / 1e9 * prices["cloudwatch_logs_ingested_gb"],
    }


def tables(prices, units):
    return {
        "reads": units["read"] * prices["dynamodb_read_units_per_million"],
        "writes": units["write"] * prices["dynamodb_write_units_per_million"],
    }


def rows(prices, units, options):
    batched = 1 / options.events_a_call
    recommend = called(prices, options, 1, options.recommend_ms, options.memory_mb)
    ingest = called(prices, options, batched, options.ingest_ms, 512)
    feedback = called(prices, options, 1, options.ingest_ms, 512)
    push = called(prices, options, 1, options.recommend_ms, options.memory_mb)
    del push["HTTP API"]
    stored = {
        "slate": kept(prices, units["slate"]["bytes_in_table"], options.decision_table_days),
        # In the table, and again in its index by time.
        "event": kept(prices, units["event"]["bytes_in_table"], options.event_days),
        "feedback": kept(prices, units["feedback"]["bytes_in_table"], options.decision_table_days),
    }
    return {
        "slates": recommend | tables(prices, units["slate"]) | {"kept": stored["slate"]},
        f"events, {options.events_a_call} a call":
            ingest | tables(prices, units["event"]) | {"kept": stored["event"]},
        "outcomes, one a call": feedback | tables(prices, units["feedback"]) | {"kept": stored["feedback"]},
        "pushes": push | tables(prices, units["push"])
            | {"EventBridge": prices["eventbridge_custom_events_per_million"], "kept": 0.0},
    }


def main():
    options = arguments()
    prices, units = read("prices.json"), read("units.json")
    table = rows(prices, units, options)
    parts = list(dict.fromkeys(part for row in table.values() for part in row))
    print(f"USD a million, {prices['region']}, prices of {prices['as_of']}\n")
    print("| of | " + " | ".join(parts) + " | **in all** |")
    print("| --- |" + " ---: |" * (len(parts) + 1))
    for name, row in table.items():
        cells = " | ".join(f"{row[part]:.2f}" if part in row else "" for part in parts)
        print(f"| {name} | {cells} | **{sum(row.values()):.2f}** |")


if __name__ == "__main__":
    main()
