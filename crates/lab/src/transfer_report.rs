//! What `evaluate-transfer` prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::time::Instant;

use anyhow::Result;
use crossfold_core::entities::counted::{of, were};
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::bootstrap::Interval;
use crossfold_core::maths::measure::Metrics;
use crossfold_core::model::bridges::BridgeKind;
use crossfold_core::training::bridging::candidates::Candidate;
use crossfold_core::training::bridging::gate::DirectionReport;
use crossfold_core::training::bridging::measures::METRIC;
use serde::Serialize;
use serde_json::Value;

use crate::bridge_text::verdict_text;
use crate::ranker_text::fit_text;
use crate::transfer_data::TransferData;

/// A kind of bridge on the cold people.
#[derive(Serialize)]
pub(crate) struct ColdFigures {
    pub(crate) kind: BridgeKind,
    pub(crate) candidate: Candidate,
    pub(crate) metrics: Metrics,
    /// NDCG@20 less that of popularity.
    pub(crate) over_popularity: Interval,
}

/// People who were named and cannot be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct NotMeasured {
    /// Those in neither file.
    pub(crate) unknown: usize,
    /// Those in one file alone.
    pub(crate) in_one_file: usize,
}

impl NotMeasured {
    /// Those of these users.
    pub(crate) fn of(data: &TransferData, users: &BTreeSet<String>) -> Self {
        let is_known = data.are_among(users);
        let known = is_known.iter().filter(|known| **known).count();
        let linked = data.linked().into_iter().filter(|row| is_known[*row]).count();
        Self { unknown: users.len() - known, in_one_file: known - linked }
    }

    /// How many they are.
    pub(crate) fn people(self) -> usize {
        self.unknown + self.in_one_file
    }
}

impl Display for NotMeasured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unknown, one) =
            (were(self.unknown as u64, "id"), were(self.in_one_file as u64, "person"));
        write!(f, "{unknown} found in neither file, {one} found in one of them alone")
    }
}

/// Given people, cold in the target.
#[derive(Serialize)]
pub(crate) struct TransferReport {
    pub(crate) cold_people: usize,
    /// Those who were named beside them.
    pub(crate) not_measured: NotMeasured,
    /// NDCG@20 of popularity on the cold people.
    pub(crate) popularity: f64,
    /// NDCG@20 of what the gate lets be served to them.
    pub(crate) served: f64,
    pub(crate) served_interval: Interval,
    pub(crate) options: AlsOptions,
    pub(crate) cold: Vec<ColdFigures>,
    /// Pairs of items that look alike; left out everywhere.
    pub(crate) look_alikes: usize,
    pub(crate) gate: DirectionReport,
    pub(crate) peak_rss_mb: Option<f64>,
}

/// A method on everyone who was held out in some fold.
#[derive(Serialize)]
pub(crate) struct PooledFigures {
    pub(crate) ndcg: Interval,
    pub(crate) over_popularity: Interval,
    pub(crate) over_target_only: Interval,
}

/// The kind with the highest mean.
#[derive(Serialize)]
pub(crate) struct BestKind {
    pub(crate) kind: BridgeKind,
    /// Its advantage over each other kind, on the same people.
    pub(crate) over: BTreeMap<BridgeKind, Interval>,
}

/// Everyone who has both domains, by folds.
#[derive(Serialize)]
pub(crate) struct FoldsReport {
    pub(crate) people: usize,
    /// People who stayed linked, if not all.
    pub(crate) links: Option<usize>,
    pub(crate) folds: usize,
    /// Folds in which the gate let a bridge be served.
    pub(crate) folds_served: usize,
    pub(crate) popularity: Interval,
    pub(crate) target_only: Interval,
    pub(crate) candidates: BTreeMap<BridgeKind, PooledFigures>,
    pub(crate) against: Option<BestKind>,
    /// What the gate let be served, which is popularity where it refused.
    pub(crate) served: PooledFigures,
    pub(crate) peak_rss_mb: Option<f64>,
}

/// How often the gate was right.
#[derive(Serialize)]
pub(crate) struct ResamplingReport {
    pub(crate) resamplings: usize,
    pub(crate) are_links_shuffled: bool,
    /// Times a bridge was let through: false where links are shuffled.
    pub(crate) served: usize,
    /// Times none was: false where the gain's interval lies above zero.
    pub(crate) refused: usize,
    /// What the chosen candidates add to popularity on all people held out.
    pub(crate) gain: Interval,
    pub(crate) peak_rss_mb: Option<f64>,
}

fn are(count: usize, word: &str) -> String {
    format!("{} {}", of(count as u64, word), if count == 1 { "is" } else { "are" })
}

fn have(people: usize) -> String {
    format!("{} {}", of(people as u64, "person"), if people == 1 { "has" } else { "have" })
}

fn had_target(people: usize) -> String {
    format!("of {} the target history was", of(people as u64, "person"))
}

fn pairs_look(pairs: usize) -> String {
    format!("{} of items {}", of(pairs as u64, "pair"), if pairs == 1 { "looks" } else { "look" })
}

fn signed(i: &Interval) -> String {
    format!("{:+.4} [{:+.4}, {:+.4}]", i.mean, i.low, i.high)
}

