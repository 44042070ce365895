//! One rule: what it limits, when it holds, and for which offers.

use jiff::civil::Date;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::Reason;
use crate::applicant::{MAX_AGE, Region};
use crate::decimal;
use crate::offer::{
    MAX_SHARE_PLACES, MAX_TERM_MONTHS, Offer, OfferKind, Vehicle, VehicleCondition, VehicleEnergy,
    VehicleKind,
};

/// Most regions that one rule names.
const MAX_REGIONS: usize = 256;

/// What a rule limits. The module above says what each means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// Full years of age today.
    AgeAtStart {
        /// At least, 0 to 150.
        min: Option<u8>,
        /// At most, 0 to 150.
        max: Option<u8>,
    },
    /// Full years of age when the term ends.
    AgeAtEnd {
        /// At most, 0 to 150.
        max: u8,
    },
    /// The share of the income that goes into debts.
    DebtToIncome {
        /// At most, 0 to 1.
        max: Decimal,
    },
    /// The share of the price that is financed.
    LoanToValue {
        /// At most, 0 to 2.
        max: Decimal,
    },
    /// The term.
    Term {
        /// At least, in months.
        min_months: Option<u16>,
        /// At most, in months.
        max_months: Option<u16>,
    },
    /// The share of the price that is paid at once.
    DownPayment {
        /// At least, 0 to 1.
        min_share: Decimal,
    },
    /// Where it is to be had.
    Regions {
        /// In these alone; anywhere where there are none.
        only: Vec<Region>,
        /// In none of these.
        except: Vec<Region>,
    },
}

/// Kinds of offers; none of them stands for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u8);

const ALL_KINDS: [OfferKind; 4] =
    [OfferKind::Loan, OfferKind::Lease, OfferKind::Instalment, OfferKind::Insurance];

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self(0);

    /// These; every kind where there is none.
    #[must_use]
    pub const fn of(kinds: &[OfferKind]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < kinds.len() {
            bits |= 1 << kinds[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Whether the kind is one of them.
    #[must_use]
    pub fn contains(self, kind: OfferKind) -> bool {
        self == Self::ALL || self.0 & (1 << kind as u8) != 0
    }
}

/// What the vehicle of an offer is like; what does not stand may be anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VehicleScope {
    /// What it is used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<VehicleKind>,
    /// What drives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<VehicleEnergy>,
    /// Whether it had an owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<VehicleCondition>,
}

impl VehicleScope {
    /// Any vehicle.
    pub const ANY: Self = Self { kind: None, energy: None, condition: None };

    /// Whether it may be this vehicle. One that is not told may be any.
    fn may_be(&self, vehicle: Option<Vehicle>) -> bool {
        vehicle.is_none_or(|vehicle| {
            self.kind.is_none_or(|kind| kind == vehicle.kind)
                && self.energy.is_none_or(|energy| energy == vehicle.energy)
                && self.condition.is_none_or(|condition| condition == vehicle.condition)
        })
    }
}

/// Which offers a rule is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scope {
    /// Of these kinds.
    pub kinds: Kinds,
    /// For vehicles like this.
    pub vehicle: VehicleScope,
}

/// A rule, whose numbers are in range.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawRule")]
pub struct Rule {
    pub(super) limit: Limit,
    pub(super) from: Option<Date>,
    pub(super) until: Option<Date>,
    pub(super) scope: Scope,
}

/// Why a rule cannot be accepted: which, and what it must be like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule {rule} of eligibility {problem}")]
pub struct InvalidRule {
    /// Which rule.
    pub rule: &'static str,
    /// What it must be like.
    pub problem: String,
}

impl Rule {
    /// What it limits.
    #[must_use]
    pub fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Which offers it is for.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether it holds on this day.
    #[must_use]
    pub fn is_in_force(&self, today: Date) -> bool {
        self.from.is_none_or(|from| from <= today) && self.until.is_none_or(|until| today < until)
    }

    /// Whether it holds on this day, and is for this offer.
    #[must_use]
    pub fn applies(&self, today: Date, offer: &Offer) -> bool {
        self.is_in_force(today)
            && self.scope.kinds.contains(offer.kind())
            && self.scope.vehicle.may_be(offer.vehicle())
    }

