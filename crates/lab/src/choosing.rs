//! Choosing the hyper-parameters of a fit, on the training people alone, by the search that a
//! training run makes: over the same hyper-parameters, though not over how evidence is weighed, of
//! which files tell nothing, and on any held-out items, not the newest.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use crossfold_core::evidence::items::DomainRanges;
use crossfold_core::evidence::scaling::EvidenceScaling;
use crossfold_core::maths::als::AlsParams;
use crossfold_core::maths::sparse::SparseRows;
use crossfold_core::training::tuning::{
    Candidate, Ending, Reach, Search, SearchSpace, Tuned, TuningRequest, longest_for,
    score_interactions,
};

use crate::args::FitArgs;
use crate::progress;

/// Hyper-parameters that were chosen.
pub(crate) struct Chosen {
    pub(crate) params: AlsParams,
    /// Whether the search ended with its budget of time: with more, or on another machine, it may
    /// choose otherwise.
    pub(crate) was_cut_short: bool,
}

/// Searches for what is not given.
///
/// # Errors
/// When a given hyper-parameter is out of range.
pub(crate) fn choose(train: &SparseRows, ranges: &DomainRanges, args: &FitArgs) -> Result<Chosen> {
    let given = args.options();
    let tuned = Tuned {
        factors: args.factors.is_none(),
        unobserved_weight: args.unobserved_weight.is_none(),
        regularisation: args.regularisation.is_none(),
    };
    if !tuned.unobserved_weight && !tuned.regularisation {
        return Ok(Chosen { params: given.check()?, was_cut_short: false });
    }
    given.check()?;
    let space = SearchSpace {
        base: Candidate { options: given, evidence: EvidenceScaling::default() },
        tuned,
        reach: Reach::Wide,
        longest: longest_for(train.rows() + train.columns()),
        event_types: BTreeMap::new(),
    };
    let mut search = Search::new(TuningRequest::default(), &space, None)?;
    let bar = progress::bar("choosing hyper-parameters", search.progress().1 as u64);
    while let Some(task) = search.begin() {
        let started = Instant::now();
        let candidate = &search.candidates[task.candidate];
        let score = score_interactions(train, ranges, candidate, &task.fidelity);
        search.finish(task, score, started.elapsed().as_secs_f64());
        bar.set_position(search.progress().0 as u64);
    }
    bar.finish_and_clear();
    let params = search.chosen_candidate().options.check()?;
    Ok(Chosen { params, was_cut_short: search.ended != Some(Ending::Complete) })
}
