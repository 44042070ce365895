//! Slates from a catalogue that is so large that not every item's score is worked out.

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::model::item_scores::Wanted;
use crate::serving::admit::admit;
use crate::serving::sources::{SourceInputs, bridges};

/// Beyond what is passed over in full.
const MANY: usize = 9_001;

fn large_model(seed: u64) -> Model {
    let keys = (0..MANY).map(|item| (knowledge(), item_id(item))).collect();
    let options = AlsOptions { factors: 12, ..AlsOptions::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut value = || rng.random_range(-1.0f32..1.0).powi(3);
    let mut factors = Array2::from_shape_simple_fn((MANY, 12), &mut value);
    // Many are equal: the order of ids and ages must decide as it would.
    for row in 0..MANY / 3 {
        let same = factors.row(row % 50).to_owned();
        factors.row_mut(row).assign(&same);
    }
    let popularity = (0..MANY).map(|row| 1.0 / (row + 1) as f32).collect();
    model::tests::model_of(ItemIndex::new(keys), options, factors, popularity, Bridges::none())
}

fn many_items() -> Vec<Item> {
    let item = |number: usize| Item {
        item_id: item_id(number),
        details: (!number.is_multiple_of(7))
            .then(|| items(&knowledge())[0].details.clone().unwrap()),
        updated_at: now() - jiff::SignedDuration::from_secs((number % 5) as i64),
        ..items(&knowledge())[0].clone()
    };
    (0..MANY).map(item).collect()
}

#[test]
fn a_slate_of_a_large_catalogue_has_the_best_of_all_scores_to_the_last_bit() {
    let mut compared = 0;
    for (seed, limit) in [(1, 1), (2, 10), (3, 100)] {
        let model = large_model(seed);
        let taken: Vec<usize> = (0..30).map(|at| (at * 277 + seed as usize) % MANY).collect();
        let history = History::new(did(knowledge(), &taken), []);
        let request = SlateRequest { limit, ..asking(knowledge(), knowledge()) };
        let items = many_items();
        let consents = ConsentLedger::default();
        let decided = slate_for(Some(&model), items.clone(), (&consents, &history), &request);
        let (user, definitions) = (the_user(), both_defined());
        let recipient =
            Recipient { user: &user, consents: &consents, history: &history, version: None };
        let asked = AdmittedRequest::new(&request, recipient, &definitions);
        let catalogues = catalogues_of(items, Some(&model));
        let target = &admit(&asked, &catalogues)[0];
        let inputs = SourceInputs::new(Some(&model), &definitions);
        let known = bridges::known(&model, &inputs, target);
        let exact = model.estimate(&knowledge(), &known).unwrap();
        let bounded = model.estimate_of(&knowledge(), &known, Wanted::TheBest).unwrap();
        assert!(bounded.bounded().is_some() && exact.bounded().is_none());
        assert_eq!(bounded.scores(), exact.scores());
        let snapshot = target.snapshot;
        let mut all: Vec<(f32, Timestamp, usize)> = snapshot
            .entries()
            .map(|(at, entry)| (exact.score(entry.row.unwrap()), entry.item.updated_at, at))
            .filter(|(.., at)| target.refusals.reasons()[*at].is_none())
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)));
        for (entry, (score, _, at)) in decided.decision.slate.iter().zip(all) {
            assert_eq!(entry.score.to_bits(), score.to_bits());
            assert_eq!(entry.item_id, snapshot.entry(at).item.item_id);
            compared += 1;
        }
    }
    assert_eq!(compared, 111);
}
