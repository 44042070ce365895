"""Training speed, memory and quality of Crossfold and its peers, in one run.

Every fit is a process of its own, and the trainers take turns, so that a busy
minute of the machine falls on all of them. Seconds are those of the fit alone.
Quality is NDCG@20 by full ranking, binary relevance, ideal list cut at 20,
training items left out. irspack minimises the loss that Crossfold does, and is
given the same hyper-parameters; implicit minimises another, and is given those
that suit it on the data.
"""

import argparse
import csv
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

# For each set: unobserved weight and regularisation of the common loss, then
# alpha and regularisation of implicit's.
SETTINGS = {
    "ml-1m": ((1.0, 0.003), (3.0, 50.0)),
    "mooccubex": ((0.03, 0.003), (30.0, 30.0)),
}
DEFAULT_SETTINGS = ((0.1, 0.003), (3.0, 30.0))
ITERATIONS = 15


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--synthetic", type=int, metavar="INTERACTIONS")
    parser.add_argument("--factors", type=int, action="append", help="default: 64, 128, 256")
    parser.add_argument("--repeat", type=int, default=5, help="fits of each trainer")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--trainers", default="crossfold,implicit,irspack-cg,irspack-ials++")
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    return parser.parse_args()


def read_pairs(path):
    pairs = {}
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            pairs.setdefault(row["user_id"], []).append(row["item_id"])
    return pairs


def read_csv_set(directory):
    import numpy as np
    import scipy.sparse as sp

    train = read_pairs(Path(directory) / "train.csv.gz")
    test = read_pairs(Path(directory) / "test.csv.gz")
    items = {}
    rows, columns = [], []
    for number, user in enumerate(train):
        for item in train[user]:
            rows.append(number)
            columns.append(items.setdefault(item, len(items)))
    ones = np.ones(len(rows), dtype=np.float32)
    matrix = sp.csr_matrix((ones, (rows, columns)), shape=(len(train), len(items)))
    matrix.data[:] = 1.0
    # An item nobody has in training cannot be found: it counts as missed.
    held_out = [
        [items.get(item, -1) for item in set(test.get(user, []))] for user in train
    ]
    return matrix, held_out


