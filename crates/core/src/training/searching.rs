//! Choosing hyper-parameters for a run: where the search looks, and what it is made on.

use jiff::Timestamp;

use super::TrainingInput;
use crate::entities::consent::{ConsentContext, ConsentedHistory};
use crate::evidence::items::ItemIndex;
use crate::evidence::people_index::Histories;
use crate::evidence::scaling::EvidenceScaling;
use crate::maths::als::AlsOptions;
use crate::model::{Manifest, Model};
use crate::training::tuning::{
    Candidate, EvidenceTable, Interrupted, Reach, Search, SearchSpace, Tuner, Validation,
    longest_for,
};

/// Most people, about, who a search is made on: its memory and its time are then
/// bounded, and what is best for so many is best for more.
const MOST_SEARCHED: usize = 100_000;
/// By which share of its events a champion's data may differ from a run's for a short search.
const BARELY_CHANGED: f64 = 0.2;

/// What a run knows before it searches.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The items.
    pub(super) index: &'a ItemIndex,
    /// The instant from which on events are held out.
    pub(super) split_at: Option<Timestamp>,
    /// Events after cleaning.
    pub(super) kept: u64,
}

/// Searches for hyper-parameters on what came before the split, so that the
/// run's own evaluation is of events that had no part in the choice.
pub(super) fn search(
    tuner: &mut dyn Tuner,
    input: &TrainingInput,
    histories: &Histories<'_>,
    known: Known<'_>,
) -> Result<Search, Interrupted> {
    let definitions = &input.definitions;
    let mut evidence = EvidenceTable::default();
    let step = histories.len().div_ceil(MOST_SEARCHED).max(1);
    for (ledger, history) in histories.iter().step_by(step) {
        let context = ConsentContext { ledger, definitions, now: input.now };
        for group in ConsentedHistory::for_training(&history, context) {
            let group = match known.split_at {
                Some(instant) => group.before(instant),
                None => group,
            };
            evidence.push(&group, definitions, known.index);
        }
    }
    let validation = Validation { evidence, index: known.index, definitions };
    let champion = input.champion.as_deref().map(Model::manifest);
    let (base, reach) = beginning(*input.params.options(), champion, known);
    let rows = histories.len() + known.index.len();
    let longest = longest_for(rows);
    let space = SearchSpace { longest, ..SearchSpace::of(base, reach, definitions) };
    tuner.tune(space, &mut |candidate, fidelity| validation.score(candidate, fidelity))
}

/// What a search begins with, and how far from there it looks: from what the champion
/// was made with, and near by when it was made from about the same events.
fn beginning(own: AlsOptions, champion: Option<&Manifest>, known: Known<'_>) -> (Candidate, Reach) {
    let Some(champion) = champion else {
        let evidence = EvidenceScaling::default();
        return (Candidate { options: own, evidence }, Reach::Wide);
    };
    let found = champion.options;
    let options = AlsOptions {
        unobserved_weight: found.unobserved_weight,
        regularisation: found.regularisation,
        frequency_exponent: found.frequency_exponent,
        ..own
    };
    let fixed = AlsOptions::default();
    // Nobody chose these for the data: they say nothing of where to look.
    let is_chosen = found.unobserved_weight != fixed.unobserved_weight
        || found.regularisation != fixed.regularisation;
    let (events, before) = (known.kept as f64, champion.events as f64);
    let domains = champion.domains.iter().map(|table| &table.domain);
    let is_alike = (events - before).abs() <= BARELY_CHANGED * before
        && known.index.ranges().keys().eq(domains);
    let reach = if is_chosen && is_alike { Reach::Near } else { Reach::Wide };
    (Candidate { options, evidence: champion.evidence.clone() }, reach)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decode_manifest;
    use crate::model::tests::{encode, parts};

    /// A champion's manifest, made from so many events with this weight.
    fn champion(events: u64, unobserved_weight: f32) -> Manifest {
        let artefact = encode(&parts());
        let mut manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
        (manifest.events, manifest.options.unobserved_weight) = (events, unobserved_weight);
        manifest.options.factors = 3;
        manifest
    }

    #[test]
    fn a_search_begins_with_the_champion_and_is_short_where_its_data_barely_changed() {
        let sections = parts().sections;
        let index = &sections.index;
        let known = Known { index, split_at: None, kept: 1_000 };
        let own = AlsOptions { factors: 9, ..AlsOptions::default() };
        let (base, reach) = beginning(own, None, known);
        assert_eq!((base.options, reach), (own, Reach::Wide));
        let (base, reach) = beginning(own, Some(&champion(900, 0.01)), known);
        assert_eq!((base.options.unobserved_weight, base.options.factors), (0.01, 9));
        assert_eq!(reach, Reach::Near);
        let (_, reach) = beginning(own, Some(&champion(500, 0.01)), known);
        assert_eq!(reach, Reach::Wide, "the data changed");
        let fixed = champion(900, own.unobserved_weight);
        let regularisation = own.regularisation;
        let fixed = Manifest { options: AlsOptions { regularisation, ..fixed.options }, ..fixed };
        assert_eq!(beginning(own, Some(&fixed), known).1, Reach::Wide, "nobody chose these");
    }
}
