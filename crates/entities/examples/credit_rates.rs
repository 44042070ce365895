//! The yearly rates of credits that are read from standard input, one in JSON a line:
//!
//! ```text
//! {"rule": "us", "step": "month", "advances": [["1000", "2026-01-05"]], "payments": [["1100", "2026-07-05"]]}
//! ```
//!
//! `rule` is `us`, `eu`, `uk` or `china` (nominal, payments by the month), `step` is `month`, `week`
//! or `year`. `benches/credit.py` compares them with another library's.

#![allow(clippy::expect_used)] // An example may stop at the first surprise.

use std::io::{BufRead as _, stdin};

use crossfold_entities::credit::china::annualised_rate;
use crossfold_entities::credit::effective_rate::{DatedAmount, Step, YearCount, effective_rate};
use crossfold_entities::credit::united_states::{TimedAmount, UnitPeriod, annual_percentage_rate};
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::Value;

fn main() {
    for line in stdin().lock().lines() {
        let credit: Value = serde_json::from_str(&line.expect("a line")).expect("a credit in JSON");
        let (advances, payments) = (amounts(&credit["advances"]), amounts(&credit["payments"]));
        println!("{}", rate(&credit, &advances, &payments));
    }
}

fn rate(credit: &Value, advances: &[DatedAmount], payments: &[DatedAmount]) -> f64 {
    let (step, unit) = match credit["step"].as_str() {
        Some("month") => (Step::Month, UnitPeriod::Months(1)),
        Some("week") => (Step::Week, UnitPeriod::Weeks(1)),
        _ => (Step::Year, UnitPeriod::Months(12)),
    };
    let found = match credit["rule"].as_str() {
        Some("us") => {
            let timed = |of: &[DatedAmount]| timed(of, (unit, advances[0].on));
            annual_percentage_rate(&timed(advances), &timed(payments), unit)
        }
        Some("eu") => effective_rate(advances, payments, YearCount::EuropeanUnion(step)),
        Some("uk") => effective_rate(advances, payments, YearCount::UnitedKingdom(step)),
        _ => {
            let lent = advances.iter().map(|advance| advance.amount);
            let cash_flow: Vec<Decimal> =
                lent.chain(payments.iter().map(|payment| -payment.amount)).collect();
            annualised_rate(&cash_flow, 12).map(|rate| rate.nominal)
        }
    };
    found.expect("a rate")
}

fn timed(amounts: &[DatedAmount], (unit, first): (UnitPeriod, Date)) -> Vec<TimedAmount> {
    let timed = |of: &DatedAmount| TimedAmount {
        amount: of.amount,
        at: unit.between(first, of.on).expect("after the first advance"),
    };
    amounts.iter().map(timed).collect()
}

fn amounts(of: &Value) -> Vec<DatedAmount> {
    let amount = |pair: &Value| DatedAmount {
        amount: Decimal::from_str_exact(pair[0].as_str().expect("an amount")).expect("a decimal"),
        on: pair[1].as_str().expect("a day").parse().expect("a day"),
    };
    of.as_array().expect("amounts").iter().map(amount).collect()
}