    /// The reason for which an offer is refused by it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.limit {
            Limit::AgeAtStart { .. } => Reason::AgeAtStart,
            Limit::AgeAtEnd { .. } => Reason::AgeAtEnd,
            Limit::DebtToIncome { .. } => Reason::DebtToIncome,
            Limit::LoanToValue { .. } => Reason::LoanToValue,
            Limit::Term { .. } => Reason::Term,
            Limit::DownPayment { .. } => Reason::DownPayment,
            Limit::Regions { .. } => Reason::Region,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    AgeAtStart,
    AgeAtEnd,
    DebtToIncome,
    LoanToValue,
    Term,
    DownPayment,
    Regions,
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Self::AgeAtStart => "age_at_start",
            Self::AgeAtEnd => "age_at_end",
            Self::DebtToIncome => "debt_to_income",
            Self::LoanToValue => "loan_to_value",
            Self::Term => "term",
            Self::DownPayment => "down_payment",
            Self::Regions => "regions",
        }
    }

    /// The fields that it has beside those of every rule.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::AgeAtStart => &["min", "max"],
            Self::AgeAtEnd | Self::DebtToIncome | Self::LoanToValue => &["max"],
            Self::Term => &["min_months", "max_months"],
            Self::DownPayment => &["min_share"],
            Self::Regions => &["only", "except"],
        }
    }
}

/// A rule as callers write it: flat, so that a list in the place of an object is seen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a rule: an object with its name as rule")]
struct RawRule {
    rule: Name,
    #[serde(default, deserialize_with = "decimal::exact_option")]
    min: Option<Decimal>,
    #[serde(default, deserialize_with = "decimal::exact_option")]
    max: Option<Decimal>,
    #[serde(default)]
    min_months: Option<u16>,
    #[serde(default)]
    max_months: Option<u16>,
    #[serde(default, deserialize_with = "decimal::exact_option")]
    min_share: Option<Decimal>,
    #[serde(default)]
    only: Option<Vec<Region>>,
    #[serde(default)]
    except: Option<Vec<Region>>,
    #[serde(default)]
    from: Option<Date>,
    #[serde(default)]
    until: Option<Date>,
    #[serde(default, rename = "for")]
    scope: Option<RawScope>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScope {
    #[serde(default)]
    kind: Option<Vec<OfferKind>>,
    #[serde(default)]
    vehicle: Option<VehicleScope>,
}

impl TryFrom<RawRule> for Rule {
    type Error = InvalidRule;

    fn try_from(raw: RawRule) -> Result<Self, InvalidRule> {
        let rule = raw.rule.as_str();
        raw.parse().map_err(|problem| InvalidRule { rule, problem })
    }
}

impl RawRule {
    fn parse(self) -> Result<Rule, String> {
        let fields = self.rule.fields();
        let given = [
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("min_months", self.min_months.is_some()),
            ("max_months", self.max_months.is_some()),
            ("min_share", self.min_share.is_some()),
            ("only", self.only.is_some()),
            ("except", self.except.is_some()),
        ];
        if let Some((wrong, _)) = given.iter().find(|(name, is)| *is && !fields.contains(name)) {
            return Err(format!("has no {wrong}, but {}", fields.join(", ")));
        }
        if !given.iter().any(|(_, is_given)| *is_given) {
            return Err(format!("must have {}", fields.join(" or ")));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            return Err("must have a from before its until".into());
        }
        let (from, until) = (self.from, self.until);
        let scope = self.scope.as_ref().map(RawScope::parse).transpose()?.unwrap_or_default();
        Ok(Rule { limit: self.limit()?, from, until, scope })
    }

