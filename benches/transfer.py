#!/usr/bin/env python3
"""Kinds of bridge between two domains by folds, links thinned: a table and a plot.

    benches/transfer.py --domain book=book.csv.gz --domain music=music.csv.gz --out docs

runs `crossfold evaluate-transfer --folds 5 --json` in both directions, with all links and with
fewer, keeps what it printed under --kept (a run that is there is not made again), and writes
`transfer.svg` and the table `transfer-folds.md` into --out.
"""

import argparse
import json
import pathlib
import subprocess

KINDS = ["joint", "mapping", "cross_block", "two_block", "pair"]
NAMES = {
    "joint": "joint", "mapping": "map", "cross_block": "cross block", "two_block": "two-block",
    "pair": "pair", "served": "served", "popularity": "popularity",
}
# Told apart without colour too: by dash and by label at the line's end.
STYLES = {
    "joint": ("#0072b2", ""), "mapping": ("#e69f00", "6 3"), "cross_block": ("#009e73", "2 3"),
    "two_block": ("#d55e00", ""), "pair": ("#cc79a7", "8 3 2 3"), "popularity": ("#555555", "1 4"),
}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, LABELS = 460, 320, 56, 34, 44, 92


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", action="append", required=True, metavar="NAME=FILE", help="twice")
    parser.add_argument("--links", default="all,400,100,50,25")
    parser.add_argument("--crossfold", default="target/release/crossfold")
    parser.add_argument("--fit", default="--unobserved-weight 0.1 --regularisation 0.01 --iterations 12")
    parser.add_argument("--kept", type=pathlib.Path, default=pathlib.Path("target/transfer"))
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--of", action="append", type=pathlib.Path, metavar="JSON",
                        help="plot these files of regressions.py instead, one a direction")
    return parser.parse_args()


def run(options, source, target, links):
    """The report of one direction with so many links."""
    (from_name, from_file), (to_name, to_file) = source, target
    kept = options.kept / f"{from_name}-{to_name}-{links}.json"
    if not kept.exists():
        command = [options.crossfold, "evaluate-transfer", "--source", from_file, "--target", to_file,
                   "--folds", "5", "--json", *options.fit.split()]
        command += [] if links == "all" else ["--links", links]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(printed)
    return json.loads(kept.read_text())


def cell(interval, best):
    text = f"{interval['mean']:.4f}"
    return f"**{text}**" if best else text


def table(runs):
    lines = ["| direction | links | popularity | " + " | ".join(NAMES[kind] for kind in KINDS)
             + " | served (folds) | best over the next [95 %] |",
             "| --- | --- | --- | " + " --- |" * (len(KINDS) + 2)]
    for (direction, links), report in runs.items():
        kinds = report["candidates"]
        best = max(kinds, key=lambda kind: kinds[kind]["ndcg"]["mean"]) if kinds else None
        cells = [cell(kinds[kind]["ndcg"], kind == best) if kind in kinds else "–" for kind in KINDS]
        over = ((report.get("against") or {}).get("over") or {}).items()
        nearest = min(over, key=lambda one: one[1]["mean"], default=None)
        if nearest:
            kind, gain = nearest
            gain = f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] over {NAMES[kind]}"
        served = f"{report['served']['ndcg']['mean']:.4f} ({report['folds_served']}/{report['folds']})"
        lines.append(f"| {direction} | {links} | {report['popularity']['mean']:.4f} | "
                     + " | ".join(cells) + f" | {served} | {gain if nearest else '–'} |")
    return "\n".join(lines) + "\n"


def panel(direction, reports, left):
    """One direction: NDCG@20 over popularity by the number of links, in equal steps."""
    counts = list(reports)
    series = {kind: [(at, reports[count]["candidates"].get(kind, {}).get("over_popularity"))
                     for at, count in enumerate(counts)] for kind in KINDS}
    nothing = {"mean": 0.0, "low": 0.0, "high": 0.0}
    series["popularity"] = [(at, nothing) for at, _ in enumerate(counts)]
    known = [point for points in series.values() for _, point in points if point]
    low, high = min(p["low"] for p in known), max(p["high"] for p in known)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    x = lambda at: left + LEFT + at * (WIDTH - LEFT - LABELS) / max(len(counts) - 1, 1)
    y = lambda value: HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
    parts = [f'<text x="{left + LEFT}" y="20" font-weight="bold">{direction}: NDCG@20 over popularity</text>']
    for step in range(5):
        value = low + (high - low) * step / 4
        parts.append(f'<line x1="{x(0):.1f}" x2="{x(len(counts) - 1):.1f}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x(0) - 8:.1f}" y="{y(value) + 4:.1f}" text-anchor="end">{value:+.3f}</text>')
    for at, count in enumerate(counts):
        parts.append(f'<text x="{x(at):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{count}</text>')
    parts.append(f'<text x="{(x(0) + x(len(counts) - 1)) / 2:.1f}" y="{HEIGHT - 6}" text-anchor="middle">linked people</text>')
    ends = []
    for number, (kind, points) in enumerate(series.items()):
        points = [(at, point) for at, point in points if point]
        if not points:
            continue
        colour, dash = STYLES[kind]
        shift = (number - 2.5) * 2.2
        line = " ".join(f"{x(at) + shift:.1f},{y(point['mean']):.1f}" for at, point in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        for at, point in points:
            parts.append(f'<line x1="{x(at) + shift:.1f}" x2="{x(at) + shift:.1f}" y1="{y(point["low"]):.1f}" y2="{y(point["high"]):.1f}" stroke="{colour}" stroke-opacity="0.45"/>')
        ends.append([y(points[-1][1]["mean"]), kind, x(points[-1][0]) + shift])
    ends.sort()
    for above, below in zip(ends, ends[1:]):
        below[0] = max(below[0], above[0] + 13)
    for height, kind, at in ends:
        parts.append(f'<text x="{at + 12:.1f}" y="{height + 4:.1f}" fill="{STYLES[kind][0]}">{NAMES[kind]}</text>')
    return parts


def plot(directions):
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(directions)} {HEIGHT}" '
             'font-family="sans-serif" font-size="11" role="img" '
             'aria-label="NDCG@20 over popularity of each kind of bridge by the number of linked people, with 95% intervals">',
             f'<rect width="{WIDTH * len(directions)}" height="{HEIGHT}" fill="white"/>']
    for number, (direction, reports) in enumerate(directions.items()):
        parts += panel(direction, reports, number * WIDTH)
    return "\n".join(parts + ["</svg>"]) + "\n"


def main():
    options = arguments()
    domains = [tuple(domain.split("=", 1)) for domain in options.domain]
    runs, directions = {}, {}
    if options.of:
        (one, _), (other, _) = domains
        for direction, file in zip((f"{one} → {other}", f"{other} → {one}"), options.of):
            directions[direction] = json.loads(file.read_text())
        (options.out / "transfer.svg").write_text(plot(directions))
        return
    for source, target in (domains, domains[::-1]):
        direction = f"{source[0]} → {target[0]}"
        for links in options.links.split(","):
            report = run(options, source, target, links)
            runs[direction, links] = report
            directions.setdefault(direction, {})[links] = report
    for reports in directions.values():
        ordered = sorted(reports, key=lambda links: float("inf") if links == "all" else int(links))
        for links in ordered:
            reports[links] = reports.pop(links)
    (options.out / "transfer.svg").write_text(plot(directions))
    (options.out / "transfer-folds.md").write_text(table(runs))
    print(table(runs), end="")


if __name__ == "__main__":
    main()
