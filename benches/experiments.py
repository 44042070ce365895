#!/usr/bin/env python3
"""Crossfold's statistics of experiments beside gbstats, statsmodels and tea-tasting.

    cargo build --release -p crossfold-maths --example inference_agreement
    benches/experiments.py --ours target/release/examples/inference_agreement

Draws summaries at random, asks all engines the same and prints the greatest difference of each
question: relative to the other engine's figure where that is above a floor (what is subtracted
there from 1, or from a number as large, has no more digits), and else to the floor. Fails above
--tolerance. Needs gbstats==0.8.0 (installed with --no-deps), tea-tasting==1.14.0, statsmodels,
scipy, numpy, pandas and pydantic.
"""

import argparse
import json
import math
import subprocess
import sys
import warnings
from collections import defaultdict

import numpy as np
import scipy.integrate
import scipy.stats
import tea_tasting as tt
from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig, GaussianPrior
from gbstats.frequentist.tests import (
    FrequentistConfig, OneSidedTreatmentGreaterTTest, SequentialConfig, SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import RatioStatistic, RegressionAdjustedStatistic, SampleMeanStatistic
from gbstats.utils import check_srm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from tea_tasting.aggr import Aggregates

# Below these the other engine itself has lost its digits: probabilities are there what is left of 1.
FLOOR_OF_P = 1e-8
FLOOR_OF_RISK = 1e-6


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default="target/release/examples/inference_agreement")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=1e-6)
    return parser.parse_args()


def group(random, kind, lift):
    """The sums of a group of people whose outcome goes with a second variable."""
    n = int(10 ** random.uniform(1, 5))
    x = random.gamma(2.0, 1.5, n) + 0.2
    if kind == 0:
        y = 2.0 + x + random.normal(0, 2, n)
    elif kind == 1:
        y = x * random.lognormal(0, 1, n)
    else:
        y = (random.random(n) < 0.2 + 0.05 * np.minimum(x, 8)).astype(float)
    y = y * (1 + lift)
    return {"n": n, "sum_y": y.sum(), "sum_yy": (y * y).sum(), "sum_x": x.sum(),
            "sum_xx": (x * x).sum(), "sum_xy": (x * y).sum()}


def effect_case(random):
    lift = random.normal(0, 0.05)
    # The same kind of outcome for both groups.
    kind = random.integers(3)
    control, treatment = group(random, kind, 0.0), group(random, kind, lift)
    proper = bool(random.random() < 0.5)
    return {
        "kind": "effect", "control": control, "treatment": treatment,
        "metric": str(random.choice(["mean", "ratio", "adjusted"])),
        "scale": str(random.choice(["absolute", "relative"])),
        "alpha": float(random.choice([0.01, 0.05, 0.1])), "tuned_to": float(10 ** random.uniform(2, 5)),
        "prior": {"mean": float(random.normal(0, 0.1)), "deviation": float(random.uniform(0.05, 1))} if proper else None,
    }


def shares(random, groups):
    drawn = random.uniform(0.5, 1.5, groups)
    drawn /= drawn.sum()
    return [float(share) for share in drawn]


def imbalance_case(random):
    planned = shares(random, int(random.integers(2, 6)))
    moved = np.array(planned) * random.uniform(0.98, 1.02, len(planned))
    moved = [float(share) for share in moved / moved.sum()]
    n = int(10 ** random.uniform(2, 5))
    counts = [int(count) for count in random.multinomial(n, planned)]
    return {"kind": "imbalance", "counts": counts, "planned": planned, "actual": moved, "n": float(n),
            "alpha": float(random.choice([0.001, 0.01, 0.05]))}


def multiple_case(random):
    p = random.random(int(random.integers(1, 40))) ** random.uniform(1, 6)
    return {"kind": "multiple", "p": [float(one) for one in p]}


def power_case(random):
    return {
        "kind": "power", "effect": float(random.uniform(0.02, 0.6)), "control": float(10 ** random.uniform(1, 4)),
        "wanted": float(random.uniform(0.5, 0.95)), "ratio": float(random.uniform(0.3, 3)),
        "alpha": float(random.choice([0.01, 0.05, 0.1])), "two_sided": bool(random.random() < 0.5),
        "distribution": str(random.choice(["normal", "student"])),
    }


class Differences:
    def __init__(self):
        self.greatest = defaultdict(float)
        self.count = defaultdict(int)
        self.at = {}

    def note(self, question, ours, theirs, case, floor=1e-12):
        # A figure that one engine has and the other has not is as far as can be.
        whole = ours is not None and math.isfinite(ours) and math.isfinite(theirs)
        apart = abs(ours - theirs) / max(abs(theirs), floor) if whole else math.inf
        self.count[question] += 1
        if apart >= self.greatest[question]:
            self.greatest[question], self.at[question] = apart, case


