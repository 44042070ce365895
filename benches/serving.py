"""Serving latency of Crossfold and its peers on the same factors, in one run.

`crossfold bench serve` makes up a catalogue and people, measures itself, and writes the factors
and what people took to a file, which the peers read. Each measurement is a process of its own,
they take turns for several rounds, and all are held to one core and one thread, so that a busy
minute of the machine falls on all of them. A ratio is that of one round's figures; shown are the
medians of the rounds, and the least and the greatest ratio.

Of Crossfold: `fold-in` solves a person's factors from past items, `scan` multiplies the factors of
all items with them as they are (f32) and keeps the best 10, `bounded scan` finds the same 10 from a
table of a byte a number, multiplying out only what may be among them, and `decide` makes the whole decision,
with a fold-in of its own, rules of the catalogue, the order, reasons and the record of it.

- implicit: `AlternatingLeastSquares(use_native=True, num_threads=1)` with the item factors set.
  Confidences and regularisation are those with which its equations are Crossfold's, so that its
  vector is Crossfold's times a constant (checked). alpha stays 1, since another one copies the
  history at each call. Each history is a csr_matrix of one row before the clock starts, and the
  Gram matrix is kept from a call that is not timed. `recalculate_user` is beside fold-in;
  `recommend` of 10, without the taken, beside scan for a person whose vector is there, and beside
  both fold-in with scan and decide for one who is folded in (`recalculate_user=True`).
- faiss: a search for the best 10 of one vector, which is there, in `IndexFlatIP` and in
  `IndexScalarQuantizer` of QT_8bit with inner product: the first beside both scans, the second,
  which is not exact, beside the bounded one, which is.

recall@10 is the share of the list by exact products (f64) that was found; for implicit, the list
without the taken.

What is not fair. For Crossfold: a call of a peer has Python's cost in it, which is most of it
in small catalogues (`--items 100` shows how much), and implicit leaves the taken out, which
scan does not. Against Crossfold: decide does far more than any peer, none of which knows hidden
items, dates or reasons; the peers are called once before the clock starts, pass over the people
again until half a second is over, and collect no garbage; an 8-bit index is not exact. Either
way: the factors are drawn from a normal distribution, not fitted; faiss and OpenBLAS use
AVX-512 where the processor has it, and Crossfold AVX2, as its sums are the same to the last bit
everywhere; and nobody here asks for many people at once, where the peers gain most.

Caches tell most, and no peer finds them as Crossfold does, which makes a whole decision between
two scans. So the peers are measured twice: one call after another, so that their factors stay in
the caches as far as they fit, which is better than what Crossfold finds, and `emptied`, each call
after much else was read, which is worse, since Python itself is then out of the caches as well.
What is fair lies between.

What scan reads in a second is set beside what one core can read: the sum of an array much larger
than the caches, and the product of an array with itself, as large and as small as the factors.
The last is the limit where the factors fit into a cache.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 10
# `AlsOptions::default()` of Crossfold, which the made-up model has; its frequency exponent is 1.
UNOBSERVED_WEIGHT = 0.3
REGULARISATION = 0.03
# Seconds that a peer is measured for, at least: all people are passed over until then.
SHORTEST = 0.5
# Bytes that are read to empty the caches, and for how many people that is done.
EMPTYING = 128 << 20
EMPTIED_PEOPLE = 100
# Bytes of the array that no cache holds.
LARGE = 512 << 20
PEERS = ["implicit", "faiss-flat", "faiss-8bit"]
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
# Each row of the table: its name, the figures it shows, and those of Crossfold it is set beside.
ROWS = [
    ("Crossfold fold-in", ("crossfold", "fold_in"), []),
    ("Crossfold scan", ("crossfold", "scan"), []),
    ("Crossfold bounded scan", ("crossfold", "bounded_scan"), []),
    ("Crossfold decide", ("crossfold", "decide"), []),
    ("implicit fold-in", ("implicit", "fold_in"), ["fold_in"]),
    ("implicit recommend, vector there", ("implicit", "recommend_known"), ["scan"]),
    ("implicit recommend, folded in", ("implicit", "recommend_folded_in"), ["fold_in", "scan"]),
    ("implicit recommend, folded in", ("implicit", "recommend_folded_in"), ["decide"]),
    ("faiss IndexFlatIP", ("faiss-flat", "search"), ["scan"]),
    ("faiss IndexFlatIP", ("faiss-flat", "search"), ["bounded_scan"]),
    ("faiss IndexScalarQuantizer, 8 bit", ("faiss-8bit", "search"), ["bounded_scan"]),
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crossfold", default="target/release/crossfold", metavar="PATH")
    parser.add_argument("--items", default="1000,10000,100000", help="sizes of the catalogue")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--history", type=int, default=50, help="items that each person took")
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3, help="rounds, in which all take turns")
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser.parse_args()


def read_safetensors(path):
    """The factors of items, and the rows that each person took."""
    import numpy as np

    raw = Path(path).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])

    def tensor(name, dtype):
        begin, end = header[name]["data_offsets"]
        values = np.frombuffer(raw, dtype, (end - begin) // 4, 8 + length + begin)
        # A copy, which implicit may write to.
        return values.reshape(header[name]["shape"]).copy()

    return tensor("factors", "<f4"), np.sort(tensor("people", "<u4").astype(np.int32))


def ridge(items, people):
    """What Crossfold adds to the diagonal, for a person who took so many."""
    return REGULARISATION * (people.shape[1] + UNOBSERVED_WEIGHT * len(items))


def folded_in(items, people):
    """Each person's vector as Crossfold solves it."""
    import numpy as np

    wide = items.astype(np.float64)
    shared = UNOBSERVED_WEIGHT * wide.T @ wide + ridge(items, people) * np.eye(items.shape[1])
    return np.array([
        np.linalg.solve(shared + wide[taken].T @ wide[taken], wide[taken].sum(axis=0))
        for taken in people
    ])


