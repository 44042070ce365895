//! What a person can and will spend moves no slate: neither its scores nor its reasons, whatever
//! they let be told of it.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

fn financial_decisions() -> impl Strategy<Value = Vec<ConsentDecision>> {
    let domains = || proptest::sample::select(vec![knowledge(), auto()]);
    let decided = (domains(), domains(), any::<bool>()).prop_map(|(from, to, granted)| {
        let purpose = Purpose::FinancialProfiling;
        ConsentDecision { granted, ..crossfold_testing::consent(&from, &to, purpose) }
    });
    proptest::collection::vec(decided, 0..6)
}

proptest! {
    #[test]
    fn no_consent_to_financial_profiling_and_no_price_changes_a_score_or_reason(
        financial in financial_decisions(),
        prices in proptest::collection::vec(0..100_000i64, 2 * ITEMS),
        done in proptest::collection::vec((any::<bool>(), 0..ITEMS), 0..12),
        inspect in any::<bool>(),
    ) {
        let model = bridged_model();
        let events = done.into_iter().map(|(of_auto, number)| {
            did(if of_auto { auto() } else { knowledge() }, &[number])
        });
        let history = History::new(events.flatten().collect(), []);
        let request = SlateRequest { inspect, ..asking(knowledge(), auto()) };
        let without = slate_for(Some(&model), both(), (&both_granted(), &history), &request);
        let decisions = both_granted().decisions().cloned().chain(financial).collect::<Vec<_>>();
        let mut dear = both();
        for (item, price) in dear.iter_mut().zip(prices) {
            item.details.as_mut().unwrap().price = Some(Decimal::new(price, 2));
        }
        let with = slate_for(Some(&model), dear, (&decisions.into(), &history), &request);
        prop_assert_eq!(with, without);
    }
}
