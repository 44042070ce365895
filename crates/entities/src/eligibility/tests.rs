use jiff::civil::{Date, date};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::*;
use crate::applicant::Applicant;
use crate::definition::Currency;
use crate::definition::tests::definition;
use crate::disclosure::Disclosure;
use crate::json;
use crate::offer::Offer;

/// A case that owns its parts.
struct Owned {
    offer: Offer,
    price: Option<Decimal>,
    currency: Currency,
    rules: EligibilityRules,
    applicant: Option<Applicant>,
}

const TODAY: Date = date(2026, 11, 27);

impl Owned {
    fn new(offer: Value, price: &str) -> Self {
        Self {
            offer: json::from_value(offer).unwrap(),
            price: Some(price.parse().unwrap()),
            currency: Currency::parse("CNY").unwrap(),
            rules: NO_RULES.clone(),
            applicant: None,
        }
    }

    fn rules(mut self, rules: Value) -> Self {
        self.rules = json::from_value(rules).unwrap();
        self
    }

    fn applicant(mut self, applicant: Value) -> Self {
        self.applicant = Some(json::from_value(applicant).unwrap());
        self
    }

    fn case(&self, today: Date) -> Case<'_> {
        Case {
            offer: &self.offer,
            price: self.price,
            currency: self.currency,
            rules: &self.rules,
            applicant: self.applicant.as_ref(),
            today,
        }
    }

    /// What comes of it on a day; that both ways of asking agree is asked on the way.
    fn on(&self, today: Date) -> Assessment {
        let assessment = assess(&self.case(today));
        let refused = matches!(assessment, Assessment::Refused(_));
        assert_eq!(is_refused(&self.case(today)), refused, "{assessment:?}");
        assessment
    }

    fn eligible(&self) -> Eligible {
        match self.on(TODAY) {
            Assessment::Eligible(eligible) => *eligible,
            Assessment::Refused(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    fn credit(&self) -> CreditQuote {
        *self.eligible().quote.credit().unwrap()
    }

    /// The reasons of a refusal as JSON.
    fn refused(&self) -> String {
        match self.on(TODAY) {
            Assessment::Eligible(eligible) => panic!("{eligible:?}"),
            Assessment::Refused(refusal) => serde_json::to_string(&refusal).unwrap(),
        }
    }
}

fn loan() -> Value {
    json!({"kind": "loan", "annual_rate": "0.045", "terms_months": [12, 24, 36],
        "min_down_payment": "0.2"})
}

fn with(mut offer: Value, field: &str, value: Value) -> Value {
    offer[field] = value;
    offer
}

fn car(condition: &str) -> Value {
    json!({"kind": "passenger", "energy": "conventional", "condition": condition})
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn only(rule: Value) -> Value {
    json!({"rules": [rule]})
}

#[test]
fn without_an_applicant_the_terms_are_those_of_the_least_down_payment() {
    let eligible = Owned::new(loan(), "200000").eligible();
    let credit = eligible.quote.credit().unwrap();
    assert_eq!(eligible.quote.basis(), Basis::Representative);
    assert_eq!((credit.down_payment, credit.financed), (number("40000"), number("160000")));
    // The shortest term costs the least: 3,926.77, of 7,607.59 and 11,342.30.
    assert_eq!((eligible.quote.term_months(), credit.repayment.number), (12, 12));
    assert_eq!(credit.repayment.payment, number("13660.56"));
    assert_eq!(eligible.quote.total_cost(), number("3926.77"));
    assert!(eligible.unchecked.is_empty());
    // Who says nothing is nobody.
    let nobody = Owned::new(loan(), "200000").applicant(json!({})).eligible();
    assert_eq!(nobody, eligible);
}

#[test]
fn the_down_payment_is_raised_to_what_rules_and_offer_need() {
    let down = |offer: Value, rule: Value| Owned::new(offer, "99.99").rules(only(rule)).credit();
    let no_rule = json!({"rule": "term", "max_months": 600});
    assert_eq!(down(loan(), no_rule.clone()).down_payment, number("20.00"), "19.998, rounded up");
    let share = json!({"rule": "down_payment", "min_share": "0.3"});
    assert_eq!(down(loan(), share).down_payment, number("30.00"));
    let value = json!({"rule": "loan_to_value", "max": "0.6"});
    assert_eq!(down(loan(), value).financed, number("59.99"), "59.994, rounded down");
    assert_eq!(down(with(loan(), "max_amount", json!("50.005")), no_rule).financed, number("50"));
}

#[test]
fn what_the_applicant_can_pay_at_once_is_taken_and_must_be_enough() {
    let of = |down: &str| Owned::new(loan(), "1000").applicant(json!({"down_payment": down}));
    assert_eq!(of("200").credit().financed, number("800"));
    assert_eq!(of("200.009").credit().down_payment, number("200.00"), "of whole minor units");
    assert_eq!(of("200").eligible().quote.basis(), Basis::Applicant);
    assert_eq!(of("199.99").refused(), r#"["down_payment"]"#);
    let rules = json!({"rules": [{"rule": "down_payment", "min_share": "0.3"},
        {"rule": "loan_to_value", "max": "0.75"}]});
    assert_eq!(of("240").rules(rules.clone()).refused(), r#"["loan_to_value","down_payment"]"#);
    assert!(of("300").rules(rules).credit().financed == number("700"));
}

#[test]
fn amounts_out_of_the_offers_bounds_are_refused() {
    for (offer, price, is_refused) in [
        (with(loan(), "min_amount", json!("800")), "1000", false),
        (with(loan(), "min_amount", json!("800.01")), "1000", true),
        (loan(), "1000000000000", false),
        (loan(), "1000000000000.01", true),
        (loan(), "79228162514264337593543950335", true),
        (loan(), "0.004", true),
        (loan(), "-5", true),
        (with(with(loan(), "kind", json!("lease")), "residual", json!("0.8")), "1000", true),
        (with(with(loan(), "kind", json!("lease")), "residual", json!("0.79")), "1000", false),
    ] {
        let refused = matches!(Owned::new(offer.clone(), price).on(TODAY), Assessment::Refused(_));
        assert_eq!(refused, is_refused, "{offer} {price}");
    }
    let mut unpriced = Owned::new(loan(), "1");
    unpriced.price = None;
    assert_eq!(unpriced.refused(), r#"["amount"]"#);
    let given = with(loan(), "max_amount", json!("700"));
    let given = Owned::new(given, "1000").applicant(json!({"down_payment": 200}));
    assert_eq!(given.refused(), r#"["amount"]"#);
}

#[test]
fn fees_that_outweigh_what_is_financed_are_refused() {
    let fees = |amount: &str, due: &str| {
        let fee = json!([{"name": "Upkeep", "amount": amount, "due": due}]);
        Owned::new(with(loan(), "fees", fee), "1000")
    };
    // Of 800: a third at the start, two thirds of it each month, all of it at the end.
    for (most, more, due) in [
        ("266.66", "266.67", "start"),
        ("533.33", "533.34", "each_month"),
        ("800", "800.01", "end"),
    ] {
        assert_eq!(fees(most, due).credit().financed, number("800"));
        assert_eq!(fees(more, due).refused(), r#"["amount"]"#, "{due}");
    }
}

#[test]
fn the_age_at_the_end_is_the_most_that_it_can_be() {
    let at = |age: u8, months: u16| {
        let rule = json!({"rule": "age_at_end", "max": 62});
        let offer = with(loan(), "terms_months", json!([12, 13, 24]));
        let applicant = json!({"age": age, "term_months": months});
        matches!(
            Owned::new(offer, "1000").rules(only(rule)).applicant(applicant).on(TODAY),
            Assessment::Eligible(_)
        )
    };
    assert!(at(61, 12) && at(60, 13) && at(60, 24));
    assert!(!at(61, 13) && !at(61, 24) && !at(62, 12));
}

#[test]
fn too_young_and_too_old_are_refused_and_an_age_that_is_not_told_is_unchecked() {
    let rules = || only(json!({"rule": "age_at_start", "min": 18, "max": 65}));
    let of = |applicant: Value| Owned::new(loan(), "1000").rules(rules()).applicant(applicant);
    for age in [17, 66] {
        assert_eq!(of(json!({"age": age})).refused(), r#"["age_at_start"]"#);
    }
    for age in [18, 65] {
        assert!(of(json!({"age": age})).eligible().unchecked.is_empty());
    }
    let unchecked = of(json!({"region": "CN"})).eligible().unchecked;
    assert!(unchecked.iter().eq([Reason::AgeAtStart]));
    let nobody = Owned::new(loan(), "1000").rules(rules()).eligible();
    assert_eq!(nobody.unchecked, unchecked);
}

#[test]
fn debts_with_the_payment_and_monthly_fees_are_held_against_the_income() {
    let fee = json!([{"name": "Upkeep", "amount": "10", "due": "each_month"}]);
    let of = |income: &str, debts: Value| {
        let rule = json!({"rule": "debt_to_income", "max": "0.5"});
        let applicant =
            json!({"monthly_income": income, "monthly_debts": debts, "term_months": 36});
        Owned::new(with(loan(), "fees", fee.clone()), "200000")
            .rules(only(rule))
            .applicant(applicant)
    };
    // 4,759.51 + 10 + 230.49 = 5,000.
    assert!(of("10000", json!("230.49")).eligible().unchecked.is_empty());
    assert_eq!(of("10000", json!("230.50")).refused(), r#"["debt_to_income"]"#);
    assert_eq!(of("0", json!("0")).refused(), r#"["debt_to_income"]"#);
    let untold = of("10000", Value::Null).eligible().unchecked;
    assert!(untold.iter().eq([Reason::DebtToIncome]));
    // The payment alone is too much, whatever the debts are.
    assert_eq!(of("9539.01", Value::Null).refused(), r#"["debt_to_income"]"#);
    assert_eq!(of("9539.02", Value::Null).eligible().unchecked, untold);
}

#[test]
fn a_longer_term_is_taken_where_a_shorter_one_is_too_dear_a_month() {
    let rule = json!({"rule": "debt_to_income", "max": "0.5"});
    let applicant = json!({"monthly_income": "14000", "monthly_debts": "0"});
    let eligible = Owned::new(loan(), "200000").rules(only(rule)).applicant(applicant).eligible();
    // 6,983.65 a month in 24, of 13,660.56 in 12.
    assert_eq!(eligible.quote.term_months(), 24);
}

#[test]
fn of_terms_that_cost_the_same_the_shortest_is_taken() {
    let free = json!({"kind": "instalment", "annual_rate": 0, "terms_months": [3, 6, 12]});
    assert_eq!(Owned::new(free, "1200").eligible().quote.term_months(), 3);
}

#[test]
fn the_term_that_is_wanted_is_the_only_one_that_is_looked_at() {
    let of = |months: u16| Owned::new(loan(), "1000").applicant(json!({"term_months": months}));
    assert_eq!(of(24).eligible().quote.term_months(), 24);
    assert_eq!(of(18).refused(), r#"["term"]"#);
    let rules = || only(json!({"rule": "term", "min_months": 13, "max_months": 35}));
    assert_eq!(of(12).rules(rules()).refused(), r#"["term"]"#);
    assert_eq!(of(36).rules(rules()).refused(), r#"["term"]"#);
    assert_eq!(Owned::new(loan(), "1000").rules(rules()).eligible().quote.term_months(), 24);
}

#[test]
fn a_refusal_tells_of_the_term_against_which_the_least_speaks() {
    // 12 months: too dear, and too short; 24: too dear alone.
    let rules = json!({"rules": [{"rule": "debt_to_income", "max": "0.1"},
        {"rule": "term", "min_months": 24, "max_months": 24}]});
    let applicant = json!({"monthly_income": "100", "monthly_debts": "0"});
    let refused = Owned::new(loan(), "200000").rules(rules).applicant(applicant).refused();
    assert_eq!(refused, r#"["debt_to_income"]"#);
}

#[test]
fn regions_are_admitted_by_whole_segments_and_exceptions_win() {
    let of = |region: &str| {
        let rule = json!({"rule": "regions", "only": ["CN", "HK"], "except": ["CN-XZ"]});
        let applicant = json!({"region": region});
        matches!(
            Owned::new(loan(), "1000").rules(only(rule)).applicant(applicant).on(TODAY),
            Assessment::Eligible(_)
        )
    };
    assert!(of("CN") && of("CN-SH") && of("cn-sh-310101") && of("HK"));
    assert!(!of("CNX") && !of("US") && !of("CN-XZ") && !of("CN-XZ-54"));
}

#[test]
fn insurance_has_neither_a_down_payment_nor_a_share_of_a_price() {
    let insurance = json!({"kind": "insurance", "terms_months": [12, 24],
        "premium": {"amount": "300", "every_months": 3}});
    let rules = json!({"rules": [{"rule": "loan_to_value", "max": "0"},
        {"rule": "down_payment", "min_share": "1"}, {"rule": "debt_to_income", "max": "0.1"}]});
    let of = |income: &str| {
        let applicant = json!({"monthly_income": income, "monthly_debts": "0"});
        let mut owned = Owned::new(insurance.clone(), "1").rules(rules.clone());
        owned.price = None;
        owned.applicant(applicant)
    };
    // A hundred a month.
    let eligible = of("1000").eligible();
    assert_eq!(eligible.quote.total_payable(), number("1200"));
    assert_eq!((eligible.quote.term_months(), eligible.quote.credit()), (12, None));
    assert_eq!(of("999.99").refused(), r#"["debt_to_income"]"#);
}

#[test]
fn own_rules_make_a_pack_stricter_and_never_weaker() {
    let offer = with(with(loan(), "vehicle", car("used")), "min_down_payment", json!("0"));
    let of = |share: &str, down: &str| {
        let rules = json!({"pack": "cn-auto", "rules": [{"rule": "loan_to_value", "max": share}]});
        Owned::new(offer.clone(), "1000").rules(rules).applicant(json!({"down_payment": down}))
    };
    assert_eq!(of("1", "299.99").refused(), r#"["loan_to_value"]"#);
    assert!(matches!(of("1", "300").on(TODAY), Assessment::Eligible(_)));
    assert_eq!(of("0.6", "300").refused(), r#"["loan_to_value"]"#);
}

#[test]
fn a_pack_holds_by_the_day() {
    let offer = with(with(loan(), "vehicle", car("new")), "min_down_payment", json!("0"));
    let owned = Owned::new(offer, "1000")
        .rules(json!({"pack": "cn-auto"}))
        .applicant(json!({"down_payment": 0}));
    assert!(matches!(owned.on(date(2024, 4, 2)), Assessment::Refused(_)));
    assert!(matches!(owned.on(date(2024, 4, 3)), Assessment::Eligible(_)));
}

#[test]
fn a_definition_carries_rules_and_refuses_too_many() {
    let mut definition = definition();
    definition.check().unwrap();
    assert!(serde_json::to_value(&definition).unwrap().get("eligibility").is_none());
    let rules = json!({"pack": "cn-auto", "rules": [{"rule": "age_at_end", "max": 70}],
        "disclosure": "cn"});
    definition.eligibility = Some(json::from_value(rules.clone()).unwrap());
    definition.check().unwrap();
    let written = serde_json::to_value(&definition).unwrap();
    assert_eq!(written["eligibility"], rules);
    let read: crate::definition::DomainDefinition = json::from_value(written).unwrap();
    assert_eq!(read, definition);
    let own = &mut definition.eligibility.as_mut().unwrap().rules;
    *own = vec![own[0].clone(); MAX_RULES];
    definition.check().unwrap();
    let own = &mut definition.eligibility.as_mut().unwrap().rules;
    own.push(own[0].clone());
    assert!(definition.check().unwrap_err().0.contains("at most 64"));
    for wrong in [json!({"pack": "us-auto"}), json!({"disclosure": "fr"}), json!({"weaken": true})]
    {
        assert!(json::from_value::<EligibilityRules>(wrong).is_err());
    }
}

fn money() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        (0i64..100_000_000, 0u32..=4).prop_map(|(of, places)| Decimal::new(of, places)),
        (0i64..=10_000_000_000_000_000).prop_map(|of| Decimal::new(of, 4)),
    ]
}

fn share() -> impl Strategy<Value = Decimal> {
    prop_oneof![Just(Decimal::ZERO), (0i64..10_000_000_000).prop_map(|of| Decimal::new(of, 10))]
}

prop_compose! {
    fn any_fee()(
        amount in prop_oneof![money(), (0i64..1_000).prop_map(|of| Decimal::new(of, 2))],
        due in prop::sample::select(vec!["start", "each_month", "end"]),
    ) -> Value {
        json!({"name": "Fee", "amount": amount, "due": due})
    }
}

prop_compose! {
    fn any_credit()(
        kind in prop::sample::select(vec!["loan", "lease", "instalment"]),
        rate in prop_oneof![Just(Decimal::ZERO), share(), Just(Decimal::ONE)],
        terms in prop::collection::btree_set(1u16..=600, 1..4),
        (down, residual) in (share(), share()),
        bounds in prop::option::of((money(), money())),
        fees in prop::collection::vec(any_fee(), 0..4),
        condition in prop::option::of(prop::sample::select(vec!["new", "used"])),
    ) -> Value {
        let mut offer = json!({"kind": kind, "annual_rate": rate, "terms_months": terms,
            "min_down_payment": down, "fees": fees, "vehicle": condition.map(car)});
        if kind == "lease" {
            offer["residual"] = json!(residual);
        }
        if let Some((one, other)) = bounds {
            let least = Decimal::new(1, 4);
            offer["min_amount"] = json!(one.min(other).max(least));
            offer["max_amount"] = json!(one.max(other).max(least));
        }
        offer
    }
}

fn any_offer() -> impl Strategy<Value = Value> {
    let insurance = (1i64..1_000_000, prop::sample::select(vec![1, 3, 6, 12]));
    let insurance = insurance.prop_map(|(amount, every)| {
        json!({"kind": "insurance", "terms_months": [12, 24],
            "premium": {"amount": Decimal::new(amount, 3), "every_months": every}})
    });
    prop_oneof![6 => any_credit(), 1 => insurance]
}

fn any_rule() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0u8..=60).prop_map(|min| json!({"rule": "age_at_start", "min": min})),
        (0u8..=150).prop_map(|max| json!({"rule": "age_at_end", "max": max})),
        share().prop_map(|max| json!({"rule": "debt_to_income", "max": max})),
        share().prop_map(|max| json!({"rule": "loan_to_value", "max": max})),
        (1u16..=600).prop_map(|max| json!({"rule": "term", "max_months": max})),
        share().prop_map(|min| json!({"rule": "down_payment", "min_share": min})),
        Just(json!({"rule": "regions", "only": ["CN"]})),
    ]
}

prop_compose! {
    fn any_applicant()(
        income in prop::option::of(money()), debts in prop::option::of(money()),
        down in prop::option::of(money()), age in prop::option::of(0u8..=150),
        region in prop::option::of(prop::sample::select(vec!["CN-SH", "US"])),
        term in prop::option::weighted(0.1, 1u16..=600),
    ) -> Value {
        json!({"monthly_income": income, "monthly_debts": debts, "down_payment": down,
            "age": age, "region": region, "term_months": term})
    }
}

prop_compose! {
    fn any_case()(
        offer in any_offer(),
        price in prop_oneof![
            3 => money().prop_map(Some), 1 => Just(None), 1 => Just(Some(Decimal::MAX)),
            3 => (1i64..10_000_000).prop_map(|of| Some(Decimal::new(of, 2))),
        ],
        currency in prop::sample::select(vec!["CNY", "JPY", "KWD", "CLF"]),
        pack in prop::option::of(prop::sample::select(vec!["cn-auto", "generic"])),
        rules in prop::collection::vec(any_rule(), 0..3),
        disclosure in prop::sample::select(vec!["cn", "us", "eu", "uk", "none"]),
        applicant in prop::option::of(any_applicant()),
    ) -> Owned {
        let rules = json!({"pack": pack, "rules": rules, "disclosure": disclosure});
        let owned = Owned {
            price,
            currency: Currency::parse(currency).unwrap(),
            ..Owned::new(offer, "1").rules(rules)
        };
        match applicant {
            Some(applicant) => owned.applicant(applicant),
            None => owned,
        }
    }
}

impl std::fmt::Debug for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let applicant = self.applicant.as_ref();
        let told = applicant.map(|of| (of.monthly_income(), of.monthly_debts(), of.down_payment()));
        write!(f, "{:?} {:?} {} {:?} {told:?}", self.offer, self.price, self.currency, self.rules)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_is_asked_both_ways_agree_and_what_is_admitted_is_disclosed_whole(case in any_case()) {
        match case.on(TODAY) {
            Assessment::Refused(refusal) => prop_assert!(!refusal.reasons().is_empty()),
            Assessment::Eligible(eligible) => {
                let shown = Disclosure::of(&eligible.quote);
                prop_assert!(shown.is_ok(), "{:?}: {:?}", shown, eligible.quote);
                let shown = shown.unwrap();
                prop_assert_eq!(shown.credit.is_some(), shown.kind.as_str() != "insurance");
                let last = shown.last_payment.unwrap_or(shown.payment);
                let before = Decimal::from(shown.number_of_payments - 1);
                let paid = shown.payment * before + last + shown.fees;
                let down = shown.credit.as_ref().map_or(Decimal::ZERO, |of| of.down_payment);
                prop_assert_eq!(paid + down, shown.total_payable);
                if let Some(credit) = &shown.credit {
                    prop_assert_eq!(credit.down_payment + credit.financed, credit.price);
                    prop_assert_eq!(shown.total_payable - credit.price, credit.total_cost_of_credit);
                    prop_assert!(credit.total_cost_of_credit >= Decimal::ZERO);
                    prop_assert_eq!(credit.annual_rates.is_some(), case.rules.regime() != Regime::None);
                }
            }
        }
    }

    #[test]
    fn a_rule_more_never_admits_what_was_refused(
        case in any_case(), applicant in any_applicant(), down in money(), rule in any_rule(),
    ) {
        // With the same down payment: a rule may raise the one that is not told.
        let mut case = case.applicant(with(applicant, "down_payment", json!(down)));
        let was_refused = is_refused(&case.case(TODAY));
        case.rules.rules.push(json::from_value(rule).unwrap());
        prop_assert!(!was_refused || is_refused(&case.case(TODAY)));
    }
}

#[test]
fn who_can_pay_more_at_once_is_financed_no_less_than_the_offer_finances() {
    let least = with(loan(), "min_amount", json!("50000"));
    let with_down = |down: u32| {
        Owned::new(least.clone(), "100000").applicant(json!({ "down_payment": down })).credit()
    };
    assert_eq!(with_down(40_000).financed, Decimal::from(60_000));
    for down in [50_000, 60_000, 100_000, 150_000] {
        assert_eq!(with_down(down).financed, Decimal::from(50_000), "{down}");
    }
    // Without a least amount, a tenth of the price.
    for down in [95_000, 100_000, 300_000] {
        let all = Owned::new(loan(), "100000").applicant(json!({ "down_payment": down }));
        assert_eq!(all.credit().financed, Decimal::from(10_000), "{down}");
    }
}

#[test]
fn the_term_that_is_wanted_is_that_of_a_credit() {
    let insurance = json!({"kind": "insurance", "terms_months": [12],
        "premium": {"amount": "300", "every_months": 3}});
    let wanting = |offer| Owned::new(offer, "100000").applicant(json!({ "term_months": 36 }));
    assert_eq!(wanting(insurance).eligible().quote.term_months(), 12);
    assert_eq!(wanting(loan()).eligible().quote.term_months(), 36);
}

#[test]
fn a_pack_says_by_which_law_costs_are_shown_unless_the_domain_does() {
    let regime = |rules: Value| json::from_value::<EligibilityRules>(rules).unwrap().regime();
    assert_eq!(regime(json!({ "pack": "cn-auto" })), Regime::Cn);
    assert_eq!(regime(json!({ "pack": "cn-auto", "disclosure": "eu" })), Regime::Eu);
    assert_eq!(regime(json!({ "pack": "generic" })), Regime::None);
}

#[test]
fn a_domain_names_so_many_regions_in_all_of_its_rules() {
    let rules = |each: usize| -> EligibilityRules {
        let regions: Vec<String> = (0..each).map(|number| format!("CN-{number}")).collect();
        let rule = json!({ "rule": "regions", "except": regions });
        json::from_value(json!({ "rules": vec![rule; 4] })).unwrap()
    };
    assert_eq!(rules(MAX_REGIONS / 4).check(), Ok(()));
    assert!(rules(MAX_REGIONS / 4 + 1).check().unwrap_err().contains("512 regions"));
}