def gbstats_statistic(sums, metric):
    y = SampleMeanStatistic(n=sums["n"], sum=sums["sum_y"], sum_squares=sums["sum_yy"])
    x = SampleMeanStatistic(n=sums["n"], sum=sums["sum_x"], sum_squares=sums["sum_xx"])
    if metric == "mean":
        return y
    if metric == "ratio":
        return RatioStatistic(n=sums["n"], m_statistic=y, d_statistic=x, m_d_sum_of_products=sums["sum_xy"])
    return RegressionAdjustedStatistic(
        n=sums["n"], post_statistic=y, pre_statistic=x, post_pre_sum_of_products=sums["sum_xy"], theta=0)


def compare_effect(case, ours, noted):
    metric, scale, alpha = case["metric"], case["scale"], case["alpha"]
    a, b = (gbstats_statistic(case[name], metric) for name in ("control", "treatment"))
    name = f"{metric}, {scale}"
    config = {"difference_type": scale, "alpha": alpha}
    fixed = TwoSidedTTest(a, b, FrequentistConfig(**config)).compute_result()
    # The scale of an end is that of the interval, one end of which may be 0.
    reach = (fixed.ci[1] - fixed.ci[0]) / 2
    noted.note(f"gbstats: estimate, {name}", ours["estimate"], fixed.expected, case, reach)
    noted.note(f"gbstats: standard error, {name}", ours["error"], fixed.uplift.stddev, case)
    greater = OneSidedTreatmentGreaterTTest(a, b, FrequentistConfig(**config)).compute_result()
    sequential = SequentialTwoSidedTTest(
        a, b, SequentialConfig(**config, sequential_tuning_parameter=case["tuned_to"])).compute_result()
    for label, found, result in [("t", ours["fixed"], fixed), ("sequential", ours["sequential"], sequential)]:
        for at in (0, 1):
            noted.note(f"gbstats: {label} interval, {name}", found[at], result.ci[at], case, reach)
        noted.note(f"gbstats: {label} p, {name}", found[2], result.p_value, case, FLOOR_OF_P)
    noted.note(f"gbstats: one-sided bound, {name}", ours["greater"][0], greater.ci[0], case, reach)
    noted.note(f"gbstats: one-sided p, {name}", ours["greater"][1], greater.p_value, case, FLOOR_OF_P)
    prior = case["prior"]
    believed = GaussianPrior(prior["mean"], prior["deviation"] ** 2, True) if prior else GaussianPrior()
    bayesian = EffectBayesianABTest(
        a, b, EffectBayesianConfig(**config, prior_type=scale, prior_effect=believed)).compute_result()
    low, high, chance, of_control, of_treatment = ours["bayesian"]
    for found, theirs in [(low, bayesian.ci[0]), (high, bayesian.ci[1])]:
        noted.note(f"gbstats: credible interval, {name}", found, theirs, case, reach)
    noted.note(f"gbstats: chance to win, {name}", chance, bayesian.chance_to_win, case, FLOOR_OF_P)
    for found, theirs in [(of_control, bayesian.risk[0]), (of_treatment, bayesian.risk[1])]:
        noted.note(f"gbstats: risk, {name}", found, theirs, case, FLOOR_OF_RISK * bayesian.uplift.stddev)
    if scale == "absolute":
        compare_tea_tasting(case, ours, noted, reach)


def aggregates(sums):
    n = sums["n"]
    means = {"y": sums["sum_y"] / n, "x": sums["sum_x"] / n}

    def spread(of, one, other):
        return (sums[of] - n * means[one] * means[other]) / (n - 1)

    return Aggregates(count_=n, mean_=means, var_={"y": spread("sum_yy", "y", "y"), "x": spread("sum_xx", "x", "x")},
                      cov_={("x", "y"): spread("sum_xy", "x", "y")})


def compare_tea_tasting(case, ours, noted, reach):
    options = {"confidence_level": 1 - case["alpha"], "equal_var": False, "use_t": True}
    metrics = {"mean": tt.Mean("y", **options), "adjusted": tt.Mean("y", "x", **options),
               "ratio": tt.RatioOfMeans("y", "x", **options)}
    found = metrics[case["metric"]].analyze_aggregates(aggregates(case["control"]), aggregates(case["treatment"]))
    name = case["metric"]
    noted.note(f"tea-tasting: estimate, {name}", ours["estimate"], found.effect_size, case, reach)
    noted.note(f"tea-tasting: interval, {name}", ours["fixed"][0], found.effect_size_ci_lower, case, reach)
    noted.note(f"tea-tasting: interval, {name}", ours["fixed"][1], found.effect_size_ci_upper, case, reach)
    noted.note(f"tea-tasting: p, {name}", ours["fixed"][2], found.pvalue, case, FLOOR_OF_P)


