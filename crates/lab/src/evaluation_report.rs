//! What `evaluate` prints.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use anyhow::Result;
use crossfold_core::entities::counted::of;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::bootstrap::Interval;
use crossfold_core::maths::measure::{BucketEvaluation, Intervals, Metrics};
use crossfold_core::training::mixing::{MixtureChoice, MixtureReport, MixtureVerdict};
use serde::Serialize;

use crate::ranker_text::{fit_text, ranker_text};
use crate::seed_variation::SeedVariation;

/// What mixtures are chosen by.
const METRIC: &str = "ndcg@20";

/// Figures of one evaluation.
#[derive(Serialize)]
pub(crate) struct EvaluationReport {
    /// People measured.
    pub(crate) people: usize,
    /// Of what is served to them: by the factors, or by a mixture of rankers.
    pub(crate) metrics: Metrics,
    /// Of the factors alone, as these people were trained.
    pub(crate) factors: Metrics,
    /// Of the factors alone, these people folded in from their history.
    pub(crate) fold_in: Metrics,
    /// Of simpler methods on the same people, by name.
    pub(crate) baselines: BTreeMap<&'static str, Metrics>,
    /// Seconds of the final fit, without reading and without choosing hyper-parameters.
    pub(crate) fit_seconds: f64,
    /// Peak memory of the whole process.
    pub(crate) peak_rss_mb: Option<f64>,
    /// What the factors were fitted with.
    pub(crate) hyperparameters: AlsOptions,
    /// What else was measured.
    #[serde(flatten)]
    pub(crate) details: EvaluationDetails,
}

/// Figures beyond the metrics' means.
#[derive(Serialize)]
pub(crate) struct EvaluationDetails {
    /// Seconds that choosing hyper-parameters took.
    pub(crate) choice_seconds: f64,
    /// Whether that ended with its budget of time, before everything was tried.
    pub(crate) choice_cut_short: bool,
    /// Seconds that choosing rankers took.
    pub(crate) mixing_seconds: f64,
    /// What ranks the items, with what was tried.
    pub(crate) rankings: Vec<MixtureReport>,
    /// Main metrics of what is served, with bootstrap intervals over people.
    pub(crate) intervals: Intervals,
    /// What is served minus popularity, paired by person.
    pub(crate) lift: Intervals,
    /// The lists that are served as a whole.
    pub(crate) lists: Metrics,
    /// Popularity's lists as a whole.
    pub(crate) popularity_lists: Metrics,
    /// The same people by how much was known of them.
    pub(crate) buckets: Vec<BucketEvaluation>,
    /// How metrics of the factors alone vary with the seed, when several were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seeds: Option<SeedVariation>,
}

fn plain(of: &Interval) -> String {
    format!("{:.4} [{:.4}, {:.4}]", of.mean, of.low, of.high)
}

fn signed(of: &Interval) -> String {
    format!("{:+.4} [{:+.4}, {:+.4}]", of.mean, of.low, of.high)
}

/// What was tried of rankers, and what serves.
fn write_ranking(f: &mut fmt::Formatter<'_>, found: &MixtureReport) -> fmt::Result {
    let choosing = of(found.choosing_people as u64, "person");
    if !found.tried.is_empty() {
        writeln!(
            f,
            "each ranker alone, ndcg@20 of items held out once more, of {choosing} who choose:"
        )?;
    }
    for ranker in &found.tried {
        writeln!(f, "  {:.4}  {}", ranker.choosing, ranker_text(&ranker.ranker))?;
    }
    let (over, judging) = (signed(&found.over_factors), of(found.judging_people as u64, "person"));
    match found.verdict {
        MixtureVerdict::Served => {
            writeln!(
                f,
                "the mixture serves: better than the factors alone by {over}, judged by {judging} who chose nothing"
            )?;
        }
        MixtureVerdict::NotBetter if found.over_factors.high < 0.0 => {
            writeln!(
                f,
                "the factors serve: the mixture is worse beyond doubt, {over} over them, judged by {judging} who chose nothing"
            )?;
        }
        MixtureVerdict::NotBetter => {
            writeln!(
                f,
                "the factors serve: the mixture is not better beyond doubt, {over} over them, judged by {judging} who chose nothing"
            )?;
        }
        MixtureVerdict::NoRoom | MixtureVerdict::NotFitted | MixtureVerdict::NotPersonal => {
            writeln!(
                f,
                "the mixture is better than the factors alone by {over}, and does not serve: {}",
                why_it_does_not(found.verdict)
            )?;
        }
        MixtureVerdict::TooFewPeople => {
            return writeln!(
                f,
                "the factors serve: too few people have enough to choose a mixture and to judge it by"
            );
        }
    }
    found.chosen.iter().try_for_each(|choice| write_shares(f, choice))
}

