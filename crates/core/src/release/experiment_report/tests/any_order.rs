//! The same records give the same report.

use proptest::prelude::*;

use super::*;

/// An experiment with metrics of every kind, and all that may change with order.
fn every_kind(is_adaptive: bool) -> Experiment {
    let mut with = json!({
        "window_days": 7, "past_days": 3, "segments": ["placement", "personalised"],
        "metrics": [
            {"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}},
            {"metric": "buys", "kind": "count", "of": {"event_type": "buy"}, "winsorised_at": 0.8},
            {"metric": "money", "kind": "revenue", "event_type": "buy", "winsorised_at": 0.7},
            {"metric": "rate", "kind": "ratio", "of": {"outcome": "click"}, "per": "slates"},
            {"metric": "back", "kind": "retention", "from_day": 1, "to_day": 3, "margin": 0.1},
        ],
        "primary": "money",
    });
    if is_adaptive {
        with["bandit_floor"] = json!(0.2);
    }
    experiment(with)
}

/// A record in numbers: a user, a kind of record, a moment, and something that differs.
type Record = (u8, u8, u8, u32);

fn archive(records: &[Record]) -> Archive {
    let mut archive = Archive::default();
    for (number, (of, kind, when, what)) in records.iter().enumerate() {
        let (name, second) = (format!("u{}", of % 24), 20 * DAY + i64::from(*when) * 6_000);
        let id = format!("r{number}");
        match kind % 6 {
            0 | 1 => {
                // One in twelve meets both variants.
                let is_other = (of % 12 == 0 && what % 2 == 0) || of % 2 == 0;
                let variant = if is_other { "diverse@0" } else { "control@0" };
                let decision = archive.slate(&name, &id, variant, second);
                decision.personalised = what % 3 == 0;
                let home = crate::entities::ids::Placement::parse(&format!("p{}", what % 4));
                decision.placement = (what % 5 > 0).then(|| home.unwrap());
            }
            2 => _ = archive.slate(&name, &id, "", second),
            3 => {
                let slate = format!("r{}", *what as usize % records.len());
                archive.click(&name, &slate, &id, second);
            }
            4 => _ = archive.buy(&name, &id, second, &format!("{}.{:02}", what % 977, what % 100)),
            _ => archive.buy(&name, &id, second, "1").event_type = event_type("view"),
        }
    }
    archive
}

fn shuffled<T: Clone>(of: &[T], order: &[u16]) -> Vec<T> {
    // Every record once, and some of them again.
    let again = of.iter().zip(order).filter(|(_, order)| *order % 3 == 0).map(|(one, _)| one);
    let all: Vec<&T> = of.iter().chain(again).collect();
    let mut places: Vec<usize> = (0..all.len()).collect();
    places.sort_by_key(|at| {
        order.get(at % order.len().max(1)).map(|order| order.rotate_left(*at as u32 % 16))
    });
    places.into_iter().map(|at| all[at].clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn in_any_order_with_any_repeats_by_any_number_of_shards(
        records in prop::collection::vec(any::<Record>(), 1..200),
        order in prop::collection::vec(any::<u16>(), 1..200),
        shards in 2u32..6, is_adaptive in any::<bool>(),
    ) {
        let (experiment, archive) = (every_kind(is_adaptive), archive(&records));
        let study = Study::new(&experiment, at(NOW));
        let other = Archive {
            decisions: shuffled(&archive.decisions, &order),
            outcomes: shuffled(&archive.outcomes, &order),
            events: shuffled(&archive.events, &order),
        };
        let (once, again) = (archive.observed(&study, 1), other.observed(&study, shards));
        prop_assert_eq!(&once, &again);
        let report = |of| serde_json::to_string(&ExperimentReport::of(&study, of)).unwrap();
        let json = report(&once);
        prop_assert_eq!(&json, &report(&again));
        prop_assert!(!json.contains("null"), "{}", json);
    }

    #[test]
    fn a_report_is_made_at_any_time(
        records in prop::collection::vec(any::<Record>(), 0..40), now in -DAY..60 * DAY,
    ) {
        let report = archive(&records).report(&every_kind(false), now);
        prop_assert!(!report.verdicts.is_empty());
        for told in &report.verdicts {
            let json = serde_json::to_value(told).unwrap();
            prop_assert_eq!(json["code"].as_str().unwrap(), told.verdict.code());
        }
    }
}