def compare_imbalance(case, ours, noted):
    theirs = check_srm(case["counts"], case["planned"])
    noted.note("gbstats: imbalance p", ours["p"], float(theirs), case)
    planned, actual = np.array(case["planned"]), np.array(case["actual"])
    freedom = len(planned) - 1
    noncentral = case["n"] * ((actual - planned) ** 2 / planned).sum()
    critical = scipy.stats.chi2.isf(case["alpha"], freedom)
    power = scipy.stats.ncx2.sf(critical, freedom, noncentral)
    noted.note("scipy: power to see an imbalance", ours["power"], float(power), case)


def compare_multiple(case, ours, noted):
    for name, method in [("holm", "holm"), ("benjamini_hochberg", "fdr_bh")]:
        theirs = multipletests(case["p"], method=method)[1]
        for one, other in zip(ours[name], theirs):
            noted.note(f"statsmodels: {name}", one, float(other), case)


def power_by_quadrature(case):
    """The power of a t-test: the normal's, given the root of the scaled chi-square."""
    control, treatment = case["control"], case["control"] * case["ratio"]
    freedom = control + treatment - 2
    noncentral = case["effect"] / math.sqrt(1 / control + 1 / treatment)
    critical = scipy.stats.t.isf(case["alpha"] / (2 if case["two_sided"] else 1), freedom)

    def density(root):
        lower = scipy.stats.norm.cdf(-critical * root - noncentral) if case["two_sided"] else 0
        tails = scipy.stats.norm.sf(critical * root - noncentral) + lower
        return tails * scipy.stats.chi.pdf(root, freedom, scale=1 / math.sqrt(freedom))

    reach = 12 / math.sqrt(2 * freedom)
    return scipy.integrate.quad(density, max(0, 1 - reach), 1 + reach, points=[1.0], epsabs=1e-13, epsrel=1e-12)[0]


def compare_power(case, ours, noted):
    solver = NormalIndPower() if case["distribution"] == "normal" else TTestIndPower()
    shared = {"alpha": case["alpha"], "ratio": case["ratio"],
              "alternative": "two-sided" if case["two_sided"] else "larger"}
    name = case["distribution"]
    metric = tt.Mean("y", alpha=case["alpha"], ratio=case["ratio"], equal_var=True, use_t=name == "student",
                     alternative="two-sided" if case["two_sided"] else "greater")
    everyone = case["control"] * (1 + case["ratio"])
    powers = {
        "statsmodels": float(solver.power(case["effect"], case["control"], **shared)),
        "tea-tasting": metric._power_from_stats(sample_var=1.0, sample_count=everyone, effect_size=case["effect"]),
    }
    for engine, power in powers.items():
        if math.isnan(power):
            # scipy has no tail of a noncentral t that is next to nothing; so by the definition.
            engine, power = f"quadrature for {engine}", power_by_quadrature(case)
        noted.note(f"{engine}: power, {name}", ours["power"], power, case)
    # Their solver stops early: what is compared is the power that their formula gives to ours.
    for label, effect, control in [("sample size", case["effect"], ours["size"]),
                                   ("detectable effect", ours["detectable"], case["control"])]:
        back = solver.power(effect, control, **shared)
        noted.note(f"statsmodels: power at {label}, {name}", case["wanted"], float(back), case)
    size = solver.solve_power(effect_size=case["effect"], power=case["wanted"], nobs1=None, **shared)
    noted.note(f"statsmodels: sample size, {name}", ours["size"], float(np.squeeze(size)), case)


COMPARED = {"effect": compare_effect, "imbalance": compare_imbalance, "multiple": compare_multiple,
            "power": compare_power}


def main():
    options = arguments()
    warnings.filterwarnings("ignore")
    random = np.random.default_rng(options.seed)
    drawn = [effect_case, imbalance_case, multiple_case, power_case]
    cases = [draw(random) for draw in drawn for _ in range(options.cases)]
    asked = "".join(json.dumps(case, default=float) + "\n" for case in cases)
    ran = subprocess.run([options.ours], input=asked, text=True, capture_output=True, check=True)
    noted = Differences()
    for case, line in zip(cases, ran.stdout.splitlines(), strict=True):
        ours = json.loads(line)
        if "refused" in ours:
            sys.exit(f"refused, {ours['refused']}: {case}")
        COMPARED[case["kind"]](case, ours, noted)
    print("| figure | compared | greatest relative difference |\n| --- | --- | --- |")
    for question in sorted(noted.greatest):
        print(f"| {question} | {noted.count[question]} | {noted.greatest[question]:.1e} |")
    beyond = [question for question, apart in noted.greatest.items() if apart > options.tolerance]
    for question in beyond:
        print(f"beyond {options.tolerance}: {question}: {noted.at[question]}", file=sys.stderr)
    sys.exit(1 if beyond else 0)


if __name__ == "__main__":
    main()
