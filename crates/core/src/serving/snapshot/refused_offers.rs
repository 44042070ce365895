//! The offers of a catalogue that nobody can have: found once a day and for each change of the rules,
//! for they are the same for every request in which nobody applies.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;

/// What was found last: by which rules, on which day, and the positions.
type Found = (String, Date, Arc<[u32]>);

#[derive(Debug, Default)]
pub(super) struct RefusedOffers(Mutex<Option<Found>>);

impl RefusedOffers {
    /// The positions that were found by rules of a digest on a day, else those that are found now.
    pub(super) fn of(
        &self,
        (rules, on): (String, Date),
        find: impl FnOnce() -> Vec<u32>,
    ) -> Arc<[u32]> {
        // A panic while it is held leaves what was found before.
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((of_rules, of_day, found)) = known
            && (&of_rules, of_day) == (&rules, on)
        {
            return found;
        }
        let found: Arc<[u32]> = find().into();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((rules, on, found.clone()));
        found
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn they_are_found_anew_when_the_rules_or_the_day_are_others() {
        let refused = RefusedOffers::default();
        let (first, second) = (date(2026, 6, 1), date(2026, 6, 2));
        let found = |rules: &str, on, found: &[u32]| {
            refused.of((rules.to_owned(), on), || found.to_vec()).to_vec()
        };
        assert_eq!(found("a", first, &[1]), [1]);
        assert_eq!(found("a", first, &[2]), [1]);
        assert_eq!(found("b", first, &[3]), [3]);
        assert_eq!(found("b", second, &[4]), [4]);
    }
}
