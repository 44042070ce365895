//! What a rating is evidence of: at a minimum or above for the item, below against it or
//! nothing.

use crossfold_core::entities::ids::EventType;
use rust_decimal::Decimal;

/// The rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RatingRule {
    /// The least rating that tells for the item.
    pub(crate) min: Decimal,
    /// What it is then an event of.
    pub(crate) above: EventType,
    /// What a lower one is an event of; `None`: of nothing.
    pub(crate) below: Option<EventType>,
}

impl RatingRule {
    /// What a rating is an event of.
    pub(crate) fn event_type(&self, rating: Decimal) -> Option<&EventType> {
        if rating >= self.min { Some(&self.above) } else { self.below.as_ref() }
    }
}

/// The middle of the scale that ratings are on: what is below it is no praise. With one
/// value alone there is no scale, and every rating tells for its item.
pub(crate) fn middle(lowest: Decimal, highest: Decimal) -> Decimal {
    // Scales begin at 0, at 1 or at a half: half stars are MovieLens's.
    ((lowest + highest) / Decimal::TWO).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rating_tells_for_or_against_or_nothing() {
        let event_type = |name: &str| EventType::parse(name).unwrap();
        let mut rule =
            RatingRule { min: Decimal::new(35, 1), above: event_type("like"), below: None };
        assert_eq!(rule.event_type(Decimal::new(35, 1)).unwrap().as_str(), "like");
        assert_eq!(rule.event_type(Decimal::new(3, 0)), None);
        rule.below = Some(event_type("dislike"));
        assert_eq!(rule.event_type(Decimal::ONE).unwrap().as_str(), "dislike");
    }

    #[test]
    fn the_middle_of_usual_scales() {
        let middle = |low: i64, high: i64| middle(low.into(), high.into()).to_string();
        assert_eq!(middle(1, 5), "3");
        assert_eq!(middle(0, 10), "5");
        assert_eq!(middle(0, 1), "0.5");
        assert_eq!(middle(4, 4), "4");
    }
}