fn plain(i: &Interval) -> String {
    format!("{:.4} [{:.4}, {:.4}]", i.mean, i.low, i.high)
}

/// As JSON with the seconds it took.
fn print_json(report: &impl Serialize, started: Instant) -> Result<()> {
    let mut json = serde_json::to_value(report)?;
    json["seconds"] = Value::from(started.elapsed().as_secs_f64());
    println!("{}", serde_json::to_string_pretty(&json)?);
    Ok(())
}

fn print_cost(peak_rss_mb: Option<f64>, started: Instant) {
    let memory = peak_rss_mb.map_or(String::new(), |mb| format!(", peak {mb} MB"));
    println!("{:.1} s{memory}", started.elapsed().as_secs_f64());
}

impl TransferReport {
    pub(crate) fn print(&self, json: bool, started: Instant) -> Result<()> {
        if json {
            return print_json(self, started);
        }
        let gate = &self.gate;
        println!(
            "{} both domains beside the cold people; {} hidden once to judge bridges by, with settings that others chose; {} alike",
            have(gate.people),
            had_target(gate.judging_people),
            pairs_look(self.look_alikes)
        );
        println!(
            "\nndcg@20      chosen  judged  over popularity {:.4}      over target-only {:.4}     cold people",
            gate.popularity, gate.target_only
        );
        for figures in &gate.candidates {
            let cold = self.cold.iter().find(|cold| cold.kind == figures.candidate.kind());
            println!(
                "{:<12} {:.4}  {:.4}  {}  {}  {:.4}",
                format!("{:?}", figures.candidate.kind()),
                figures.choosing,
                figures.judging.mean,
                signed(&figures.over_popularity),
                signed(&figures.over_target_only),
                cold.map_or(f64::NAN, |cold| cold.metrics[METRIC]),
            );
        }
        if let Some(why) = &gate.cross_block_refused {
            println!("no cross block: {why}");
        }
        println!("\nthe gate: {}", verdict_text(&gate.verdict));
        if self.not_measured.people() > 0 {
            println!("named and not measured: {}", self.not_measured);
        }
        println!(
            "{} served ndcg@20 {} (popularity {:.4})",
            are(self.cold_people, "cold person"),
            plain(&self.served_interval),
            self.popularity
        );
        for cold in &self.cold {
            println!(
                "{:?}: recall@20 {:.4}, ndcg@10 {:.4}, over popularity {}; {}",
                cold.kind,
                cold.metrics["recall@20"],
                cold.metrics["ndcg@10"],
                signed(&cold.over_popularity),
                serde_json::to_string(&cold.candidate)?,
            );
        }
        println!("fitted with {}", fit_text(&self.options));
        print_cost(self.peak_rss_mb, started);
        Ok(())
    }
}

impl FoldsReport {
    pub(crate) fn print(&self, json: bool, started: Instant) -> Result<()> {
        if json {
            return print_json(self, started);
        }
        println!(
            "{} people have both, held out in {} folds; a bridge is served in {} of them",
            self.people, self.folds, self.folds_served
        );
        println!(
            "\nndcg@20      mean                      over popularity             over target-only"
        );
        println!("{:<12} {}", "popularity", plain(&self.popularity));
        println!("{:<12} {}", "target-only", plain(&self.target_only));
        let kinds = self.candidates.iter().map(|(kind, figures)| (format!("{kind:?}"), figures));
        for (name, figures) in kinds.chain([("served".to_owned(), &self.served)]) {
            println!(
                "{name:<12} {}  {}  {}",
                plain(&figures.ndcg),
                signed(&figures.over_popularity),
                signed(&figures.over_target_only)
            );
        }
        if let Some(BestKind { kind, over }) = &self.against {
            for (other, interval) in over {
                println!("{kind:?} over {other:?}: {}", signed(interval));
            }
        }
        print_cost(self.peak_rss_mb, started);
        Ok(())
    }
}

impl ResamplingReport {
    pub(crate) fn print(&self, json: bool, started: Instant) -> Result<()> {
        if json {
            return print_json(self, started);
        }
        let links = if self.are_links_shuffled { "shuffled links" } else { "links as they are" };
        println!(
            "{} resamplings, {links}: a bridge was served {} times, refused {} times",
            self.resamplings, self.served, self.refused
        );
        println!("the chosen candidates over popularity: {}", signed(&self.gain));
        print_cost(self.peak_rss_mb, started);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planted_world::{PlantedWorld, planted};

    #[test]
    fn who_is_named_and_cannot_be_measured_is_counted() {
        let data = planted(PlantedWorld { linked: 4, in_common: 1.0, seed: 1 });
        let users = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let linked = data.people[data.linked()[0]].user.clone();
        let alone = data.people.iter().find(|person| person.target.is_empty());
        let alone = alone.map(|person| person.user.clone()).unwrap_or_default();
        let named = users(&[&linked, &alone, "nobody", "no one"]);
        let found = NotMeasured::of(&data, &named);
        assert_eq!(found, NotMeasured { unknown: 2, in_one_file: 1 });
        assert_eq!(
            found.to_string(),
            "2 ids were found in neither file, 1 person was found in one of them alone"
        );
        assert_eq!(NotMeasured::of(&data, &users(&[&linked])).people(), 0);
    }
}