fn why_it_does_not(verdict: MixtureVerdict) -> &'static str {
    match verdict {
        MixtureVerdict::NoRoom => "there is no room left for its weights",
        MixtureVerdict::NotPersonal => "popularity is better than both",
        _ => "its weights could not be made from everything",
    }
}

fn write_shares(f: &mut fmt::Formatter<'_>, choice: &MixtureChoice) -> fmt::Result {
    writeln!(f, "shares of rankers in that mixture, for who likes 1-2, 3-9, 10+ items:")?;
    for (at, ranker) in choice.rankers.iter().enumerate() {
        let share = |shares: &Vec<f32>| shares.get(at).copied().unwrap_or_default();
        let shares = choice.shares.iter().map(|shares| format!("{:.2}", share(shares)));
        let shares: Vec<String> = shares.collect();
        writeln!(f, "  {}  {}", shares.join("   "), ranker_text(ranker))?;
    }
    Ok(())
}

impl Display for EvaluationDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.choice_cut_short {
            writeln!(
                f,
                "the search for hyper-parameters ended after {:.0} s, before everything was tried: \
                 another machine may choose otherwise",
                self.choice_seconds
            )?;
        }
        writeln!(f, "rankers chosen in {:.1} s", self.mixing_seconds)?;
        self.rankings.iter().try_for_each(|found| write_ranking(f, found))?;
        writeln!(f, "what is served, means over people with 95% intervals; minus popularity:")?;
        for (name, interval) in &self.intervals {
            let lift = self.lift.get(name).map(signed).unwrap_or_default();
            writeln!(f, "{name:<14}{:>26}{lift:>30}", plain(interval))?;
        }
        writeln!(f, "lists that are served as a whole; popularity's:")?;
        for (name, value) in &self.lists {
            let popular = self.popularity_lists.get(name).unwrap_or(&f64::NAN);
            writeln!(f, "{name:<14}{value:>14.4}{popular:>14.4}")?;
        }
        writeln!(
            f,
            "what is served by interactions known of a person, ndcg@20; minus popularity:"
        )?;
        for bucket in &self.buckets {
            let to = bucket.to.map_or("+".to_owned(), |to| format!("-{to}"));
            let ndcg = |intervals: &Intervals| intervals.get("ndcg@20").copied();
            let model = ndcg(&bucket.metrics).as_ref().map(plain).unwrap_or_default();
            let lift = ndcg(&bucket.lift).as_ref().map(signed).unwrap_or_default();
            let (name, people) =
                (format!("{}{to}", bucket.from), of(bucket.people as u64, "person"));
            writeln!(f, "{name:<8}{people:>13}{model:>26}{lift:>30}")?;
        }
        let Some(seeds) = &self.seeds else { return Ok(()) };
        writeln!(f, "the factors alone over {} seeds, 95% intervals of the mean:", seeds.fits)?;
        for (name, interval) in &seeds.metrics {
            writeln!(f, "{name:<14}{:>26}", plain(interval))?;
        }
        Ok(())
    }
}

impl Display for EvaluationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut columns: Vec<(&str, &Metrics)> = vec![
            ("served", &self.metrics),
            ("factors", &self.factors),
            ("folded in", &self.fold_in),
        ];
        columns.extend(self.baselines.iter().map(|(name, metrics)| (*name, metrics)));
        write!(f, "{:<14}", of(self.people as u64, "person"))?;
        columns.iter().try_for_each(|(name, _)| write!(f, "{name:>14}"))?;
        writeln!(f)?;
        for name in self.metrics.keys() {
            write!(f, "{name:<14}")?;
            for (_, metrics) in &columns {
                write!(f, "{:>14.4}", metrics.get(name).unwrap_or(&f64::NAN))?;
            }
            writeln!(f)?;
        }
        let memory = self.peak_rss_mb.map_or(String::new(), |mb| format!(", peak {mb} MB"));
        let fit = fit_text(&self.hyperparameters);
        writeln!(f, "fit {:.2} s{memory}: {fit}", self.fit_seconds)?;
        if self.is_of_other_items_than_chosen_by() {
            writeln!(
                f,
                "of what is held out here the factors alone find more than what is served: the \
                 mixture was chosen by other items (the last that people took where the file has \
                 times, else any), and what is held out is something else: give times if there are any"
            )?;
        }
        self.details.fmt(f)
    }
}

impl EvaluationReport {
    /// Whether a mixture serves that was better where it was chosen, and is worse here.
    fn is_of_other_items_than_chosen_by(&self) -> bool {
        let serves = self.details.rankings.iter().any(|found| found.served().is_some());
        let (factors, served) = (self.factors.get(METRIC), self.details.intervals.get(METRIC));
        serves && factors.zip(served).is_some_and(|(factors, served)| *factors > served.high)
    }

    /// Prints it as text, or as JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        match json {
            true => println!("{}", serde_json::to_string_pretty(self)?),
            false => print!("{self}"),
        }
        Ok(())
    }
}
