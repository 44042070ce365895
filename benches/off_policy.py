"""What a policy would have earned by the log of another: Crossfold's estimates on two logs of
which both policies' rewards are known, beside the same formulas in NumPy, in one run.

    python benches/off_policy.py --random men_random.csv.gz --bts men_bts.csv.gz

needs numpy and pandas (benches/requirements.txt) and builds
`crates/maths/examples/off_policy.rs` unless --program names one. The logs are of the Open
Bandit Dataset (Saito, Aihara, Matsutani, Narita, "Open Bandit Dataset and Pipeline", 2021), with
the columns item_id, position, click, propensity_score and user_feature_0 to user_feature_3:
`random` shows each item alike, `bts` by Bernoulli Thompson sampling, whose propensities are
logged for what was shown alone.

- bts to random: the random policy, known exactly, by the log of bts.
- random to bts: what bts showed at each position on average, by the log of random. It is no
  policy that was run: shares of items by position, counted on every second row of bts's log,
  stand in for probabilities that changed as bts learnt and were not logged. Their own
  uncertainty is not in the intervals. It is compared with the clicks on the other rows.

The value that an estimate is to cover is itself a mean of clicks with an interval. So is given
how far both are apart in standard errors of their difference. The dataset names no people:
`cohorts` clusters by all features of a user together, of which large groups are alike.

With --coverage, rewards of known rates are drawn for each log's weights, drawn with replacement:
how often an interval of IPS covers the known value, by how skewed the estimate is. That is what
estimates are refused by where rewards are rare.

NumPy's formulas are those of Open Bandit Pipeline: IPS mean(w r), SNIPS mean(w r) / mean(w),
DR mean(q(pi) + w (r - q(a))), and of slates the three of McInerney and others (2020). q is a
transcription of its own of the cross-fitted table. The greatest difference is printed, and
more than 1e-9 is a failure.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent.parent
FEATURES = [f"user_feature_{number}" for number in range(4)]
FOLDS, SEED = 5, 42
AGREEMENT = 1e-9


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", metavar="FILE", required=True)
    parser.add_argument("--bts", metavar="FILE", required=True)
    parser.add_argument("--clip", type=float, default=30.0, help="weight to clip at, besides none")
    parser.add_argument("--coverage", type=int, default=0, metavar="DRAWS",
                        help="also count how often intervals cover, of so many drawn logs")
    parser.add_argument("--program", help="the example, built")
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    return parser.parse_args()


def read(file):
    log = pd.read_csv(file)
    log["cohort"] = log[FEATURES].astype(str).agg("|".join, axis=1).astype("category").cat.codes
    return log


def uniform(log, items):
    return {int(position): {item: 1 / len(items) for item in items} for position in log.position.unique()}


def shares(log):
    counts = log.groupby(["position", "item_id"]).size()
    return {
        int(position): (of / of.sum()).droplevel(0).to_dict()
        for position, of in counts.groupby(level=0)
    }


def mixed(numbers):
    """The finaliser of SplitMix64."""
    with np.errstate(over="ignore"):
        z = np.asarray(numbers, np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def pull(groups):
    """Variance within members over that between them; groups of lists of rewards."""
    rewards = np.concatenate([r for group in groups for r in group])
    members = sum(len(group) for group in groups)
    within = sum(((r - r.mean()) ** 2).sum() for group in groups for r in group)
    whole = [np.concatenate(group) for group in groups]
    between = sum(len(r) * (r.mean() - all.mean()) ** 2 for group, all in zip(groups, whole) for r in group)
    unevenness = sum(len(r) ** 2 / len(all) for group, all in zip(groups, whole) for r in group)
    degrees = members - len(groups)
    if len(rewards) <= members or degrees < 1 or len(rewards) <= unevenness:
        return np.inf
    within /= len(rewards) - members
    excess = between - degrees * within
    return within * (len(rewards) - unevenness) / excess if excess > 0 else np.inf


def drawn(rewards, towards, observations):
    return towards + len(rewards) / (len(rewards) + observations) * (rewards.mean() - towards)


def table(log, items):
    """Shrunk means of clicks by item and position."""
    by_item = {item: of for item, of in log.groupby("item_id")}
    cells = {item: {p: c.click.to_numpy(float) for p, c in of.groupby("position")} for item, of in by_item.items()}
    all_mean = log.click.mean()
    of_items = pull([[of.click.to_numpy(float) for of in by_item.values()]])
    of_cells = pull([list(of.values()) for of in cells.values()])
    expected = {}
    for item in items:
        clicks = by_item[item].click.to_numpy(float) if item in by_item else None
        mean = all_mean if clicks is None else drawn(clicks, all_mean, of_items)
        for position in log.position.unique():
            cell = cells.get(item, {}).get(position)
            expected[item, position] = mean if cell is None else drawn(cell, mean, of_cells)
    return expected


def of_numpy(log, policy, items, keys, clip):
    weight = np.array([policy[p].get(i, 0) for i, p in zip(log.item_id, log.position)]) / log.propensity_score
    weight = np.minimum(weight.to_numpy(), clip)
    reward = log.click.to_numpy(float)
    folds = mixed(np.asarray(keys, np.uint64) ^ mixed([SEED])) % np.uint64(FOLDS)
    q_action, q_policy = np.zeros(len(log)), np.zeros(len(log))
    for fold in range(FOLDS):
        expected = table(log[folds != fold], items)
        of_policy = {p: sum(share * expected[i, p] for i, share in of.items()) for p, of in policy.items()}
        own = np.flatnonzero(folds == fold)
        q_action[own] = [expected[i, p] for i, p in zip(log.item_id.iloc[own], log.position.iloc[own])]
        q_policy[own] = [of_policy[p] for p in log.position.iloc[own]]
    robust = q_policy + weight * (reward - q_action)

    def mean_with_error(values):
        """The mean, and its error and skewness, summed within keys."""
        apart = np.bincount(np.unique(keys, return_inverse=True)[1], values - values.mean())
        squares = (apart**2).sum()
        error = np.sqrt(squares * len(apart) / (len(apart) - 1)) / len(values)
        return values.mean(), error, (apart**3).sum() / squares**1.5

    normalised = (weight * reward).mean() / weight.mean()
    _, *of_normalised = mean_with_error(weight * (reward - normalised) / weight.mean())
    return {
        "ips": mean_with_error(weight * reward),
        "snips": (normalised, *of_normalised),
        "dr": mean_with_error(robust),
        "direct": q_policy.mean(),
    }


def run(*command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def of_crossfold(program, log, policy, clusters, clip, scratch):
    lines = zip(log.item_id, log.position, log.click, log.propensity_score, log.cohort)
    with open(scratch / "log", "w") as file:
        for action, position, reward, propensity, cohort in lines:
            cluster = {"cluster": cohort} if clusters else {}
            line = {"action": action, "position": position, "reward": reward, "propensity": propensity}
            print(json.dumps(line | cluster), file=file)
    policy = {position: list(of.items()) for position, of in policy.items()}
    (scratch / "policy").write_text(json.dumps(policy))
    clip = "none" if np.isinf(clip) else str(clip)
    return run(program, "actions", scratch / "log", scratch / "policy", str(FOLDS), str(SEED), clip)


def differences(ours, theirs):
    found = {"direct": abs(ours["direct"] - theirs["direct"])}
    for name in ("ips", "snips", "dr"):
        of = ours["estimates"][name]
        for figure, other in zip(("value", "standard_error", "skewness"), theirs[name]):
            found[f"{name} {figure}"] = abs(of[figure] - other)
    return found


def shown(title, ours, truth, error):
    weights = ours["weights"]
    print(
        f"{title}\n  weights: effective {weights['effective_size']:.0f} of {weights['weights']}, mean "
        f"{weights['mean']['value']:.3f} ({weights['mean']['low']:.3f} to {weights['mean']['high']:.3f}), greatest "
        f"{weights['greatest']:.1f}, greatest 1% have {weights['share_of_greatest']:.3f}, clipped {weights['clipped']}"
    )
    print(f"  on policy {truth:.5f} (standard error {error:.5f}); logged {ours['logged']['value']:.5f}; "
          f"model alone {ours['direct']:.5f}")
    for name, of in ours["estimates"].items():
        apart = (of["value"] - truth) / np.hypot(of["standard_error"], error)
        covers = "covers" if of["low"] <= truth <= of["high"] else "does not cover"
        print(f"  {name:5} {of['value']:.5f} ({of['low']:.5f} to {of['high']:.5f}), {of['units']} units, skewness {of['skewness']:.2f}, {covers} it, "
              f"{apart:+.2f} errors apart; {'; '.join(ours['refused'][name]) or 'not refused'}")


def slates(program, scratch):
    """The greatest difference from NumPy, of drawn slates of three positions."""
    draw = np.random.default_rng(7)
    reward = draw.binomial(1, 0.3, (5000, 3))
    propensity, evaluation = draw.uniform(0.1, 0.9, (2, 5000, 3))
    with open(scratch / "slates", "w") as file:
        for one in np.stack([reward, propensity, evaluation], 2).tolist():
            print(json.dumps({"positions": one}), file=file)
    ours = run(program, "slates", scratch / "slates", "none")["estimates"]
    weight = evaluation / propensity
    theirs = {
        "independent": (weight * reward).sum(1),
        "reward_interaction": (weight.cumprod(1) * reward).sum(1),
        "standard": weight.prod(1) * reward.sum(1),
    }
    apart = [abs(ours[name]["value"] - of.mean()) for name, of in theirs.items()]
    errors = [abs(ours[name]["standard_error"] - of.std(ddof=1) / np.sqrt(len(of))) for name, of in theirs.items()]
    return max(apart + errors)


def coverage(title, weights, draws):
    """How often intervals of 95% cover where rewards are rare, by weights as they were logged."""
    draw = np.random.default_rng(1)
    for rate in (0.001, 0.0046, 0.01, 0.02, 0.04, 0.1):
        covered, skewness = 0, []
        for _ in range(draws):
            weighted = draw.choice(weights, len(weights)) * (draw.random(len(weights)) < rate)
            apart = weighted - weighted.mean()
            error = weighted.std(ddof=1) / np.sqrt(len(weights))
            covered += abs(weighted.mean() - weights.mean() * rate) <= 1.96 * error
            skewness.append((apart**3).sum() / max((apart**2).sum() ** 1.5, 1e-300))
        print(f"  {title}, rate {rate}: median skewness {np.median(skewness):.2f}, {covered / draws:.1%} covered", flush=True)


def main():
    args = arguments()
    program = args.program
    if not program:
        target = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))
        build = ["cargo", "build", "--release", "-p", "crossfold-maths", "--example", "off_policy"]
        subprocess.run(build, cwd=HERE, check=True)
        program = str(target / "release" / "examples" / "off_policy")
    random, bts = read(args.random), read(args.bts)
    items = sorted(int(item) for item in set(random.item_id) | set(bts.item_id))
    counted, judged = bts[::2], bts[1::2]
    pairs = {
        "bts to random": (bts, uniform(bts, items), random.click),
        "random to bts": (random, shares(counted), judged.click),
    }
    figures, greatest = {}, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for name, (log, policy, clicks) in pairs.items():
            truth, error = clicks.mean(), clicks.std() / np.sqrt(len(clicks))
            for clip in (np.inf, args.clip):
                for clusters in (False, True):
                    ours = of_crossfold(program, log, policy, clusters, clip, Path(scratch))
                    keys = log.cohort if clusters else np.arange(len(log))
                    apart = differences(ours, of_numpy(log, policy, items, keys, clip))
                    title = f"{name}, clip {clip:.0f}, {'cohorts' if clusters else 'rows alone'}"
                    shown(title, ours, truth, error)
                    worst = max(apart, key=apart.get)
                    print(f"  greatest difference from NumPy: {apart[worst]:.1e} ({worst})", flush=True)
                    figures[title] = {**ours, "on_policy": truth, "differences": apart}
                    greatest = max(greatest, apart[worst])
            if args.coverage:
                shares_shown = np.array([policy[p].get(i, 0) for i, p in zip(log.item_id, log.position)])
                coverage(name, shares_shown / log.propensity_score.to_numpy(), args.coverage)
        of_slates = slates(program, Path(scratch))
    greatest = max(greatest, of_slates)
    print(f"greatest difference from NumPy: {greatest:.1e}; of slates {of_slates:.1e}")
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1))
    if not greatest < AGREEMENT:
        sys.exit(f"estimates differ by more than {AGREEMENT}")


if __name__ == "__main__":
    main()
