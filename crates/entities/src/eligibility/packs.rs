//! Rules that come with their sources.
//!
//! # `cn-auto`
//! | rule | for | since | source |
//! | --- | --- | --- | --- |
//! | at least 18 years | all | | Civil Code, article 18: full capacity for civil acts |
//! | at most 60 months | loans and instalments, new vehicles | 2018-01-01 | the Measures, on terms |
//! | at most 36 months | the same, used vehicles | 2018-01-01 | the Measures, on terms |
//! | at most 80 % financed | the same, own use, conventional | 2018-01-01 to 2024-04-02 | the notice of 2017 |
//! | at most 85 % | the same, own use, new energy | 2018-01-01 to 2024-04-02 | the notice of 2017 |
//! | at most 70 % | the same, commercial, conventional | 2018-01-01 | both notices |
//! | at most 75 % | the same, commercial, new energy | 2018-01-01 | both notices |
//! | at most 70 % | the same, used vehicles of every kind | 2018-01-01 | both notices |
//! | at most 100 % | the same | 2018-01-01 | none is lent more than the price |
//!
//! - *The Measures*: 《汽车贷款管理办法》, PBOC and CBRC order \[2017\] No. 2, in force since
//!   2018-01-01. Press of 2017-11-14 has the terms of five and three years. Recalled; check at the
//!   source: number, day, and the article.
//! - *The notice of 2017*: PBOC and CBRC, 2017-11-08, 《关于调整汽车贷款有关政策的通知》, in force since
//!   2018-01-01. China Daily of 2017-11-09 has all five shares and the day.
//! - *The notice of 2024*: PBOC and NFRA, published 2024-04-03, of the same title: lenders set the
//!   share of cars for one's own use themselves, the others stay at 70, 75 and 70 per cent. Xinhua
//!   of 2024-04-03 has these. Recalled; check at the source: that it holds since the day of its
//!   publication; and whether a used car for one's own use still counts as used (it does here,
//!   which is the stricter reading).
//! - *Article 18*: recalled; check at the source. Who is 16 and lives on their own work counts as of
//!   full capacity by its second paragraph; the pack is stricter.
//!
//! The press is no source of law, and no text of a regulator was read for this. Leases of vehicles are
//! not loans by the Measures: the pack limits their age alone. A vehicle that is not told is held
//! to the strictest (70 per cent, 36 months).
//!
//! # `generic`
//! | rule | source |
//! | --- | --- |
//! | at least 18 years | the age of majority in most places; some have 19 to 21 |
//! | at most 43 % of the income into debts | what 12 CFR 1026.43(e)(2)(vi) asked of qualified mortgages of the United States; replaced by a bound of the price by the amendments in effect since 2021-03-01, mandatory since 2022-10-01. A measure that is well known, and no law for other credits |
//! | at most 100 % financed | none is lent more than the price |

use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::rule::{Kinds, Limit, Rule, Scope, VehicleScope};
use crate::offer::{OfferKind, VehicleCondition, VehicleEnergy, VehicleKind};

/// Rules that come with their sources: see the tables of `cn-auto` and `generic` in
/// `docs/offers.md`, and what of them must still be checked by counsel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pack {
    /// Loans for vehicles in China.
    CnAuto,
    /// What is prudent where no law is known.
    Generic,
}

impl Pack {
    /// Its rules.
    #[must_use]
    pub fn rules(self) -> &'static [Rule] {
        match self {
            Self::CnAuto => &CN_AUTO,
            Self::Generic => &GENERIC,
        }
    }
}

const MEASURES: Date = date(2018, 1, 1);
const NOTICE_OF_2024: Date = date(2024, 4, 3);

const OF_AGE: Rule = of_all(Limit::AgeAtStart { min: Some(18), max: None });
const WHOLE_PRICE: Limit = Limit::LoanToValue { max: Decimal::ONE };

static CN_AUTO: [Rule; 9] = [
    OF_AGE,
    vehicle_loan(term(60), with(Some(VehicleCondition::New))),
    vehicle_loan(term(36), with(Some(VehicleCondition::Used))),
    own_use(80, VehicleEnergy::Conventional),
    own_use(85, VehicleEnergy::NewEnergy),
    commercial(70, VehicleEnergy::Conventional),
    commercial(75, VehicleEnergy::NewEnergy),
    vehicle_loan(financed(70), with(Some(VehicleCondition::Used))),
    vehicle_loan(WHOLE_PRICE, VehicleScope::ANY),
];

