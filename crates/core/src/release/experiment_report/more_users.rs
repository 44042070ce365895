//! How many more users it would take to know.

use serde::Serialize;

use crate::maths::inference::effect::{Effect, GroupMetric};
use crate::maths::inference::sequential::{Sequence, confidence_sequence};

use super::comparison::{ALPHA, Comparison};
use crate::entities::ids::VariantId;

/// The normal deviate above which a fifth lies: with it an effect is seen with a power of 80%.
const DEVIATE_OF_POWER: f64 = 0.841_621_233_572_914_2;
/// The effect that is asked for beside the present one, as a share of the control's mean.
pub const ASKED_EFFECT: f64 = 0.05;
/// Users beyond whom no number is told: more than anybody has.
const MOST_USERS: f64 = 1e9;

/// What it would take to see an effect of a variant on the primary metric, if it is what it looks
/// like or is 5%: users of the variant and the control together, in their present proportion,
/// beside those there are, by whom the always-valid interval would exclude none with a probability
/// of 80%.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MoreUsers {
    /// The variant.
    pub variant: VariantId,
    /// For an effect of the present size; `None` when there is none, or no number is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_present_effect: Option<u64>,
    /// For an effect of [`ASKED_EFFECT`]; `None` when the control's mean is 0, or none is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_five_percent: Option<u64>,
    /// The same in a sentence.
    pub text: String,
}

impl MoreUsers {
    /// What it would take to see an effect of a variant.
    #[must_use]
    pub fn of(variant: &VariantId, comparison: &Comparison) -> Self {
        let effect = &comparison.effect;
        let asked = ASKED_EFFECT * effect.control.unadjusted_mean;
        let for_present_effect = more_users(effect, effect.estimate);
        let for_five_percent = more_users(effect, asked);
        let told = |users: Option<u64>, of: &str| match users {
            Some(0) => format!("an effect of {of} would most likely be seen by now"),
            Some(users) => format!("an effect of {of} would be seen with {users} more users"),
            None => format!("no number of users that anybody has would show an effect of {of}"),
        };
        let text = format!(
            "Of {variant}, {} and {}, of it and the control together, each with a probability of 80%.",
            told(for_present_effect, "the present size"),
            told(for_five_percent, "5%"),
        );
        Self { variant: variant.clone(), for_present_effect, for_five_percent, text }
    }
}

/// Users of both groups beside those of an effect until one of a size, in its units, is seen with
/// a power of 80%.
fn more_users(effect: &Effect, size: f64) -> Option<u64> {
    let present = effect.n().max(2.0);
    let spread = effect.standard_error * present.sqrt();
    let is_seen = |users: f64| is_seen(effect, size.abs(), (users, spread / users.sqrt()));
    let mut enough = present;
    while !is_seen(enough) {
        enough *= 2.0;
        if enough > MOST_USERS {
            return None;
        }
    }
    let mut few = if enough > present { enough / 2.0 } else { enough };
    while enough - few > 1.0 {
        let middle = f64::midpoint(few, enough);
        if is_seen(middle) { enough = middle } else { few = middle }
    }
    Some((enough - present).ceil().max(0.0) as u64)
}

/// Whether an effect of a size would be told from none by so many users with 80% power.
fn is_seen(effect: &Effect, size: f64, (users, standard_error): (f64, f64)) -> bool {
    let group = |n: u64, of: GroupMetric| GroupMetric { n, ..of };
    let then = Effect {
        estimate: size,
        standard_error,
        control: group(users as u64, effect.control),
        treatment: group(0, effect.treatment),
        ..*effect
    };
    let sequence = Sequence { alpha: ALPHA, ..Sequence::default() };
    let tested = confidence_sequence(&then, &sequence);
    let low = tested.ok().and_then(|tested| tested.low);
    low.is_some_and(|low| low >= DEVIATE_OF_POWER * standard_error)
}
