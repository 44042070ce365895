use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;

use super::*;
use crate::serving::profile::spending::{Amounts, Discounts, PriceLevel};

/// Somebody who bought the items of these numbers, one a day.
fn who_bought(numbers: &[usize]) -> Around {
    let mut around = Around::new();
    around.grant(KNOWLEDGE, Purpose::FinancialProfiling);
    for (day, number) in numbers.iter().enumerate() {
        around.did("enrol", *number, day as i64 * DAY);
    }
    around
}

#[test]
fn a_price_band_is_made_of_amounts_that_were_paid_to_the_last_digit() {
    let mut around = who_bought(&[16, 17, 18, 19, 15, 14]);
    around.events[0].value = Some(Decimal::from_str_exact("170.0000001").unwrap());
    // Free, and so nothing that was paid.
    around.did("enrol", 1, 9 * DAY).value = Some(Decimal::ZERO);
    let band = around.spending().price_band.unwrap();
    let Amounts { lower_quartile, median, upper_quartile, items, .. } =
        band.finding.amounts.unwrap();
    let texts = [lower_quartile, median, upper_quartile].map(|amount| amount.to_string());
    assert_eq!(texts, ["160", "170.0000001", "190"]);
    assert_eq!((items, band.finding.level), (6, Some(PriceLevel::Upper)));
    assert_eq!(
        band.text,
        "Pays prices in the upper half of the catalogue; half of what they bought cost CNY 160 \
         to 190 (6 items)"
    );
}

#[test]
fn levels_are_told_beyond_doubt_alone() {
    let level =
        |numbers: &[usize]| who_bought(numbers).spending().price_band.unwrap().finding.level;
    assert_eq!(level(&[0, 1, 2, 3, 4, 5]), Some(PriceLevel::Lower));
    assert_eq!(level(&[0, 10, 19]), None, "three say little");
    assert_eq!(level(&(0..20).collect::<Vec<_>>()), Some(PriceLevel::Middle));
    assert_eq!(who_bought(&[18, 19]).spending().price_band, None);
    let mut wrong = 0;
    for seed in 0..300 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let bought: Vec<usize> = (0..8).map(|_| random.random_range(0..20)).collect();
        let band = who_bought(&bought).spending().price_band;
        let level = band.and_then(|band| band.finding.level);
        wrong += usize::from(level.is_some_and(|level| level != PriceLevel::Middle));
    }
    assert!(wrong <= 18, "{wrong} of 300 who buy at any price");
}

#[test]
fn ratings_are_no_amounts_and_dislikes_of_nothing_bought_say_nothing() {
    let mut around = who_bought(&[4, 5, 6]);
    for definition in around.definitions.values_mut() {
        let enrol = definition.event_types.get_mut(&event_type("enrol")).unwrap();
        enrol.neutral_value = Some(Decimal::from(3));
    }
    around.events.iter_mut().for_each(|event| event.value = Some(Decimal::from(5)));
    let amounts = around.spending().price_band.unwrap().finding.amounts.unwrap();
    assert_eq!(amounts.median, Decimal::from(60), "the item's price, not its rating");
}

#[test]
fn purchases_are_held_against_what_was_looked_at_before_in_the_category() {
    let mut around = Around::new();
    around.grant(KNOWLEDGE, Purpose::FinancialProfiling);
    for day in 0..8i64 {
        for look in [0, 4, 12, 14, 16] {
            around.did("view", look, day * 40 * DAY);
        }
        around.did("enrol", 5 + day as usize, day * 40 * DAY + HOUR);
    }
    let choice = around.spending().price_choice.unwrap();
    // Of the dear category 130, 150 and 170 were looked at: 60 to 130 were paid, the last of
    // which was looked at too, and leaves 150 as the lower of the two in the middle.
    assert_eq!(choice.finding.compared, 8);
    assert!(choice.finding.below.low > 0.5 && choice.finding.ratio.value < 0.7, "{choice:?}");
    assert_eq!(choice.text, "Pays below what they look at (8 purchases)");
    let mut unsure = around.clone();
    for (at, event) in unsure.events.iter_mut().enumerate() {
        let is_bought = event.event_type == event_type("enrol");
        event.value = is_bought.then(|| Decimal::from(if at % 4 == 1 { 1 } else { 1_000 }));
    }
    assert_eq!(unsure.spending().price_choice, None, "some dearer, some cheaper");
    around.events.retain(|event| event.event_type != event_type("view"));
    assert_eq!(around.spending().price_choice, None);
}

#[test]
fn discounts_are_told_of_where_they_make_a_difference_beyond_chance() {
    let mut around = Around::new();
    full(&mut around);
    let discounts = around.spending().discounts.unwrap();
    assert!(discounts.finding.difference.low > 0.0, "{discounts:?}");
    let Discounts { acquired_items, acquired_below, .. } = &discounts.finding;
    let counted = format!("{acquired_below} of the {acquired_items} items that they bought");
    assert!(discounts.text.starts_with("Takes to discounts"), "{}", discounts.text);
    assert!(discounts.text.contains(&counted), "{}", discounts.text);
    for item in &mut around.items {
        item.details.as_mut().unwrap().attributes.insert("list_price".into(), "1000".into());
    }
    assert_eq!(around.spending().discounts, None);
}

