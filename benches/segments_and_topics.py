"""Clusters and topics of Crossfold beside scikit-learn's, on the same data, in one run.

    python benches/segments_and_topics.py --data ml-100k=DIR --data mooccubex=DIR

needs numpy, scipy and scikit-learn (benches/requirements.txt) and builds
`crates/maths/examples/segments_and_topics.rs` unless --program names one. Every fit is a
process of its own with one thread, and the two take turns. Seconds are those of the fit
alone; megabytes are the process's largest, with what it had before fitting in brackets.

Points: ml-100k has people by activity, mean rating, spread over time and categories (DIR holds
interactions.csv.gz and items.jsonl.gz); mooccubex people by activity and 16 singular vectors
of enrolments (DIR holds train.csv.gz). Documents: people, of the items that they took; one
of ten people is held out. Perplexity is of the held-out people given the topics, of both with
their own inference (Hoffman, Blei, Bach 2010, section 4). `LatentDirichletAllocation.perplexity`
adds what the topics themselves cost, here over the words of the held-out people alone: a tenth
of those that the topics were learnt from. It is printed as `with topics`; topics that starve cost
nothing, which lowers it, and it varies by half from seed to seed. Over the people that topics
were learnt from (`learnt from`) the same is the bound that both maximise. Completion is the
perplexity of one half of each held-out person's items given the other.
"""

