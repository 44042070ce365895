//! Which items may be recommended, one rule a file, asked in this one place and
//! before anything is ranked.
//!
//! A new rule is a file with a [`Rule`], a reason in [`Ineligible`], and a line in
//! [`Rules::new`].

pub mod available;
pub mod dismissed;
pub mod excluded;
pub mod seen;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::entities::catalogue::Item;
use crate::entities::consent::ConsentedHistory;
use crate::entities::definition::Definitions;
use crate::entities::ids::{DomainId, ItemId};
use crate::serving::request::SlateRequest;
use crate::serving::rules::available::Available;
use crate::serving::rules::dismissed::Dismissed;
use crate::serving::rules::excluded::Excluded;
use crate::serving::rules::seen::Seen;
use crate::serving::snapshot::CatalogueEntry;

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
}

/// A rule that items must keep to be recommended.
pub trait Rule {
    /// What the rule has against an item; `None` when nothing.
    fn refuses(&self, entry: &CatalogueEntry<'_>) -> Option<Ineligible>;
}

/// Items by reference, so that a look-up copies nothing.
type ItemRefs<'a> = BTreeSet<(&'a DomainId, &'a ItemId)>;

/// Whether an item is among some.
fn is_among(items: &ItemRefs<'_>, item: &Item) -> bool {
    items.contains(&(&item.domain, &item.item_id))
}

/// The rules of one request for one target.
pub struct Rules<'a>(Vec<Box<dyn Rule + 'a>>);

impl<'a> Rules<'a> {
    /// Every rule, in the order in which they are asked.
    #[must_use]
    pub fn new(
        request: &'a SlateRequest,
        history: &'a ConsentedHistory,
        definitions: &Definitions,
    ) -> Self {
        Self(vec![
            Box::new(Available::at(request.now)),
            Box::new(Seen::in_history(history, definitions, request.now)),
            Box::new(Dismissed::in_history(history)),
            Box::new(Excluded::by_caller(&request.excluded)),
        ])
    }

    /// The reason of the first rule that refuses an item; `None` when it may be
    /// recommended.
    #[must_use]
    pub fn refuse(&self, entry: &CatalogueEntry<'_>) -> Option<Ineligible> {
        self.0.iter().find_map(|rule| rule.refuses(entry))
    }
}
