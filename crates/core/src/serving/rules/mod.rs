//! Which items may be recommended, one rule a file, asked in this one place and
//! before anything is ranked.
//!
//! A new rule is a file with a [`Rule`], a reason in [`Ineligible`], and a line in
//! [`Rules::new`].

pub mod available;
pub mod dismissed;
pub mod eligible;
pub mod excluded;
pub mod filtered;
pub mod found;
pub mod listed;
pub mod seen;

use serde::Serialize;

use crate::entities::consent::ConsentedHistory;
use crate::entities::definition::{Definitions, DomainDefinition};
use crate::entities::ids::DomainId;
use crate::serving::request::SlateRequest;
use crate::serving::rules::available::Available;
use crate::serving::rules::dismissed::Dismissed;
use crate::serving::rules::eligible::{Application, Eligible};
use crate::serving::rules::excluded::Excluded;
use crate::serving::rules::filtered::Filtered;
use crate::serving::rules::found::Found;
use crate::serving::rules::listed::Listed;
use crate::serving::rules::seen::Seen;
use crate::serving::snapshot::CatalogueSnapshot;

/// Why an item may not be recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ineligible {
    /// It is deleted, hidden, out of stock, or outside its time of availability.
    Unavailable,
    /// The person had to do with it.
    Seen,
    /// The person asked not to see it again.
    Dismissed,
    /// The caller does not want it.
    Excluded,
    /// The caller's filter does not admit it.
    Filtered,
    /// The domain's rules, or the offer's terms, do not let who applies have its offer.
    NotEligible,
    /// The caller wants others put in order.
    NotListed,
    /// It has no word of what is asked for.
    NotFound,
}

/// What the rules have against each item of a catalogue, in order of positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals(Vec<Option<Ineligible>>);

impl Refusals {
    /// Nothing against so many items.
    #[must_use]
    pub fn none(items: usize) -> Self {
        Self(vec![None; items])
    }

    /// Refuses the item at a position, unless a rule before did.
    pub fn refuse(&mut self, position: usize, reason: Ineligible) {
        if let Some(refusal) = self.0.get_mut(position) {
            refusal.get_or_insert(reason);
        }
    }

    /// The reason of the first rule that refuses each item, in order of positions; `None` of
    /// those that may be recommended.
    #[must_use]
    pub fn reasons(&self) -> &[Option<Ineligible>] {
        &self.0
    }

    /// How many items may be recommended.
    #[must_use]
    pub fn admitted(&self) -> usize {
        self.0.iter().filter(|refusal| refusal.is_none()).count()
    }
}

/// A rule that items must keep to be recommended.
pub trait Rule {
    /// Refuses those items of a target's catalogue that do not keep it.
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals);
}

/// The rules of one request for one target.
pub struct Rules<'a>(Vec<Box<dyn Rule + 'a>>);

impl<'a> Rules<'a> {
    /// Every rule, in the order in which they are asked.
    #[must_use]
    pub fn new(
        request: &'a SlateRequest,
        (target, history): (&'a DomainId, &'a ConsentedHistory),
        definitions: &'a Definitions,
    ) -> Self {
        let schema = || definitions.get(target).map(DomainDefinition::schema).unwrap_or_default();
        let filters = request.filters.get(target).map(|filters| (&**filters, schema()));
        let seen = Seen::in_history((target, history), definitions, request.now);
        let mut rules: Vec<Box<dyn Rule + 'a>> = vec![Box::new(Available::at(request.now))];
        if !request.shows_seen {
            rules.push(Box::new(seen));
        }
        let others: [Box<dyn Rule + 'a>; 6] = [
            Box::new(Dismissed::in_history(target, history)),
            Box::new(Excluded::by_caller(target, &request.excluded)),
            Box::new(Filtered::by_caller(filters, request.now)),
            Box::new(Listed::by_caller(target, request.listed.as_ref())),
            Box::new(Found::by_words(request.words.as_ref())),
            Box::new(Eligible::by_rules(application(request, target, definitions))),
        ];
        rules.extend(others);
        Self(rules)
    }

    /// What the rules have against the items of the target's catalogue.
    #[must_use]
    pub fn refusals(&self, catalogue: &CatalogueSnapshot) -> Refusals {
        let mut refusals = Refusals::none(catalogue.len());
        self.0.iter().for_each(|rule| rule.refuse(catalogue, &mut refusals));
        refusals
    }
}

/// What offers of a target are looked at for; `None` where it is not defined.
pub(super) fn application<'a>(
    request: &'a SlateRequest,
    target: &DomainId,
    definitions: &'a Definitions,
) -> Option<Application<'a>> {
    Some(Application::new(definitions.get(target)?, request.applicant.as_ref(), request.now))
}