def read_safetensors(path):
    import numpy as np
    import scipy.sparse as sp

    raw = Path(path).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])

    def tensor(name, dtype):
        begin, end = header[name]["data_offsets"]
        return np.frombuffer(raw, dtype, (end - begin) // np.dtype(dtype).itemsize, 8 + length + begin)

    rows, columns = tensor("shape", "<u8")
    indices = tensor("columns", "<u4").astype(np.int32)
    ends = tensor("row_ends", "<u8").astype(np.int32)
    ones = np.ones(len(indices), dtype=np.float32)
    return sp.csr_matrix((ones, indices, ends), shape=(int(rows), int(columns))), []


def ndcg_at_20(matrix, people, items, held_out):
    import numpy as np

    discounts = 1.0 / np.log2(np.arange(2, 22))
    gains = []
    for first in range(0, len(held_out), 512):
        scores = people[first : first + 512] @ items.T
        for row, scored in enumerate(scores, first):
            seen = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
            relevant = set(held_out[row]) - set(seen.tolist())
            if not relevant:
                continue
            scored[seen] = -np.inf
            best = np.argpartition(-scored, 20)[:20]
            best = best[np.argsort(-scored[best], kind="stable")]
            hits = np.array([item in relevant for item in best], dtype=float)
            gains.append((hits * discounts).sum() / discounts[: min(len(relevant), 20)].sum())
    return float(np.mean(gains))


def fit(task):
    """One fit of a peer, in this process."""
    # The peers run their own threads; their linear algebra must not run more.
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    read = read_safetensors if task["data"].endswith(".safetensors") else read_csv_set
    matrix, held_out = read(task["data"])
    if task["trainer"] == "implicit":
        from implicit.cpu.als import AlternatingLeastSquares

        alpha, regularisation = task["implicit"]
        model = AlternatingLeastSquares(
            factors=task["factors"], iterations=ITERATIONS, num_threads=task["threads"],
            alpha=alpha, regularization=regularisation, random_state=task["seed"],
        )
        started = time.perf_counter()
        model.fit(matrix, show_progress=False)
        seconds = time.perf_counter() - started
        people, items = model.user_factors, model.item_factors
    else:
        from irspack import IALSRecommender

        alpha, regularisation = task["common"]
        model = IALSRecommender(
            matrix, n_components=task["factors"], alpha0=alpha, reg=regularisation,
            train_epochs=ITERATIONS, n_threads=task["threads"], random_seed=task["seed"],
            solver_type={"irspack-cg": "CG", "irspack-ials++": "IALSPP"}[task["trainer"]],
        )
        started = time.perf_counter()
        model.learn()
        seconds = time.perf_counter() - started
        people, items = model.get_user_embedding(), model.get_item_embedding()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    quality = ndcg_at_20(matrix, people, items, held_out) if held_out else None
    # On a line of its own: irspack draws its progress on standard output.
    print("\n" + json.dumps({"seconds": seconds, "peak_mb": peak, "ndcg": quality}))


def run_peer(task):
    command = [sys.executable, __file__, "--fit", json.dumps(task)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_crossfold(task):
    weight, regularisation = task["common"]
    command = [
        os.environ["CROSSFOLD"], "bench", "train", "--json", "--repeat", "1",
        "--factors", str(task["factors"]), "--iterations", str(ITERATIONS),
        "--unobserved-weight", str(weight), "--regularisation", str(regularisation),
        "--seed", str(task["seed"]), "--threads", str(task["threads"]),
    ]
    if task["synthetic"]:
        command += ["--synthetic", str(task["synthetic"])]
    else:
        command += ["--train", f"{task['data']}/train.csv.gz", "--test", f"{task['data']}/test.csv.gz"]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "seconds": done["fit_seconds"][0],
        "peak_mb": done["peak_rss_mb"],
        "ndcg": (done.get("metrics") or {}).get("ndcg@20"),
        "nominal_gflops": done["nominal_gflops"],
        "product_gflops": done["product_gflops"],
        "copy_gb_per_second": done["copy_gb_per_second"],
    }


def compare(name, data, synthetic, factors, options):
    common, implicit = SETTINGS.get(name, DEFAULT_SETTINGS)
    trainers = options.trainers.split(",")
    runs = {trainer: [] for trainer in trainers}
    for repetition in range(options.repeat):
        for trainer in trainers:
            task = {
                "trainer": trainer, "data": data, "synthetic": synthetic, "factors": factors,
                "threads": options.threads, "seed": repetition + 1,
                "common": common, "implicit": implicit,
            }
            run = run_crossfold if trainer == "crossfold" else run_peer
            runs[trainer].append(run(task))
            print(f"  {name} f={factors} {trainer} {runs[trainer][-1]['seconds']:.3f} s", file=sys.stderr)
    ours = statistics.median(run["seconds"] for run in runs["crossfold"])
    print(f"\n{name}, {factors} factors, {ITERATIONS} iterations, {options.threads} threads, "
          f"median of {options.repeat}")
    print(f"  {'':16}{'seconds':>9}{'spread':>16}{'x Crossfold':>13}{'peak MB':>9}{'NDCG@20':>9}")
    for trainer, done in runs.items():
        seconds = sorted(run["seconds"] for run in done)
        median = statistics.median(seconds)
        peak = max(run["peak_mb"] for run in done)
        quality = [run["ndcg"] for run in done if run["ndcg"] is not None]
        shown = f"{statistics.mean(quality):9.4f}" if quality else f"{'':>9}"
        spread = f"{seconds[0]:.2f} to {seconds[-1]:.2f}"
        print(f"  {trainer:16}{median:9.3f}{spread:>16}{median / ours:13.2f}{peak:9.0f}{shown}")
    first = runs["crossfold"][0]
    print(f"  Crossfold at {first['nominal_gflops']:.1f} GFLOP/s nominal; the cores' products reach "
          f"{first['product_gflops']:.1f} GFLOP/s, copies {first['copy_gb_per_second']:.1f} GB/s")
    return {"set": name, "factors": factors, "runs": runs}


def main():
    options = arguments()
    if options.fit:
        return fit(json.loads(options.fit))
    results = []
    for factors in options.factors or [64, 128, 256]:
        for pair in options.data:
            name, directory = pair.split("=", 1)
            results.append(compare(name, directory, None, factors, options))
        if options.synthetic:
            path = Path(os.environ.get("TMPDIR", "/tmp")) / f"crossfold-{options.synthetic}.safetensors"
            command = [os.environ["CROSSFOLD"], "bench", "data", "--interactions",
                       str(options.synthetic), "--out", str(path)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            try:
                results.append(compare("synthetic", str(path), options.synthetic, factors, options))
            finally:
                path.unlink()
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
