//! What is told of a search.

use serde::{Deserialize, Serialize};

use super::{Candidate, Ending, Search};
use crate::maths::als::AlsOptions;

/// A search as a training run reports it. How each candidate weighed the
/// evidence is left to the stored search; of the chosen one it is told here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuningReport {
    /// The number of the chosen candidate; 0 are the run's own options.
    pub chosen: usize,
    /// What it is.
    pub candidate: Candidate,
    /// Every candidate, by number.
    pub candidates: Vec<CandidateScores>,
    /// Why the search ended.
    pub ended: Option<Ending>,
    /// Seconds that evaluations took.
    pub seconds: f64,
    /// What they cost in US dollars, where a price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
}

/// One candidate's way through the search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateScores {
    /// Its hyper-parameters.
    pub options: AlsOptions,
    /// Mean NDCG@20 on what was held out, one for each rung it reached; empty
    /// where it could not be scored.
    pub scores: Vec<Option<f64>>,
}

impl From<&Search> for TuningReport {
    fn from(search: &Search) -> Self {
        let scores = |number: usize| {
            let trials = search.rungs.iter().flat_map(|rung| &rung.trials);
            let own = trials.filter(|trial| trial.candidate == number);
            own.map(|trial| trial.score.as_ref().map(|score| score.value)).collect()
        };
        let all = search.candidates.iter().enumerate();
        Self {
            chosen: search.chosen(),
            candidate: search.chosen_candidate().clone(),
            candidates: all
                .map(|(number, c)| CandidateScores { options: c.options, scores: scores(number) })
                .collect(),
            ended: search.ended,
            seconds: search.seconds,
            usd: search.usd(),
        }
    }
}
