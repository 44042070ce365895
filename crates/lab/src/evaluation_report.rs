//! What `evaluate` and `evaluate-transfer` print.

use std::collections::BTreeMap;

use anyhow::Result;
use crossfold_core::maths::bootstrap::Interval;
use crossfold_core::maths::measure::{BucketEvaluation, Intervals, Metrics};
use crossfold_core::training::mixing::MixtureReport;
use serde::Serialize;
use serde_json::Value;

use crate::seed_variation::SeedVariation;

/// Figures of one evaluation.
#[derive(Serialize)]
pub(crate) struct EvaluationReport {
    /// People measured.
    pub(crate) people: usize,
    /// The model's figures.
    pub(crate) metrics: Metrics,
    /// Figures of simpler methods on the same people, by name.
    pub(crate) baselines: BTreeMap<&'static str, Metrics>,
    /// The same people as they are served: by the factors, or by a mixture of rankers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) served: Option<Metrics>,
    /// The same people folded in from their history instead of trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fold_in: Option<Metrics>,
    /// Seconds of the final fit, without reading and without choosing hyper-parameters.
    pub(crate) fit_seconds: f64,
    /// Peak memory of the whole process.
    pub(crate) peak_rss_mb: Option<f64>,
    /// What the model was fitted with.
    pub(crate) hyperparameters: Value,
    /// What else was measured.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<EvaluationDetails>,
}

/// Figures beyond the metrics' means.
#[derive(Serialize)]
pub(crate) struct EvaluationDetails {
    /// Seconds that choosing hyper-parameters took.
    pub(crate) choice_seconds: f64,
    /// Seconds that choosing rankers took.
    pub(crate) mixing_seconds: f64,
    /// NDCG@20 of what is served, with its bootstrap interval over people.
    pub(crate) served_interval: Interval,
    /// What ranks the items, with what was tried.
    pub(crate) rankings: Vec<MixtureReport>,
    /// The model's main metrics with bootstrap intervals over people.
    pub(crate) intervals: Intervals,
    /// Model minus popularity, paired by person.
    pub(crate) lift: Intervals,
    /// The model's lists as a whole.
    pub(crate) lists: Metrics,
    /// Popularity's lists as a whole.
    pub(crate) popularity_lists: Metrics,
    /// The same people by how much was known of them.
    pub(crate) buckets: Vec<BucketEvaluation>,
    /// How metrics vary with the seed, when several were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seeds: Option<SeedVariation>,
}

impl EvaluationDetails {
    fn print(&self) {
        let range = |of: &Interval| format!("{:.4} [{:.4}, {:.4}]", of.mean, of.low, of.high);
        println!(
            "served: ndcg@20 {}; rankers chosen in {:.1} s:",
            range(&self.served_interval),
            self.mixing_seconds
        );
        for found in &self.rankings {
            for ranker in &found.tried {
                let name = serde_json::to_string(&ranker.ranker).unwrap_or_default();
                println!("  {:.4} alone  {name}", ranker.choosing);
            }
            let over = range(&found.over_factors);
            println!("  mixture over factors {over}: {:?}", found.verdict);
            if let Some(choice) = &found.chosen {
                println!("  chosen, with shares by 1-2, 3-9, 10+ items liked:");
                for (at, ranker) in choice.rankers.iter().enumerate() {
                    let name = serde_json::to_string(ranker).unwrap_or_default();
                    let shares: Vec<f32> = choice.shares.iter().map(|of| of[at]).collect();
                    println!("  {shares:.2?}  {name}");
                }
            }
        }
        println!("means over people with 95% intervals; model minus popularity:");
        for (name, interval) in &self.intervals {
            let lift = self.lift.get(name).map(range).unwrap_or_default();
            println!("{name:<14}{:>26}{lift:>28}", range(interval));
        }
        println!("lists as a whole; popularity's:");
        for (name, value) in &self.lists {
            let popular = self.popularity_lists.get(name).unwrap_or(&f64::NAN);
            println!("{name:<14}{value:>14.4}{popular:>14.4}");
        }
        println!("by interactions known of a person, ndcg@20; model minus popularity:");
        for bucket in &self.buckets {
            let to = bucket.to.map_or("+".to_owned(), |to| format!("-{to}"));
            let of =
                |intervals: &Intervals| intervals.get("ndcg@20").map(range).unwrap_or_default();
            let name = format!("{}{to}", bucket.from);
            let (model, lift) = (of(&bucket.metrics), of(&bucket.lift));
            println!("{name:<8}{:>6} people{model:>26}{lift:>28}", bucket.people);
        }
        if let Some(seeds) = &self.seeds {
            println!("over {} seeds, with 95% intervals of the mean:", seeds.fits);
            for (name, interval) in &seeds.metrics {
                println!("{name:<14}{:>26}", range(interval));
            }
        }
    }
}

impl EvaluationReport {
    /// Prints it as text, or as JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        let mut columns: Vec<(&str, &Metrics)> = vec![("model", &self.metrics)];
        columns.extend(self.served.iter().map(|metrics| ("served", metrics)));
        columns.extend(self.fold_in.iter().map(|metrics| ("folded in", metrics)));
        columns.extend(self.baselines.iter().map(|(name, metrics)| (*name, metrics)));
        print!("{:<14}", format!("{} people", self.people));
        columns.iter().for_each(|(name, _)| print!("{name:>14}"));
        println!();
        for name in self.metrics.keys() {
            print!("{name:<14}");
            columns.iter().for_each(|(_, m)| print!("{:>14.4}", m.get(name).unwrap_or(&f64::NAN)));
            println!();
        }
        let memory = self.peak_rss_mb.map_or(String::new(), |mb| format!(", peak {mb} MB"));
        println!("fit {:.2} s{memory}; {}", self.fit_seconds, self.hyperparameters);
        self.details.iter().for_each(EvaluationDetails::print);
        Ok(())
    }
}