    fn limit(self) -> Result<Limit, String> {
        Ok(match self.rule {
            Name::AgeAtStart => {
                let (min, max) = (age("min", self.min)?, age("max", self.max)?);
                in_order(min, max)?;
                Limit::AgeAtStart { min, max }
            }
            Name::AgeAtEnd => {
                Limit::AgeAtEnd { max: age("max", self.max)?.ok_or("must have max")? }
            }
            Name::DebtToIncome => {
                Limit::DebtToIncome { max: share("max", self.max, Decimal::ONE)? }
            }
            Name::LoanToValue => Limit::LoanToValue { max: share("max", self.max, Decimal::TWO)? },
            Name::Term => {
                let (min_months, max_months) = (self.min_months, self.max_months);
                let is_term = |months| (1..=MAX_TERM_MONTHS).contains(&months);
                if ![min_months, max_months].into_iter().flatten().all(is_term) {
                    return Err(format!("must have months from 1 to {MAX_TERM_MONTHS}"));
                }
                in_order(min_months, max_months)?;
                Limit::Term { min_months, max_months }
            }
            Name::DownPayment => {
                Limit::DownPayment { min_share: share("min_share", self.min_share, Decimal::ONE)? }
            }
            Name::Regions => {
                let of = |list: Option<Vec<Region>>| match list {
                    Some(list) if list.is_empty() || list.len() > MAX_REGIONS => {
                        Err(format!("must name 1 to {MAX_REGIONS} regions"))
                    }
                    list => Ok(list.unwrap_or_default()),
                };
                Limit::Regions { only: of(self.only)?, except: of(self.except)? }
            }
        })
    }
}

fn age(name: &str, value: Option<Decimal>) -> Result<Option<u8>, String> {
    let whole = |value: Decimal| {
        let age = value.is_integer().then(|| value.to_u8()).flatten();
        age.filter(|age| *age <= MAX_AGE)
            .ok_or_else(|| format!("must have a {name} of whole years from 0 to {MAX_AGE}"))
    };
    value.map(whole).transpose()
}

fn share(name: &str, value: Option<Decimal>, most: Decimal) -> Result<Decimal, String> {
    let is_share = |value: &Decimal| {
        *value >= Decimal::ZERO && *value <= most && value.normalize().scale() <= MAX_SHARE_PLACES
    };
    value.filter(is_share).ok_or_else(|| {
        format!(
            "must have a {name} that is a fraction from 0 to {most} (50 % is 0.5), with at most \
             {MAX_SHARE_PLACES} decimal places"
        )
    })
}

fn in_order<T: PartialOrd>(least: Option<T>, most: Option<T>) -> Result<(), String> {
    match (least, most) {
        (Some(least), Some(most)) if least > most => {
            Err("must have no least that is above its most".into())
        }
        _ => Ok(()),
    }
}

impl RawScope {
    fn parse(&self) -> Result<Scope, String> {
        if self.kind.as_ref().is_some_and(Vec::is_empty) {
            return Err("must be for one kind of offer at least".into());
        }
        let kinds = self.kind.as_deref().map_or(Kinds::ALL, Kinds::of);
        Ok(Scope { kinds, vehicle: self.vehicle.unwrap_or_default() })
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut some = |name: &'static str, value: Option<serde_json::Value>| match value {
            Some(value) => map.serialize_entry(name, &value),
            None => Ok(()),
        };
        let json = |list: &[Region]| (!list.is_empty()).then(|| serde_json::json!(list));
        let rule = |name: Name| Some(name.as_str().into());
        match &self.limit {
            Limit::AgeAtStart { min, max } => {
                some("rule", rule(Name::AgeAtStart))?;
                some("min", min.map(Into::into))?;
                some("max", max.map(Into::into))?;
            }
            Limit::AgeAtEnd { max } => {
                some("rule", rule(Name::AgeAtEnd))?;
                some("max", Some((*max).into()))?;
            }
            Limit::DebtToIncome { max } => {
                some("rule", rule(Name::DebtToIncome))?;
                some("max", Some(max.to_string().into()))?;
            }
            Limit::LoanToValue { max } => {
                some("rule", rule(Name::LoanToValue))?;
                some("max", Some(max.to_string().into()))?;
            }
            Limit::Term { min_months, max_months } => {
                some("rule", rule(Name::Term))?;
                some("min_months", min_months.map(Into::into))?;
                some("max_months", max_months.map(Into::into))?;
            }
            Limit::DownPayment { min_share } => {
                some("rule", rule(Name::DownPayment))?;
                some("min_share", Some(min_share.to_string().into()))?;
            }
            Limit::Regions { only, except } => {
                some("rule", rule(Name::Regions))?;
                some("only", json(only))?;
                some("except", json(except))?;
            }
        }
        some("from", self.from.map(|from| from.to_string().into()))?;
        some("until", self.until.map(|until| until.to_string().into()))?;
        some("for", self.scope.written())?;
        map.end()
    }
}

