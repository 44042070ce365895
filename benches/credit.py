"""Yearly rates of credits beside the library curo, over random schedules.

    cargo build --release -p crossfold-entities --example credit_rates
    python benches/credit.py target/release/examples/credit_rates [NUMBER]

needs curo (benches/requirements.txt). Of each schedule (one to three advances, 1 to 60 payments by
the month or by the week, the first an odd time after the last advance, all of them unequal) the
rate is taken by Regulation Z, by the Union's directive and by the Kingdom's rules. Days are 1 to 27
of their months: at the ends of months curo differs, which takes the 28th of February for the end of
a month and counts back from there to the 31st of January.
"""

import datetime
import json
import random
import subprocess
import sys
import time

import pandas
from curo import (Calculator, DayCountTimePeriod, EU200848EC, SeriesAdvance, SeriesPayment,
                  UKConcApp, USAppendixJ)

PERIODS = {"month": DayCountTimePeriod.MONTH, "week": DayCountTimePeriod.WEEK}
RULES = {"us": USAppendixJ, "eu": EU200848EC, "uk": UKConcApp}


def later(day, step, number):
    """A day so many months or weeks after one."""
    if step == "week":
        return day + datetime.timedelta(weeks=number)
    month = day.month - 1 + number
    return day.replace(year=day.year + month // 12, month=month % 12 + 1)


def schedule(draw):
    """A credit that costs something, in cents."""
    step = draw.choice(["month", "week"])
    begin = datetime.date(draw.randint(2019, 2027), draw.randint(1, 12), draw.randint(1, 27))
    advances = [(draw.randint(100_000, 5_000_000), begin)]
    for number in range(draw.randint(0, 2)):
        day = later(begin, "month", number + 1)
        advances.append((draw.randint(50_000, 500_000), day))
    # What is paid before all is lent may have no rate at all, and a day's a rate without end.
    first = advances[-1][1] + datetime.timedelta(days=draw.randint(15, 70))
    if first.day > 27:
        first += datetime.timedelta(days=4)
    number = draw.randint(1, 60)
    total = sum(amount for amount, _ in advances) * draw.uniform(1.02, 1.6)
    shares = [draw.uniform(0.5, 1.5) for _ in range(number)]
    payments = [(round(total * share / sum(shares)), later(first, step, at))
                for at, share in enumerate(shares)]
    return step, advances, payments


def curo_rate(rule, bound, step, advances, payments):
    """The rate by the other library, which looks for it up to a bound."""
    calculator = Calculator(precision=2)
    for kind, amounts in ((SeriesAdvance, advances), (SeriesPayment, payments)):
        for amount, day in amounts:
            calculator.add(kind(post_date_from=pandas.Timestamp(day), amount=amount / 100))
    return calculator.solve_rate(RULES[rule](time_period=PERIODS[step]), upper_bound=bound)


def main():
    program = sys.argv[1]
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    draw = random.Random(1)
    credits = [schedule(draw) for _ in range(number)]
    lines = []
    for step, advances, payments in credits:
        pairs = {name: [[f"{amount / 100:.2f}", day.isoformat()] for amount, day in amounts]
                 for name, amounts in (("advances", advances), ("payments", payments))}
        lines += [json.dumps({"rule": rule, "step": step, **pairs}) for rule in RULES]
    began = time.perf_counter()
    answer = subprocess.run([program], input="\n".join(lines), text=True, check=True,
                            stdout=subprocess.PIPE).stdout
    ours, took = [float(line) for line in answer.split()], time.perf_counter() - began
    print(f"{len(lines)} rates in {took:.2f} s")
    began = time.perf_counter()
    for at, rule in enumerate(RULES):
        compared = []
        for number_of, credit in enumerate(credits):
            rate = ours[len(RULES) * number_of + at]
            compared.append((abs(curo_rate(rule, 1.0 + 2.0 * rate, *credit) - rate), credit))
        most, of = max(compared, key=lambda pair: pair[0])
        beyond = sum(difference > 5e-7 for difference, _ in compared)
        print(f"{rule}: largest difference {most:.1e}, beyond 0.00005 per cent in {beyond} of {number}")
        if beyond:
            print(f"   the largest: {of[0]}, {of[1]}, {of[2][:3]} ...", file=sys.stderr)
    print(f"curo took {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