static GENERIC: [Rule; 3] =
    [OF_AGE, of_all(Limit::DebtToIncome { max: per_cent(43) }), of_all(WHOLE_PRICE)];

const fn of_all(limit: Limit) -> Rule {
    let scope = Scope { kinds: Kinds::ALL, vehicle: VehicleScope::ANY };
    Rule { limit, from: None, until: None, scope }
}

const fn vehicle_loan(limit: Limit, vehicle: VehicleScope) -> Rule {
    let kinds = Kinds::of(&[OfferKind::Loan, OfferKind::Instalment]);
    Rule { limit, from: Some(MEASURES), until: None, scope: Scope { kinds, vehicle } }
}

const fn own_use(share: u32, energy: VehicleEnergy) -> Rule {
    let vehicle =
        VehicleScope { kind: Some(VehicleKind::Passenger), energy: Some(energy), condition: None };
    let mut rule = vehicle_loan(financed(share), vehicle);
    rule.until = Some(NOTICE_OF_2024);
    rule
}

const fn commercial(share: u32, energy: VehicleEnergy) -> Rule {
    let kind = Some(VehicleKind::Commercial);
    let vehicle = VehicleScope { kind, energy: Some(energy), condition: None };
    vehicle_loan(financed(share), vehicle)
}

const fn with(condition: Option<VehicleCondition>) -> VehicleScope {
    VehicleScope { kind: None, energy: None, condition }
}

const fn term(months: u16) -> Limit {
    Limit::Term { min_months: None, max_months: Some(months) }
}

const fn financed(share: u32) -> Limit {
    Limit::LoanToValue { max: per_cent(share) }
}

const fn per_cent(of: u32) -> Decimal {
    Decimal::from_parts(of, 0, 0, false, 2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::offer::Offer;

    /// The most that is financed, in per cent, and the longest term, by the pack on a day.
    fn bounds(kind: &str, vehicle: serde_json::Value, day: Date) -> (String, Option<u16>) {
        let offer: Offer = serde_json::from_value(json!({"kind": kind, "annual_rate": 0,
            "terms_months": [12], "vehicle": vehicle}))
        .unwrap();
        let (mut share, mut term) = (Decimal::from(1_000), None);
        for rule in Pack::CnAuto.rules().iter().filter(|rule| rule.applies(day, &offer)) {
            match rule.limit() {
                Limit::LoanToValue { max } => share = share.min(*max * Decimal::ONE_HUNDRED),
                Limit::Term { max_months, .. } => {
                    term = [term, *max_months].into_iter().flatten().min();
                }
                _ => (),
            }
        }
        (share.normalize().to_string(), term)
    }

    #[test]
    fn vehicles_in_china_are_financed_as_the_notices_of_2017_and_2024_say() {
        let vehicle = |kind: &str, energy: &str, condition: &str| json!({"kind": kind, "energy": energy, "condition": condition});
        let (before, since) = (date(2024, 4, 2), date(2024, 4, 3));
        for (of, old, new, term) in [
            (vehicle("passenger", "conventional", "new"), "80", "100", 60),
            (vehicle("passenger", "new_energy", "new"), "85", "100", 60),
            (vehicle("commercial", "conventional", "new"), "70", "70", 60),
            (vehicle("commercial", "new_energy", "new"), "75", "75", 60),
            (vehicle("passenger", "new_energy", "used"), "70", "70", 36),
            (vehicle("commercial", "new_energy", "used"), "70", "70", 36),
            (json!(null), "70", "70", 36),
        ] {
            for kind in ["loan", "instalment"] {
                assert_eq!(bounds(kind, of.clone(), before), (old.into(), Some(term)), "{of}");
                assert_eq!(bounds(kind, of.clone(), since), (new.into(), Some(term)), "{of}");
            }
            assert_eq!(bounds("lease", of, since), ("1000".into(), None));
        }
    }

    #[test]
    fn every_rule_of_a_pack_is_one_that_a_domain_could_write() {
        for pack in [Pack::CnAuto, Pack::Generic] {
            for rule in pack.rules() {
                let written = serde_json::to_value(rule).unwrap();
                assert_eq!(serde_json::from_value::<Rule>(written).unwrap(), *rule);
            }
        }
        assert_eq!(serde_json::to_value(Pack::CnAuto).unwrap(), "cn-auto");
    }
}