impl Scope {
    fn written(self) -> Option<serde_json::Value> {
        let mut scope = serde_json::Map::new();
        if self.kinds != Kinds::ALL {
            let kinds: Vec<OfferKind> =
                ALL_KINDS.into_iter().filter(|kind| self.kinds.contains(*kind)).collect();
            scope.insert("kind".into(), serde_json::json!(kinds));
        }
        if self.vehicle != VehicleScope::ANY {
            scope.insert("vehicle".into(), serde_json::json!(self.vehicle));
        }
        (!scope.is_empty()).then_some(scope.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::json;

    fn read(rule: Value) -> Result<Rule, String> {
        json::from_value(rule).map_err(|error| error.to_string())
    }

    #[test]
    fn rules_of_every_kind_survive_json() {
        for rule in [
            json!({"rule": "age_at_start", "min": 18, "max": 65}),
            json!({"rule": "age_at_start", "min": 0}),
            json!({"rule": "age_at_end", "max": 70, "from": "2026-01-01", "until": "2027-01-01"}),
            json!({"rule": "debt_to_income", "max": "0.50"}),
            json!({"rule": "loan_to_value", "max": "0.8", "for": {"kind": ["loan", "lease"],
                "vehicle": {"kind": "passenger", "energy": "new_energy", "condition": "used"}}}),
            json!({"rule": "term", "min_months": 6, "max_months": 36}),
            json!({"rule": "down_payment", "min_share": "0.2", "for": {"kind": ["insurance"]}}),
            json!({"rule": "regions", "only": ["CN", "HK"], "except": ["CN-XZ"]}),
        ] {
            let parsed = read(rule.clone()).unwrap();
            assert_eq!(serde_json::to_value(&parsed).unwrap(), rule);
        }
        let by_number = read(json!({"rule": "loan_to_value", "max": 0.8})).unwrap();
        assert_eq!(by_number.limit(), &Limit::LoanToValue { max: Decimal::new(8, 1) });
    }

    #[test]
    fn a_rule_out_of_range_or_with_another_ones_fields_is_refused_in_words() {
        for (rule, words) in [
            (json!({"rule": "age_at_start"}), "must have min or max"),
            (json!({"rule": "age_at_start", "min": 30, "max": 20}), "above its most"),
            (json!({"rule": "age_at_start", "min": 17.5}), "whole years"),
            (json!({"rule": "age_at_end", "max": 151}), "whole years"),
            (json!({"rule": "age_at_end", "min": 18}), "has no min, but max"),
            (json!({"rule": "debt_to_income", "max": "1.1"}), "from 0 to 1"),
            (json!({"rule": "debt_to_income", "max": "-0.1"}), "from 0 to 1"),
            (json!({"rule": "loan_to_value", "max": "0.80000000001"}), "decimal places"),
            (json!({"rule": "term", "max_months": 0}), "months from 1 to 600"),
            (json!({"rule": "term", "min_months": 12, "max_months": 6}), "above its most"),
            (json!({"rule": "down_payment", "min_share": "1.1"}), "from 0 to 1"),
            (json!({"rule": "regions", "only": []}), "1 to 256 regions"),
            (json!({"rule": "regions", "only": ["C N"]}), "region must be"),
            (json!({"rule": "regions", "max": 3}), "has no max, but only, except"),
            (json!({"rule": "term", "max_months": 6, "for": {"kind": []}}), "one kind"),
            (json!({"rule": "term", "max_months": 6, "for": ["loan"]}), "invalid type"),
            (json!({"rule": "term", "max_months": 6, "from": "2026-13-01"}), "month"),
            (
                json!({"rule": "age_at_end", "max": 9, "from": "2026-01-01", "until": "2026-01-01"}),
                "from before its until",
            ),
            (json!({"rule": "gender", "only": ["x"]}), "unknown variant"),
            (json!({"rule": "term", "max_months": 6, "gender": "x"}), "unknown field"),
        ] {
            let why = read(rule.clone()).unwrap_err();
            assert!(why.contains(words), "{rule}: {why}");
        }
    }

    #[test]
    fn a_rule_holds_from_its_first_day_until_the_day_before_its_last() {
        let rule = read(json!({"rule": "term", "max_months": 6, "from": "2026-01-01",
            "until": "2027-01-01", "for": {"kind": ["loan"], "vehicle": {"condition": "used"}}}));
        let rule = rule.unwrap();
        let offer = |kind: &str, condition: Option<&str>| -> Offer {
            let vehicle = condition
                .map(|of| json!({"kind": "passenger", "energy": "conventional", "condition": of}));
            let offer = json!({"kind": kind, "annual_rate": 0, "terms_months": [12],
                "vehicle": vehicle});
            json::from_value(offer).unwrap()
        };
        let used = offer("loan", Some("used"));
        for (day, holds) in [
            ("2025-12-31", false),
            ("2026-01-01", true),
            ("2026-12-31", true),
            ("2027-01-01", false),
        ] {
            assert_eq!(rule.applies(day.parse().unwrap(), &used), holds, "{day}");
        }
        let today = "2026-06-01".parse().unwrap();
        assert!(!rule.applies(today, &offer("loan", Some("new"))));
        assert!(!rule.applies(today, &offer("lease", Some("used"))));
        assert!(rule.applies(today, &offer("loan", None)), "it may be a used one");
    }
}
