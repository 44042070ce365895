//! What `evaluate` and `evaluate-transfer` print.

use std::collections::BTreeMap;

use anyhow::Result;
use crossfold_core::evaluation::Metrics;
use serde::Serialize;
use serde_json::Value;

/// Figures of one evaluation.
#[derive(Serialize)]
pub(crate) struct EvaluationReport {
    /// People measured.
    pub(crate) people: usize,
    /// The model's figures.
    pub(crate) metrics: Metrics,
    /// Figures of simpler methods on the same people, by name.
    pub(crate) baselines: BTreeMap<&'static str, Metrics>,
    /// The same people folded in from their history instead of trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fold_in: Option<Metrics>,
    /// Seconds of the final fit, without reading and without choosing hyper-parameters.
    pub(crate) fit_seconds: f64,
    /// Peak memory of the whole process.
    pub(crate) peak_rss_mb: Option<f64>,
    /// What the model was fitted with.
    pub(crate) hyperparameters: Value,
}

impl EvaluationReport {
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        let mut columns: Vec<(&str, &Metrics)> = vec![("model", &self.metrics)];
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
        Ok(())
    }
}
