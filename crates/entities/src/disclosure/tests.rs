use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::eligibility::{Assessment, Case, EligibilityRules, assess};
use crate::json;
use crate::offer::Offer;

fn shown(offer: Value, price: &str, regime: &str) -> Disclosure {
    let offer: Offer = json::from_value(offer).unwrap();
    let rules: EligibilityRules = json::from_value(json!({"disclosure": regime})).unwrap();
    let case = Case {
        offer: &offer,
        price: Some(price.parse().unwrap()),
        currency: Currency::parse("CNY").unwrap(),
        rules: &rules,
        applicant: None,
        today: date(2026, 1, 31),
    };
    match assess(&case) {
        Assessment::Eligible(eligible) => Disclosure::of(&eligible.quote).unwrap(),
        Assessment::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn loan(fees: Value) -> Value {
    json!({"kind": "loan", "annual_rate": "0.045", "terms_months": [36],
        "min_down_payment": "0.2", "fees": fees})
}

fn fees() -> Value {
    json!([{"name": "Arrangement", "amount": "500", "due": "start"},
        {"name": "Account", "amount": "10", "due": "each_month"},
        {"name": "Closing", "amount": "100", "due": "end"}])
}

#[test]
fn a_loan_with_fees_is_shown_as_it_was_reckoned_by_hand() {
    let written = serde_json::to_value(shown(loan(fees()), "200000", "cn")).unwrap();
    let expected = json!({
        "kind": "loan", "currency": "CNY", "basis": "representative", "term_months": 36,
        "number_of_payments": 36, "payment_every_months": 1, "payment": "4759.51",
        "last_payment": "4759.45", "fees": "960.00", "total_payable": "212302.30",
        "price": "200000.00", "down_payment": "40000.00", "financed": "160000.00",
        "nominal_annual_rate_percent": "4.5", "total_cost_of_credit": "12302.30",
        "annual_rates":
            {"regime": "cn", "nominal_percent": "4.88", "effective_percent": "5.00"},
        "assumptions": ["starts_today", "equal_months", "paid_on_time",
            "start_fees_paid_at_once", "least_down_payment"],
    });
    assert_eq!(written, expected);
}

#[test]
fn each_law_has_its_rates_and_none_has_none() {
    let rates = |regime: &str| {
        let shown = shown(loan(fees()), "200000", regime).credit.unwrap();
        serde_json::to_value(shown.annual_rates).unwrap()
    };
    assert_eq!(rates("us"), json!({"regime": "us", "apr_percent": "4.88"}));
    assert_eq!(rates("eu"), json!({"regime": "eu", "effective_percent": "5.00"}));
    assert_eq!(rates("uk"), json!({"regime": "uk", "effective_percent": "5.0"}));
    assert_eq!(rates("none"), Value::Null);
}

#[test]
fn the_last_payment_of_a_lease_has_the_residual_in_it() {
    let lease = json!({"kind": "lease", "annual_rate": "0.06", "terms_months": [24],
        "min_down_payment": "0.1", "residual": "0.3",
        "fees": [{"name": "Arrangement", "amount": "1000", "due": "start"}]});
    let shown = shown(lease, "200000", "cn");
    let text = |amount: Decimal| amount.to_string();
    assert_eq!(
        (text(shown.payment), shown.last_payment.map(text)),
        ("5618.47".into(), Some("65618.58".into()))
    );
    assert_eq!(text(shown.total_payable), "215843.39");
    let credit = shown.credit.unwrap();
    assert_eq!(credit.residual.map(text), Some("60000.00".into()));
    let rates = serde_json::to_value(credit.annual_rates).unwrap();
    assert_eq!(rates["nominal_percent"], "6.43");
    assert_eq!(rates["effective_percent"], "6.62");
}

#[test]
fn insurance_is_shown_without_a_rate_or_a_price() {
    let insurance = json!({"kind": "insurance", "terms_months": [12],
        "premium": {"amount": "300.5", "every_months": 3},
        "fees": [{"name": "Policy", "amount": "20", "due": "start"}]});
    let written = serde_json::to_value(shown(insurance, "9", "eu")).unwrap();
    let expected = json!({
        "kind": "insurance", "currency": "CNY", "basis": "representative", "term_months": 12,
        "number_of_payments": 4, "payment_every_months": 3, "payment": "300.50",
        "fees": "20.00", "total_payable": "1222.00",
        "assumptions": ["starts_today", "equal_months", "paid_on_time", "start_fees_paid_at_once"],
    });
    assert_eq!(written, expected);
}

/// The rates of a disclosure, whatever law they are of.
fn rates(shown: &Disclosure) -> Vec<Decimal> {
    match shown.credit.as_ref().and_then(|credit| credit.annual_rates.as_ref()).unwrap() {
        AnnualRates::Cn { nominal_percent, effective_percent } => {
            vec![*nominal_percent, *effective_percent]
        }
        AnnualRates::Us { apr_percent: rate }
        | AnnualRates::Eu { effective_percent: rate }
        | AnnualRates::Uk { effective_percent: rate } => vec![*rate],
    }
}

fn any_regime() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["cn", "us", "eu", "uk"])
}

