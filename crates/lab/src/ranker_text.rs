//! Rankers of a domain's items in words.

use crossfold_core::entities::counted;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::item_item::ConfidenceUse;
use crossfold_core::model::mixtures::item_item::ItemItemMethod;
use crossfold_core::model::mixtures::sequence::SequenceMethod;
use crossfold_core::training::mixing::RankerChoice;

/// What kind of ranker it is.
#[must_use]
pub fn kind_of(ranker: &RankerChoice) -> &'static str {
    match ranker {
        RankerChoice::Factors => "factors",
        RankerChoice::Popularity => "popularity",
        RankerChoice::RecentPopularity => "recent popularity",
        RankerChoice::ItemItem(ItemItemMethod::Ease(_)) => "items by regression on all others",
        RankerChoice::ItemItem(ItemItemMethod::LocalRidge(_)) => {
            "items by regression on the nearest"
        }
        RankerChoice::ItemItem(ItemItemMethod::Walk(_)) => "items by walks",
        RankerChoice::ItemItem(ItemItemMethod::Cosine(_)) => "items by shared people",
        RankerChoice::ItemItem(ItemItemMethod::NextItem(_)) => "items by what follows",
        RankerChoice::Sequence(_) => "a sequence model",
    }
}

/// The kinds of some rankers as a list, each kind once, with how many settings of it there
/// are where there are several.
#[must_use]
pub fn kinds_of(rankers: &[RankerChoice]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for kind in rankers.iter().map(kind_of) {
        match counted.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, settings)) => *settings += 1,
            None => counted.push((kind, 1)),
        }
    }
    let named = |(kind, settings): &(&str, usize)| match settings {
        1 => (*kind).to_owned(),
        settings => format!("{kind} ({settings} settings)"),
    };
    counted.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// A ranker with its settings, by which it is told from others of its kind.
#[must_use]
pub fn ranker_text(ranker: &RankerChoice) -> String {
    let kind = kind_of(ranker);
    match ranker {
        RankerChoice::Factors | RankerChoice::Popularity | RankerChoice::RecentPopularity => {
            kind.to_owned()
        }
        RankerChoice::Sequence(method) => format!("{kind}: {}", sequence_text(method)),
        RankerChoice::ItemItem(method) => {
            let counted = match values_of(method) {
                ConfidenceUse::Binary => "",
                ConfidenceUse::Saturated => ", confidences saturated",
                ConfidenceUse::Logarithmic => ", logarithms of confidences",
            };
            format!("{kind}: {}{counted}", settings_of(method))
        }
    }
}

fn sequence_text(method: &SequenceMethod) -> String {
    let of = method.params.options();
    let people = match method.every {
        1 => "everybody".to_owned(),
        every => format!("one person of {every}"),
    };
    format!(
        "{} numbers an item, {} of attention, the newest {} of a history, learned from {people} in {}",
        of.dimensions,
        counted::of(of.blocks as u64, "block"),
        of.length,
        counted::of(method.epochs as u64, "epoch"),
    )
}

/// What becomes of confidences; what goes by the order of items leaves them aside.
fn values_of(method: &ItemItemMethod) -> ConfidenceUse {
    match method {
        ItemItemMethod::Ease(params) => params.options().values,
        ItemItemMethod::LocalRidge(params) => params.options().values,
        ItemItemMethod::Walk(params) => params.options().values,
        ItemItemMethod::Cosine(params) => params.options().values,
        ItemItemMethod::NextItem(_) => ConfidenceUse::Binary,
    }
}

fn settings_of(method: &ItemItemMethod) -> String {
    match method {
        ItemItemMethod::Ease(params) => {
            let of = params.options();
            format!(
                "ridge {}, dropout {}, activity exponent {}, {} weights of an item kept",
                of.ridge, of.dropout, of.activity_exponent, of.kept
            )
        }
        ItemItemMethod::LocalRidge(params) => {
            let of = params.options();
            format!(
                "{} candidates, ridge {}, dropout {}, activity exponent {}, {} weights of an item kept",
                of.candidates, of.ridge, of.dropout, of.activity_exponent, of.kept
            )
        }
        ItemItemMethod::Walk(params) => {
            let of = params.options();
            format!("alpha {}, beta {}, {} weights of an item kept", of.alpha, of.beta, of.kept)
        }
        ItemItemMethod::Cosine(params) => {
            let of = params.options();
            format!(
                "saturation {}, length normalisation {}, exponent {}, shrinkage {}, {} weights of an item kept",
                of.saturation, of.length_normalisation, of.exponent, of.shrinkage, of.kept
            )
        }
        ItemItemMethod::NextItem(params) => {
            let of = params.options();
            format!(
                "ridge {}, past decay {}, future decay {}, {} weights of an item kept",
                of.ridge, of.past_decay, of.future_decay, of.kept
            )
        }
    }
}

/// The hyper-parameters of a fit, by the names that options have.
#[must_use]
pub fn fit_text(options: &AlsOptions) -> String {
    format!(
        "{} factors, {} iterations, unobserved weight {}, regularisation {}, frequency exponent {}, seed {}",
        options.factors,
        options.iterations,
        options.unobserved_weight,
        options.regularisation,
        options.frequency_exponent,
        options.seed
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use crossfold_core::maths::item_item::cosine::CosineOptions;
    use crossfold_core::maths::item_item::ease::EaseOptions;
    use crossfold_core::maths::sequence::SequenceOptions;

    use super::*;

    fn ease(ridge: f32) -> RankerChoice {
        let params = EaseOptions { ridge, ..EaseOptions::default() }.check().unwrap();
        RankerChoice::ItemItem(ItemItemMethod::Ease(params))
    }

    #[test]
    fn a_kind_is_named_once_however_many_settings_of_it_there_are() {
        let cosine = CosineOptions::default().check().unwrap();
        let cosine = RankerChoice::ItemItem(ItemItemMethod::Cosine(cosine));
        let rankers = [RankerChoice::Factors, ease(5.0), cosine, ease(50.0)];
        assert_eq!(
            kinds_of(&rankers),
            "factors, items by regression on all others (2 settings), items by shared people"
        );
        assert_eq!(kinds_of(&[]), "");
    }

    #[test]
    fn rankers_of_a_kind_are_told_apart_by_their_settings_in_words() {
        let (one, other) = (ranker_text(&ease(5.0)), ranker_text(&ease(50.0)));
        assert_ne!(one, other);
        assert!(one.starts_with("items by regression on all others: ridge 5, "), "{one}");
        assert!(!one.contains(['{', '_', '"']), "{one}");
        assert_eq!(ranker_text(&RankerChoice::Popularity), "popularity");
        let params = SequenceOptions::default().check().unwrap();
        let method = SequenceMethod { params, epochs: 1, newest: 51, every: 4 };
        assert_eq!(
            ranker_text(&RankerChoice::Sequence(method)),
            "a sequence model: 64 numbers an item, 2 blocks of attention, the newest 50 of a history, learned from one person of 4 in 1 epoch"
        );
    }
}
