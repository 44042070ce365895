//! What a policy would have earned by the log of another, of files, for comparing with other
//! programs: see `benches/off_policy.py`, which writes the files and reads the answers (JSON).
//!
//! - `actions LOG POLICY FOLDS SEED CLIP`: LOG has an action a line, `{"action", "position",
//!   "reward", "propensity"}` and maybe `"cluster"`; POLICY is an object of lists of pairs of
//!   action and probability, by position. CLIP is a weight, or `none`.
//! - `slates LOG CLIP`: a slate a line, `{"positions": [[reward, propensity, evaluation]]}` and
//!   maybe `"cluster"`

#![allow(clippy::print_stdout)] // What it is for.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{File, read_to_string};
use std::io::{BufRead, BufReader};

use crossfold_maths::off_policy::{
    ActionProbabilities, Clip, Confidence, DoublyRobust, Estimate, Ips, LoggedAction, Observation,
    OutcomeTables, RefusalOptions, Shown, Slate, SlateIps, Weights, refusals,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match arguments[..] {
        ["actions", log, policy, folds, seed, clip] => {
            let tables = OutcomeTables::new(folds.parse()?, seed.parse()?)?;
            actions(log, &policies(policy)?, tables, clip_of(clip)?)?
        }
        ["slates", log, clip] => slates(log, clip_of(clip)?)?,
        _ => return Err("see the head of the program".into()),
    };
    println!("{answer}");
    Ok(())
}

fn clip_of(text: &str) -> Outcome<Clip> {
    if text == "none" {
        return Ok(Clip::NONE);
    }
    Ok(Clip::at(text.parse()?)?)
}

fn lines<T: DeserializeOwned>(file: &str) -> Outcome<impl Iterator<Item = Outcome<T>>> {
    let lines = BufReader::new(File::open(file)?).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}

type Policies = BTreeMap<u32, ActionProbabilities>;

fn policies(file: &str) -> Outcome<Policies> {
    let read: BTreeMap<u32, Vec<(u32, f64)>> = serde_json::from_str(&read_to_string(file)?)?;
    read.into_iter()
        .map(|(position, pairs)| Ok((position, ActionProbabilities::new(pairs)?)))
        .collect()
}

#[derive(Deserialize)]
struct ActionLine {
    action: u32,
    position: u32,
    reward: f64,
    propensity: f64,
    cluster: Option<u64>,
}

/// The lines of a log, each with the evaluation policy at its position.
fn logged<'a>(
    log: &str,
    policies: &'a Policies,
) -> Outcome<impl Iterator<Item = Outcome<(LoggedAction, &'a ActionProbabilities)>>> {
    let with_policy = |(line, row): (Outcome<ActionLine>, u64)| {
        let line = line?;
        let policy = policies.get(&line.position).ok_or("a position without a policy")?;
        let evaluation = policy.of(line.action);
        let one = Observation::new(line.reward, line.propensity, evaluation)?.at(line.position);
        let observation = line.cluster.map_or(one, |cluster| one.of(cluster));
        Ok((LoggedAction { observation, action: line.action, row }, policy))
    };
    Ok(lines(log)?.zip(0..).map(with_policy))
}

fn actions(
    log: &str,
    policies: &Policies,
    mut tables: OutcomeTables,
    clip: Clip,
) -> Outcome<Value> {
    let (mut ips, mut weights) = (Ips::new(clip), Weights::new(clip));
    for line in logged(log, policies)? {
        let (action, _) = line?;
        ips.observe(&action.observation);
        weights.observe(&action.observation);
        tables.observe(&action);
    }
    let model = tables.fit()?;
    let mut robust = DoublyRobust::new(&model, clip);
    for line in logged(log, policies)? {
        let (action, policy) = line?;
        robust.observe(&action, policy)?;
    }
    let usual = Confidence::USUAL;
    let estimates = [
        ("ips", ips.horvitz_thompson(usual)?),
        ("snips", ips.self_normalised(usual)?),
        ("dr", robust.estimate(usual)?),
    ];
    Ok(json!({
        "logged": ips.logged(usual)?,
        "estimates": BTreeMap::from(estimates),
        "direct": robust.direct(),
        "weights": weights.summary(usual)?,
        "refused": refused(&estimates, &[&weights; 3])?,
    }))
}

#[derive(Deserialize)]
struct SlateLine {
    positions: Vec<(f64, f64, f64)>,
    cluster: Option<u64>,
}

fn slates(log: &str, clip: Clip) -> Outcome<Value> {
    let mut found = SlateIps::new(clip);
    for line in lines::<SlateLine>(log)? {
        let line = line?;
        let shown = |(reward, propensity, evaluation)| Shown { reward, propensity, evaluation };
        let positions: Vec<Shown> = line.positions.into_iter().map(shown).collect();
        found.observe(&Slate::new(&positions, line.cluster)?);
    }
    let usual = Confidence::USUAL;
    let estimates = [
        ("independent", found.independent(usual)?),
        ("reward_interaction", found.reward_interaction(usual)?),
        ("standard", found.standard(usual)?),
    ];
    let weights =
        [found.independent_weights(), found.reward_interaction_weights(), found.standard_weights()];
    Ok(json!({
        "logged": found.logged(usual)?,
        "estimates": BTreeMap::from(estimates),
        "refused": refused(&estimates, &weights)?,
    }))
}

/// By the usual options, the reasons against each estimate.
fn refused(estimates: &[(&str, Estimate); 3], weights: &[&Weights; 3]) -> Outcome<Value> {
    let params = RefusalOptions::default().check()?;
    let mut reasons = BTreeMap::new();
    for ((name, estimate), weights) in estimates.iter().zip(weights) {
        let summary = weights.summary(Confidence::USUAL)?;
        let against = refusals(estimate, &summary, None, &params);
        reasons.insert(*name, against.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
    Ok(json!(reasons))
}