proptest! {
    #[test]
    fn fees_never_make_a_rate_smaller(
        cents in 100_000i64..1_000_000_000, rate in 0i64..5_000, months in 1u16..=120,
        fee in 0i64..3_000, due in prop::sample::select(vec!["start", "each_month", "end"]),
        regime in any_regime(),
    ) {
        let offer = |fee: i64| json!({"kind": "loan", "annual_rate": Decimal::new(rate, 4),
            "terms_months": [months],
            "fees": [{"name": "Fee", "amount": Decimal::new(fee, 2), "due": due}]});
        let price = Decimal::new(cents, 2).to_string();
        let (with, without) =
            (shown(offer(fee), &price, regime), shown(offer(0), &price, regime));
        for (with, without) in rates(&with).iter().zip(rates(&without)) {
            prop_assert!(*with >= without, "{} < {}", with, without);
        }
        prop_assert_eq!(with.total_payable - without.total_payable, with.fees);
    }

    #[test]
    fn what_has_neither_interest_nor_fees_costs_nothing(
        cents in 1i64..1_000_000_000_000, months in 1u16..=600, residual in 0i64..99,
        regime in any_regime(),
    ) {
        let lease = json!({"kind": "lease", "annual_rate": 0, "terms_months": [months],
            "residual": Decimal::new(residual, 2)});
        // So that something is left beside the residual.
        let price = Decimal::new(cents + 1_000, 2).to_string();
        let shown = shown(lease, &price, regime);
        prop_assert!(rates(&shown).iter().all(Decimal::is_zero));
        let credit = shown.credit.unwrap();
        prop_assert_eq!(credit.total_cost_of_credit, Decimal::ZERO);
        prop_assert_eq!(shown.total_payable, credit.price);
    }

    #[test]
    fn the_rate_of_a_loan_without_fees_is_its_own(
        rate in 1i64..5_000, months in 6u16..=120,
    ) {
        // So much that rounding to cents does not show.
        let offer = json!({"kind": "loan", "annual_rate": Decimal::new(rate, 4),
            "terms_months": [months]});
        let shown = shown(offer, "1000000000", "us");
        prop_assert_eq!(rates(&shown), vec![Decimal::new(rate, 2)]);
    }

    /// Where one minor unit more would be refused: the dearest that is ever shown.
    #[test]
    fn at_the_edge_of_what_fees_may_be_there_is_still_a_rate(
        cents in prop_oneof![1i64..50, 1i64..1_000_000_000], rate in 0i64..=10,
        months in prop_oneof![1u16..=3, 1u16..=600], which in 0usize..3, regime in any_regime(),
    ) {
        let (due, fee) =
            [("start", cents / 3), ("each_month", cents * 2 / 3), ("end", cents)][which];
        let offer = json!({"kind": "loan", "annual_rate": Decimal::new(rate, 1),
            "terms_months": [months],
            "fees": [{"name": "Fee", "amount": Decimal::new(fee, 2), "due": due}]});
        let shown = shown(offer, &Decimal::new(cents, 2).to_string(), regime);
        prop_assert!(rates(&shown).iter().all(|rate| *rate >= Decimal::ZERO));
    }
}
