#!/usr/bin/env python3
"""Maps between two domains beside a graph filter, in numpy, by five folds: what is worth building?

    benches/regressions.py --source book.csv.gz --target music.csv.gz     # numpy and scipy

Ranks all target items for everyone who has both domains, from their source history alone, by
models that know nothing of their target history: popularity; EMCDR's linear map; the two-block
ridge of `core::training::bridging::two_block_fit`; and cross-domain graph filtering without
training (after CGSP: normalised source neighbours through linked people, smoothed over target
neighbours). NDCG@20, binary, with the paired difference to the map and its 95% half width.
"""

import argparse
import csv
import gzip
import json

import numpy as np
import scipy.sparse as sparse

LIST = 20
DISCOUNTS = 1 / np.log2(np.arange(2, LIST + 2))


def pairs(path):
    opened = gzip.open(path, "rt") if path.endswith(".gz") else open(path, encoding="utf-8")
    with opened as lines:
        rows = csv.reader(lines)
        next(rows)
        return [(user, item) for user, item, *_ in rows]


def matrix(found, users):
    items = {item: at for at, item in enumerate(sorted({item for _, item in found}))}
    places = ([users[user] for user, _ in found], [items[item] for _, item in found])
    made = sparse.csr_matrix((np.ones(len(found)), places), (len(users), len(items)))
    made.data[:] = 1
    return made


def half_step(rows, fixed, options):
    gram = options.unobserved_weight * (fixed.T @ fixed)
    solved = np.zeros((rows.shape[0], fixed.shape[1]))
    for row in range(rows.shape[0]):
        columns = rows.indices[rows.indptr[row]:rows.indptr[row + 1]]
        if len(columns):
            known = fixed[columns]
            mass = len(columns) + options.unobserved_weight * rows.shape[1]
            equations = gram + known.T @ known
            equations[np.diag_indices(fixed.shape[1])] += options.regularisation * mass
            solved[row] = np.linalg.solve(equations, known.sum(0))
    return solved


def fit(rows, options):
    """Implicit ALS: people x factors, items x factors."""
    deviation = 0.1 / np.sqrt(options.factors)
    items = np.random.default_rng(1).normal(0, deviation, (rows.shape[1], options.factors))
    by_item = rows.T.tocsr()
    for _ in range(options.iterations):
        items = half_step(by_item, half_step(rows, items, options), options)
    return half_step(rows, items, options), items


def ndcg(scores, target, people):
    values = []
    for row, person in zip(scores, people):
        relevant = set(target.indices[target.indptr[person]:target.indptr[person + 1]])
        hits = np.array([item in relevant for item in np.argsort(-row, kind="stable")[:LIST]])
        values.append((hits * DISCOUNTS).sum() / DISCOUNTS[:min(LIST, len(relevant))].sum())
    return np.array(values)


def inverse_root(counts):
    return sparse.diags(1 / np.sqrt(np.maximum(np.asarray(counts).ravel(), 1)))