#[test]
fn of_another_platform_a_level_is_told_in_a_word_and_nothing_else() {
    let mut around = Around::new();
    around.visible = BTreeSet::from([domain(KNOWLEDGE)]);
    for (day, number) in (8..20).enumerate() {
        around.did_in(AUTO, "enrol", number, day as i64 * DAY);
    }
    around.grant(AUTO, Purpose::Recommendation);
    assert_eq!(around.profile().domains, [], "without leave for their means");
    around.grant(AUTO, Purpose::FinancialProfiling);
    let told = serde_json::to_value(around.profile().domains).unwrap();
    let expected = json!([{
        "domain": AUTO, "categories": [], "items": [], "topics": [], "habits": {},
        "spending": {"price_band": {
            "text": "Pays prices in the upper half of the catalogue", "level": "upper",
            "evidence": {"domains": [AUTO]},
        }},
    }]);
    assert_eq!(told, expected);
    around.events.truncate(9);
    assert_eq!(around.profile().domains, [], "of fewer, single amounts could be guessed");
    around.cross_domain = CrossDomain::Never;
    assert_eq!(around.profile().domains, []);
}

#[test]
fn an_income_is_told_as_it_was_declared_and_only_with_leave() {
    let mut around = Around::new();
    around.declared.insert("income_band".into(), " 10k-20k ".into());
    assert_eq!(around.profile().domains, []);
    around.grant(AUTO, Purpose::FinancialProfiling);
    assert_eq!(around.profile().domains, [], "leave of another platform");
    around.grant(KNOWLEDGE, Purpose::FinancialProfiling);
    let income = around.spending().income.unwrap();
    assert_eq!(
        (income.text.as_str(), income.evidence.events),
        ("Declared income: 10k-20k", Some(0))
    );
    around.declared.insert("income_band".into(), "x".repeat(101));
    assert_eq!(around.spending().income, None);
}

/// Decisions on every direction to and from both domains.
fn decisions() -> impl Strategy<Value = Vec<ConsentDecision>> {
    let domains = proptest::sample::select(vec![KNOWLEDGE, AUTO]);
    let purpose = proptest::sample::select(Purpose::ALL.to_vec());
    let one = (domains.clone(), domains, purpose, any::<bool>(), proptest::option::of(0..2 * NOW));
    let decided = one.prop_map(|(from, to, purpose, granted, expiry)| ConsentDecision {
        granted,
        expires_at: expiry.map(|at| Timestamp::from_second(at).unwrap()),
        ..consent(&domain(from), &domain(to), purpose)
    });
    proptest::collection::vec(decided, 0..12)
}

fn around() -> impl Strategy<Value = Around> {
    let what = proptest::sample::select(vec!["view", "enrol", "finish", "unknown"]);
    let of = proptest::sample::select(vec![KNOWLEDGE, AUTO]);
    let event = (of, what, 0..22usize, 0..NOW, proptest::option::of(0..9_000u32));
    let events = proptest::collection::vec(event, 0..120);
    (events, decisions(), any::<[bool; 2]>()).prop_map(|(events, consents, [gpc, all])| {
        let mut around = Around::new();
        for (of, what, number, at, value) in events {
            let value = value.map(Decimal::from);
            around.did_in(of, what, number, at).value = value;
        }
        around.consents = consents;
        around.cross_domain = if gpc { CrossDomain::Never } else { CrossDomain::ByConsent };
        around.declared.insert("income_band".into(), "B".into());
        if !all {
            around.visible = BTreeSet::from([domain(KNOWLEDGE)]);
        }
        around
    })
}

/// The same with every amount another one.
fn with_other_amounts(around: &Around) -> Around {
    let mut other = around.clone();
    for (at, event) in other.events.iter_mut().enumerate() {
        event.value = Some(Decimal::from(at * 7 + 1));
    }
    for (at, item) in other.items.iter_mut().enumerate() {
        item.details.as_mut().unwrap().price = Some(Decimal::from(500 - at));
    }
    other.declared.insert("income_band".into(), "Z".into());
    other
}

proptest! {
    #[test]
    fn without_the_consent_no_line_is_economic_and_none_depends_on_any_amount(
        mut around in around(),
    ) {
        let now = Timestamp::from_second(NOW).unwrap();
        let may_tell = |around: &Around, from: &DomainId| {
            let ledger = ConsentLedger::from(around.consents.clone());
            let context = ConsentContext { ledger: &ledger, definitions: &around.definitions, now };
            context.may_tell_of_means(from, &domain(KNOWLEDGE), around.cross_domain)
        };
        for of in around.profile().domains {
            prop_assert!(of.spending.is_none() || may_tell(&around, &of.domain));
        }
        around.consents.retain(|decision| decision.purpose != Purpose::FinancialProfiling);
        let profile = around.profile();
        prop_assert!(profile.domains.iter().all(|of| of.spending.is_none()));
        prop_assert_eq!(&with_other_amounts(&around).profile(), &profile);
        let told = serde_json::to_string(&profile).unwrap();
        for word in ["price", "amount", "income", "currency", "spending", "value_scale"] {
            prop_assert!(!told.contains(word), "{} in {}", word, told);
        }
    }
}