def recall(items, vectors, lists, left_out=None):
    """The share of the lists by exact products that is on `lists`."""
    import numpy as np

    wide = items.astype(np.float64)
    found = 0
    for row, vector in enumerate(vectors):
        scores = wide @ vector
        if left_out is not None:
            scores[left_out[row]] = -np.inf
        found += len(set(np.argpartition(-scores, LIMIT)[:LIMIT]) & set(lists[row]))
    return found / (LIMIT * len(vectors))


def latency(seconds):
    """Milliseconds of many calls, cut as Crossfold cuts its own."""
    seconds = sorted(seconds)
    at = lambda share: seconds[int((len(seconds) - 1) * share)] * 1e3
    return {"p50": at(0.5), "p99": at(0.99)}


def timed(calls, people):
    """Latencies of calls in turn for each person, and what the last of them returned."""
    import numpy as np

    for call in calls.values():
        call(0)
    seconds, emptied = ({name: [] for name in calls} for _ in range(2))

    def time_call(name, person, into):
        started = time.perf_counter()
        answer = calls[name](person)
        into[name].append(time.perf_counter() - started)
        return answer

    gc.disable()
    until = time.perf_counter() + SHORTEST
    while time.perf_counter() < until:
        returned = [[time_call(name, person, seconds) for name in calls][-1] for person in range(people)]
    other = np.ones(EMPTYING // 4, dtype=np.float32)
    for person in range(min(people, EMPTIED_PEOPLE)):
        for name in calls:
            other.sum()
            time_call(name, person, emptied)
    gc.enable()
    figures = {name: {**latency(of), "emptied": latency(emptied[name])} for name, of in seconds.items()}
    return figures, returned


def serve_implicit(items, people):
    import numpy as np
    import scipy.sparse as sp
    from implicit.cpu.als import AlternatingLeastSquares

    # Crossfold's equations divided by the weight of unobserved items; implicit's right side has
    # the whole confidence, so that its vector is 1 + UNOBSERVED_WEIGHT times as long.
    confidence = 1 + 1 / UNOBSERVED_WEIGHT
    model = AlternatingLeastSquares(
        factors=items.shape[1], alpha=1.0, regularization=ridge(items, people) / UNOBSERVED_WEIGHT,
        use_native=True, num_threads=1,
    )
    model.item_factors = items

    def history(rows):
        confidences = np.full(rows.size, confidence, dtype=np.float32)
        ends = np.arange(0, rows.size + 1, people.shape[1], dtype=np.int32)
        return sp.csr_matrix((confidences, rows.ravel(), ends), shape=(len(rows), len(items)))

    numbers = list(range(len(people)))
    model.user_factors = model.recalculate_user(numbers, history(people))
    vectors = folded_in(items, people)
    off = np.abs(model.user_factors - (1 + UNOBSERVED_WEIGHT) * vectors).max() / np.abs(vectors).max()
    if off > 1e-3:
        raise SystemExit(f"implicit solves other equations than Crossfold: {off} apart")
    histories = [history(people[number : number + 1]) for number in numbers]
    options = {"N": LIMIT, "filter_already_liked_items": True}
    calls = {
        "fold_in": lambda n: model.recalculate_user(n, histories[n]),
        "recommend_known": lambda n: model.recommend(n, histories[n], **options),
        "recommend_folded_in":
            lambda n: model.recommend(n, histories[n], recalculate_user=True, **options),
    }
    figures, returned = timed(calls, len(people))
    lists = [found.tolist() for found, _ in returned]
    return {**figures, "recall@10": recall(items, vectors, lists, left_out=people)}


def serve_faiss(items, people, exact):
    import faiss
    import numpy as np

    faiss.omp_set_num_threads(1)
    factors = items.shape[1]
    if exact:
        index = faiss.IndexFlatIP(factors)
    else:
        kind = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexScalarQuantizer(factors, kind, faiss.METRIC_INNER_PRODUCT)
        index.train(items)
    index.add(items)
    vectors = folded_in(items, people)
    queries = vectors.astype(np.float32)[:, None, :]
    figures, returned = timed({"search": lambda n: index.search(queries[n], LIMIT)}, len(people))
    lists = [found[0].tolist() for _, found in returned]
    return {
        **figures,
        "recall@10": recall(items, vectors, lists),
        "compiled": faiss.get_compile_options().strip(),
    }


def read_limits(items):
    """Gigabytes a second that one core reads, at best."""
    import numpy as np

    def best(values, read, times):
        seconds = []
        for _ in range(times):
            started = time.perf_counter()
            read(values)
            seconds.append(time.perf_counter() - started)
        return values.nbytes / min(seconds) / 1e9

    large = np.ones(LARGE // 4, dtype=np.float32)
    product = lambda values: np.dot(values, values)
    return {
        "sum_of_large": best(large, np.sum, 5),
        "product_of_large": best(large, product, 5),
        "product_of_factors": best(items.ravel(), product, 50),
    }


def serve(task):
    """One measurement of a peer or of the memory, in this process."""
    items, people = read_safetensors(task["data"])
    if task["server"] == "implicit":
        figures = serve_implicit(items, people)
    elif task["server"] == "memory":
        figures = read_limits(items)
    else:
        figures = serve_faiss(items, people, exact=task["server"] == "faiss-flat")
    print(json.dumps(figures))


def run_peer(task):
    command = [sys.executable, __file__, "--serve", json.dumps(task)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, **ONE_THREAD})
    return json.loads(done.stdout.splitlines()[-1])


def run_crossfold(options, items, data):
    command = [
        options.crossfold, "bench", "serve", "--json", "--items", str(items),
        "--factors", str(options.factors), "--history", str(options.history),
        "--people", str(options.people), "--threads", "1", "--export", data,
    ]
    done = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return done["catalogues"][0]


def ratios(rounds, figures, beside, share):
    """Of each round, how many times as long as Crossfold's stages together."""
    return [
        peer / sum(ours[stage][share] for stage in beside)
        for peer, ours in zip(figures, rounds["crossfold"])
    ]


def summary(rounds):
    rows = []
    for title, (server, name), beside in ROWS:
        done = [one[name] for one in rounds[server]]
        row = {"name": title, "beside": beside}
        kinds = {share: (share, [one[share] for one in done]) for share in ("p50", "p99")}
        if beside:
            kinds["emptied_p50"] = ("p50", [one["emptied"]["p50"] for one in done])
        for kind, (share, figures) in kinds.items():
            row[kind] = statistics.median(figures)
            # Stages of Crossfold are not slow for the same person: their p99 do not add up.
            if len(beside) == 1 or (beside and share == "p50"):
                of_rounds = ratios(rounds, figures, beside, share)
                row[f"{kind}_ratio"] = statistics.median(of_rounds)
                row[f"{kind}_ratio_spread"] = [min(of_rounds), max(of_rounds)]
        if beside and name != "fold_in":
            row["recall@10"] = rounds[server][0]["recall@10"]
        rows.append(row)
    return rows


def print_table(options, items, rows, rounds):
    print(f"\n{items} items, {options.factors} factors, {options.history} past items, "
          f"{options.people} people, one core; milliseconds, medians of {options.repeat} rounds;\n"
          "  x: times as long as what of Crossfold is beside it; emptied: p50 with emptied caches")
    print(f"  {'':34}{'p50':>8}{'p99':>8}{'emptied':>9}  {'beside':16}{'x p50':>6}{'spread':>16}"
          f"{'x p99':>7}{'x emptied':>11}{'recall@10':>11}")
    for row in rows:
        line = f"  {row['name']:34}{row['p50']:8.3f}{row['p99']:8.3f}"
        if row["beside"]:
            beside = " + ".join(stage.replace("_", "-") for stage in row["beside"])
            low, high = row["p50_ratio_spread"]
            p99 = f"{row['p99_ratio']:7.2f}" if "p99_ratio" in row else " " * 7
            found = f"{row['recall@10']:11.4f}" if "recall@10" in row else ""
            line += (f"{row['emptied_p50']:9.3f}  {beside:16}{row['p50_ratio']:6.2f}"
                     f"{f'{low:.2f} to {high:.2f}':>16}{p99}{row['emptied_p50_ratio']:11.2f}{found}")
        print(line)
    decisions = statistics.median(one["decisions_per_second"] for one in rounds["crossfold"])
    scan = statistics.median(one["scan"]["p50"] for one in rounds["crossfold"])
    reads = items * options.factors * 4 / scan / 1e6
    limit = {name: max(one[name] for one in rounds["memory"]) for name in rounds["memory"][0]}
    of = lambda name: f"{limit[name]:.1f} GB/s ({reads / limit[name]:.0%})"
    print(f"  Crossfold makes {decisions:.0f} decisions/s; its scan reads {reads:.1f} GB/s, of "
          f"{items * options.factors * 4 / 1e6:.3g} MB of factors")
    print(f"  One core reads {LARGE >> 20} MB by a sum at {of('sum_of_large')}, by a product at "
          f"{of('product_of_large')}; the factors at {of('product_of_factors')}")
    return {"scan_gb_per_second": reads, "limits_gb_per_second": limit}


def compare(options, items, data):
    rounds = {server: [] for server in ["crossfold", *PEERS, "memory"]}
    for number in range(options.repeat):
        for server in rounds:
            if server == "crossfold":
                figures = run_crossfold(options, items, data)
            else:
                figures = run_peer({"server": server, "data": data})
            rounds[server].append(figures)
            print(f"  {items} items, round {number + 1}: {server}", file=sys.stderr)
    rows = summary(rounds)
    memory = print_table(options, items, rows, rounds)
    return {"items": items, "rows": rows, "memory": memory, "rounds": rounds}


def main():
    options = arguments()
    if options.serve:
        return serve(json.loads(options.serve))
    if hasattr(os, "sched_setaffinity"):
        # The processes below stay on it too.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    results = []
    with tempfile.TemporaryDirectory() as directory:
        for items in options.items.split(","):
            results.append(compare(options, int(items), str(Path(directory) / "factors.safetensors")))
    if options.json:
        of_run = {name: getattr(options, name) for name in ("factors", "history", "people", "repeat")}
        Path(options.json).write_text(json.dumps({**of_run, "catalogues": results}, indent=1))


if __name__ == "__main__":
    main()
