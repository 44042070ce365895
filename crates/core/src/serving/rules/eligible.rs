//! An offer that who applies cannot have is not recommended.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::entities::applicant::Applicant;
use crate::entities::basis::digest_of_eligibility;
use crate::entities::catalogue::Item;
use crate::entities::definition::DomainDefinition;
use crate::entities::eligibility::{Case, NO_RULES, is_refused};
use crate::serving::rules::{Ineligible, Refusals, Rule};
use crate::serving::snapshot::CatalogueSnapshot;

/// What offers of a domain are looked at for: the domain's rules on a day, and who applies.
#[derive(Debug, Clone, Copy)]
pub struct Application<'a> {
    definition: &'a DomainDefinition,
    applicant: Option<&'a Applicant>,
    now: Timestamp,
}

impl<'a> Application<'a> {
    /// Of who applies, or of nobody in particular, at an instant.
    pub(in crate::serving) fn new(
        definition: &'a DomainDefinition,
        applicant: Option<&'a Applicant>,
        now: Timestamp,
    ) -> Self {
        Self { definition, applicant, now }
    }

    /// The case of an item; `None` where it carries no offer.
    pub(in crate::serving) fn case<'b>(&self, item: &'b Item) -> Option<Case<'b>>
    where
        'a: 'b,
    {
        let details = item.details.as_ref()?;
        Some(Case {
            offer: details.offer.as_deref()?,
            price: details.price,
            currency: self.definition.currency,
            rules: self.definition.eligibility.as_ref().unwrap_or(&NO_RULES),
            applicant: self.applicant,
            today: day_of(self.now),
        })
    }
}

/// The day of an instant, in UTC.
pub(in crate::serving) fn day_of(instant: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(instant).date()
}

/// Refuses items whose offer cannot be had on any of its terms.
pub(super) struct Eligible<'a> {
    application: Option<Application<'a>>,
}

impl<'a> Eligible<'a> {
    /// What is known of who applies; `None` where the domain is not defined.
    pub(super) fn by_rules(application: Option<Application<'a>>) -> Self {
        Self { application }
    }
}

impl Rule for Eligible<'_> {
    fn refuse(&self, catalogue: &CatalogueSnapshot, refusals: &mut Refusals) {
        let has_offers = catalogue.with_offers().next().is_some();
        let Some(application) = self.application.as_ref().filter(|_| has_offers) else { return };
        let is_refused = |position: usize| {
            let case = application.case(catalogue.entry(position).item);
            case.is_some_and(|case| is_refused(&case))
        };
        if application.applicant.is_none() {
            let on = day_of(application.now);
            let rules = (digest_of_eligibility(application.definition, on), on);
            let find = || {
                let refused = catalogue.with_offers().filter(|position| is_refused(*position));
                refused.map(|position| position as u32).collect()
            };
            for position in catalogue.refused_offers(rules, find).iter() {
                refusals.refuse(*position as usize, Ineligible::NotEligible);
            }
            return;
        }
        for position in catalogue.with_offers() {
            // It takes longer than any other rule.
            if refusals.reasons()[position].is_none() && is_refused(position) {
                refusals.refuse(position, Ineligible::NotEligible);
            }
        }
    }
}