def scores(source, known, cold, linked, of_source, of_target):
    """Each way's scores of all target items for the cold people."""
    (people, _), (vectors, items) = of_source, of_target
    yield "popularity", np.tile(np.asarray(known.sum(0)).ravel(), (len(cold), 1))
    own, aim = people[linked], vectors[linked]
    gram = own.T @ own
    for ridge in (1, 3):
        diagonal = ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
        yield f"map, ridge {ridge}", people[cold] @ np.linalg.solve(gram + diagonal, own.T @ aim) @ items.T
    rows = inverse_root(np.diff(source.indptr)) @ source
    unit = people / np.maximum(np.linalg.norm(people, axis=1, keepdims=True), 1e-9)
    mean = aim.mean(0)
    for weight, ridge in ((0, 3), (0.3, 2.3), (0.3, 7.7), (1, 5), (3, 2.5)):
        kernel = lambda some: (rows[some] @ rows[linked].T).toarray() + weight * unit[some] @ unit[linked].T
        dual = kernel(linked) + ridge * (1 + weight) * np.eye(len(linked))
        solved = mean + kernel(cold) @ np.linalg.solve(dual, aim - mean)
        yield f"two-block, weight {weight}, ridge {ridge}", solved @ items.T
    ones = source[linked]
    kernel, across = (ones @ ones.T).toarray(), (source[cold] @ ones.T).toarray()
    for ridge in (20, 80):
        diagonal = ridge * np.diff(source.indptr)[linked].mean() * np.eye(len(linked))
        yield f"cross block, ridge {ridge}", across @ np.linalg.solve(kernel + diagonal, known[linked].toarray())
    near = inverse_root(np.diff(source.indptr)) @ source @ inverse_root(source.sum(0))
    far = inverse_root(np.diff(known.indptr)) @ known @ inverse_root(known.sum(0))
    across = source[cold] @ inverse_root(source.sum(0)) @ near[linked].T @ far[linked]
    smooth = (far.T @ (far @ across.T.toarray())).T
    for exponent in (0.0, 0.5, 1.0):
        popular = np.maximum(np.asarray(known.sum(0)).ravel(), 1) ** (exponent / 2)
        yield f"graph filter, popularity {exponent}", smooth * popular


def tell(links, found):
    """Prints what was found with so many links, and gives it as `transfer.py` plots it."""
    joined = {name: np.concatenate(some) for name, some in found.items()}
    intervals = {}
    gains = {}
    for name, some in sorted(joined.items(), key=lambda one: -one[1].mean()):
        over = {}
        for baseline in ("popularity", "map, ridge 1"):
            gain = some - joined[baseline]
            half = 1.96 * gain.std() / np.sqrt(len(gain))
            if baseline == "popularity":
                mean = gain.mean()
                gains[name] = {"mean": mean, "low": mean - half, "high": mean + half}
            over[baseline] = f"{gain.mean():+.4f} ± {half:.4f}"
        print(f"{links:>4} {name:34} {some.mean():.4f}  over popularity {over['popularity']}, the map {over['map, ridge 1']}")
        half = 1.96 * some.std() / np.sqrt(len(some))
        intervals[name] = {"mean": some.mean(), "low": some.mean() - half, "high": some.mean() + half}
    kinds = {"mapping": "map, ridge 3", "two_block": "two-block, weight 1, ridge 5", "cross_block": "cross block, ridge 80"}
    candidates = {kind: {"ndcg": intervals[name], "over_popularity": gains[name]} for kind, name in kinds.items()}
    return {"popularity": intervals["popularity"], "candidates": candidates}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--links", default="all", help="so many people stay linked, such as 25,100,all")
    parser.add_argument("--json", help="write means and 95% intervals to this file too")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--unobserved-weight", type=float, default=0.1)
    parser.add_argument("--regularisation", type=float, default=0.01)
    options = parser.parse_args()
    found = [pairs(options.source), pairs(options.target)]
    users = {user: at for at, user in enumerate(sorted({user for some in found for user, _ in some}))}
    source, target = (matrix(some, users) for some in found)
    both = np.flatnonzero((np.diff(source.indptr) > 0) & (np.diff(target.indptr) > 0))
    shuffled = np.random.default_rng(2).permutation(both)
    of_source = fit(source, options)
    values = {}
    for fold in range(5):
        cold = shuffled[fold::5]
        linked = np.array([person for person in shuffled if person not in set(cold)])
        is_known = np.ones(len(users))
        is_known[cold] = 0
        known = (sparse.diags(is_known) @ target).tocsr()
        known.eliminate_zeros()
        of_target = fit(known, options)
        for links in options.links.split(","):
            some = linked if links == "all" else linked[:int(links)]
            for name, of_name in scores(source, known, cold, some, of_source, of_target):
                values.setdefault(links, {}).setdefault(name, []).append(ndcg(of_name, target, cold))
    print(f"{len(both)} people have both")
    report = {links: tell(links, found) for links, found in values.items()}
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)


main()