import argparse
import csv
import gzip
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
# Other perplexities of topics, and what they are printed as.
OF_TOPICS = {
    "with_topics": "with topics",
    "train_perplexity": "learnt from",
    "completion_perplexity": "completion",
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--clusters", type=int, action="append", help="default: 6, 12, 24")
    parser.add_argument("--restarts", type=int, default=4)
    parser.add_argument("--topics", type=int, action="append", help="default: 10, 20")
    parser.add_argument("--passes", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--program", help="the example, built")
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    parser.add_argument("--peer", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser.parse_args()


def interactions(directory):
    name = next(n for n in ("interactions.csv.gz", "train.csv.gz") if (Path(directory) / n).exists())
    with gzip.open(Path(directory) / name, "rt", newline="") as file:
        return list(csv.DictReader(file))


def numbered(names):
    return {name: number for number, name in enumerate(sorted(set(names)))}


def write_documents(rows, directory):
    items = numbered(row["item_id"] for row in rows)
    people = {}
    for row in rows:
        people.setdefault(row["user_id"], set()).add(items[row["item_id"]])
    lines = {"train": [], "test": []}
    for number, person in enumerate(sorted(people)):
        line = " ".join(f"{item}:1" for item in sorted(people[person]))
        lines["test" if number % 10 == 0 else "train"].append(line)
    for part, documents in lines.items():
        (directory / part).write_text("\n".join(documents) + "\n")
    return len(items)


def people_of_ml(rows, directory):
    import numpy as np

    with gzip.open(Path(directory) / "items.jsonl.gz", "rt") as file:
        items = {item["item_id"]: item["categories"] for item in map(json.loads, file)}
    categories = numbered(itertools.chain.from_iterable(items.values()))
    people = numbered(row["user_id"] for row in rows)
    shares = np.zeros((len(people), len(categories)))
    stars = [[] for _ in people]
    times = [[] for _ in people]
    time_column = next(name for name in ("occurred_at", "timestamp") if name in rows[0])
    for row in rows:
        person = people[row["user_id"]]
        for category in items.get(row["item_id"], []):
            shares[person, categories[category]] += 1
        stars[person].append(float(row["rating"]))
        times[person].append(float(row[time_column]))
    shares = np.sqrt(shares / np.maximum(shares.sum(1, keepdims=True), 1))
    habits = [[np.log1p(len(s)), np.mean(s), np.log1p((max(t) - min(t)) / 86400)] for s, t in zip(stars, times)]
    return standardised(np.hstack([np.array(habits), shares]))


def people_of_courses(rows):
    import numpy as np
    import scipy.sparse as sp
    from sklearn.decomposition import TruncatedSVD

    people = numbered(row["user_id"] for row in rows)
    items = numbered(row["item_id"] for row in rows)
    at = ([people[row["user_id"]] for row in rows], [items[row["item_id"]] for row in rows])
    matrix = sp.csr_matrix((np.ones(len(rows)), at))
    counts = np.asarray(matrix.sum(1)).ravel()
    matrix = sp.diags(1 / np.sqrt(counts)) @ matrix
    vectors = TruncatedSVD(16, random_state=1).fit_transform(matrix)
    return standardised(np.column_stack([np.log1p(counts), vectors]))


def standardised(points):
    return (points - points.mean(0)) / points.std(0).clip(1e-9)


def peer(kind, *options):
    """One fit by scikit-learn; prints what the example prints."""
    import numpy as np
    import scipy.sparse as sp
    from sklearn.cluster import KMeans
    from sklearn.decomposition import LatentDirichletAllocation

    if kind == "clusters":
        file, clusters, restarts, seed = options
        points = np.loadtxt(file, delimiter=",", dtype=np.float32)
        before = most_megabytes()
        started = time.perf_counter()
        found = KMeans(int(clusters), n_init=int(restarts), random_state=int(seed)).fit(points)
        seconds = time.perf_counter() - started
        differences = points.astype(float) - found.cluster_centers_.astype(float)[found.labels_]
        answer = {"inertia": float((differences**2).sum()), "assignments": found.labels_.tolist()}
    else:
        train, test, words, topics, passes, batch, seed = options

        def documents(file):
            rows = [[entry.split(":") for entry in line.split()] for line in open(file)]
            ends = np.cumsum([0] + [len(row) for row in rows])
            entries = list(itertools.chain.from_iterable(rows))
            shape = (len(rows), int(words))
            counts = [float(count) for _, count in entries]
            return sp.csr_matrix((counts, [int(word) for word, _ in entries], ends), shape=shape)

        train, test = documents(train), documents(test)
        before = most_megabytes()
        started = time.perf_counter()
        found = LatentDirichletAllocation(
            int(topics), learning_method="online", max_iter=int(passes), batch_size=int(batch),
            random_state=int(seed),
        ).fit(train)
        seconds = time.perf_counter() - started
        likeliest = np.argsort(-found.components_, axis=1)[:, :10]
        answer = {
            "perplexity": perplexity_given_topics(found, test),
            "with_topics": float(found.perplexity(test)),
            "train_perplexity": float(found.perplexity(train)),
            "completion_perplexity": completion_perplexity(found, test),
            "likeliest": likeliest.tolist(),
        }
    print(json.dumps({"seconds": seconds, "before": before, "megabytes": most_megabytes(), **answer}))


def perplexity_given_topics(found, documents):
    """As `perplexity`, without the topics' part of `_approx_bound`."""
    import numpy as np
    from scipy.special import gammaln, psi

    weights, prior = found.components_, found.topic_word_prior_
    expected = psi(weights) - psi(weights.sum(1))[:, None]
    of_topics = ((prior - weights) * expected + gammaln(weights) - gammaln(prior)).sum()
    of_topics += (gammaln(prior * weights.shape[1]) - gammaln(weights.sum(1))).sum()
    words = documents.sum()
    bound = -np.log(found.perplexity(documents)) * words - of_topics
    return float(np.exp(-bound / words))


def completion_perplexity(found, documents):
    """Of one half of each document's words, drawn, given the other."""
    import numpy as np
    import scipy.sparse as sp

    draw = np.random.default_rng(1)
    given, asked = [], []
    for row in documents:
        words = draw.permutation(row.indices)
        given.append(words[: len(words) // 2])
        asked.append(words[len(words) // 2 :])
    ends = np.cumsum([0] + [len(words) for words in given])
    halves = sp.csr_matrix((np.ones(ends[-1]), np.concatenate(given), ends), shape=documents.shape)
    mixtures = found.transform(halves)
    topics = found.components_ / found.components_.sum(axis=1, keepdims=True)
    pairs = [(m, words) for m, words, kept in zip(mixtures, asked, given) if len(kept)]
    logs = [np.log(mixture @ topics[:, words]).sum() for mixture, words in pairs]
    return float(np.exp(-sum(logs) / sum(len(words) for _, words in pairs)))


def most_megabytes():
    """Of this process since it was started: what its parent had is not counted."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def run(command):
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, env=environment)
        if process.wait() != 0:
            sys.exit(f"{command} failed")
        out.seek(0)
        return json.loads(out.read())


def agreements(runs):
    from sklearn.metrics import adjusted_rand_score

    pairs = itertools.combinations([run["assignments"] for run in runs], 2)
    return statistics.mean(adjusted_rand_score(*pair) for pair in pairs) if len(runs) > 1 else None


def matches(runs):
    """Mean share of likeliest words that matched topics of two seeds have in common."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    shares = []
    for one, other in itertools.combinations([run["likeliest"] for run in runs], 2):
        common = np.array([[len(set(a) & set(b)) / 10 for b in other] for a in one])
        rows, columns = linear_sum_assignment(-common)
        shares.append(common[rows, columns].mean())
    return statistics.mean(shares) if shares else None


def compare(kind, options, seeds, program, figure, stability):
    ours, theirs = [], []
    for seed in range(seeds):
        ours.append(run([program, kind, *options, str(seed)]))
        theirs.append(run([sys.executable, __file__, "--peer", kind, *options, str(seed)]))
    summary = {}
    for name, runs in (("crossfold", ours), ("scikit-learn", theirs)):
        summary[name] = {
            key: statistics.mean(run[key] for run in runs)
            for key in (figure, "seconds", "megabytes", *OF_TOPICS, "before")
            if key in runs[0]
        }
        summary[name][f"best {figure}"] = min(run[figure] for run in runs)
        summary[name]["stability"] = stability(runs)
        if "inference_micros" in runs[0]:
            summary[name]["inference_micros"] = runs[0]["inference_micros"]
    summary["ratio"] = summary["crossfold"][figure] / summary["scikit-learn"][figure]
    return summary


def shown(data, what, figure, summary):
    for name in ("crossfold", "scikit-learn"):
        of = summary[name]
        before = f" ({of['before']:.0f})" if "before" in of else ""
        print(
            f"{data:10} {what:14} {name:13} {figure} {of[figure]:12.2f} best {of[f'best {figure}']:12.2f}  "
            f"{of['seconds']:8.2f} s {of['megabytes']:6.0f} MB{before}  stability {of['stability'] or 0:.3f}"
            + "".join(f"  {OF_TOPICS[key]} {of[key]:.1f}" for key in OF_TOPICS if key in of)
            + (f"  inference {of['inference_micros']}" if "inference_micros" in of else ""),
        )
    print(f"{'':10} {what:14} ratio {summary['ratio']:.4f}", flush=True)


def main():
    args = arguments()
    if args.peer:
        return peer(*args.peer)
    program = args.program
    if not program:
        target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))
        build = ["cargo", "build", "--release", "-p", "crossfold-maths", "--example", "segments_and_topics"]
        subprocess.run(build, cwd=HERE, check=True)
        program = str(target / "release" / "examples" / "segments_and_topics")
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, directory in (data.split("=", 1) for data in args.data):
            place = Path(scratch) / name
            place.mkdir()
            rows = interactions(directory)
            has_categories = (Path(directory) / "items.jsonl.gz").exists()
            points = people_of_ml(rows, directory) if has_categories else people_of_courses(rows)
            file = place / "points"
            file.write_text("\n".join(",".join(f"{v:.7g}" for v in point) for point in points) + "\n")
            words = write_documents(rows, place)
            del rows
            chosen = run([program, "choose", str(file), "12", "1"])
            print(f"{name}: {points.shape[0]} people, {points.shape[1]} features, {words} items; "
                  f"clusters chosen: {chosen['chosen']['clusters']} in {chosen['seconds']:.1f} s", flush=True)
            for tried in chosen["chosen"]["tried"]:
                print("  ", {key: round(value, 3) for key, value in tried.items()})
            figures[name] = {"chosen": chosen}
            for clusters in args.clusters or [6, 12, 24]:
                options = [str(file), str(clusters), str(args.restarts)]
                found = compare("clusters", options, args.seeds, program, "inertia", agreements)
                figures[name][f"{clusters} clusters"] = found
                shown(name, f"{clusters} clusters", "inertia", found)
            for topics in args.topics or [10, 20]:
                options = [str(place / "train"), str(place / "test"), str(words), str(topics),
                           str(args.passes), str(args.batch)]
                found = compare("topics", options, args.seeds, program, "perplexity", matches)
                figures[name][f"{topics} topics"] = found
                shown(name, f"{topics} topics", "perplexity", found)
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
