//! First stage: what may be used, and what may be served.
//!
//! [`AdmittedRequest`] is a request after the door of consent: for each target, the
//! part of the person's history that may be used for it. Everything later works on
//! that part. [`admit`] then asks the [`rules`](crate::serving::rules) of each target's catalogue.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::entities::consent::{ConsentContext, ConsentedHistory, RecommendationUse};
use crate::entities::definition::{Definitions, DomainDefinition};
use crate::entities::ids::{DomainId, Pseudonym};
use crate::model::Model;
use crate::serving::boosts::Multipliers;
use crate::serving::fatigue::ShownOften;
use crate::serving::request::{Recipient, SlateRequest};
use crate::serving::rules::{Refusals, Rules};
use crate::serving::snapshot::{CatalogueSnapshot, Catalogues};
use crate::serving::sources::bridges;

/// Most catalogues that are looked into for titles alone, so that a person with a
/// history on many platforms costs no more than one with a few.
pub const MAX_TITLE_CATALOGUES: usize = 8;

/// Whether what happened on the platform `from` may be used for any target of a request.
/// Where it may not, [`ConsentedHistory::for_recommendation`] lets nothing of it through, so
/// it is not even read: that it is there, and how much of it, must not show in how long
/// the answer takes.
#[must_use]
pub fn may_use_evidence_of(
    from: &DomainId,
    request: &SlateRequest,
    context: ConsentContext<'_>,
) -> bool {
    let may_reach = |to: &DomainId| context.may_reach(from, to, request.cross_domain);
    may_reach(&request.display) && request.targets.iter().any(may_reach)
}

/// A request with what of the person's history may be used for each of its targets.
#[derive(Debug)]
pub struct AdmittedRequest<'a> {
    pub(super) request: &'a SlateRequest,
    pub(super) user: &'a Pseudonym,
    pub(super) definitions: &'a Definitions,
    /// The version of the person's record, where there is one.
    pub(super) version: Option<u64>,
    histories: BTreeMap<&'a DomainId, ConsentedHistory>,
}

impl<'a> AdmittedRequest<'a> {
    /// Takes from the person's history what consents, the request and the
    /// domains' definitions admit.
    #[must_use]
    pub fn new(
        request: &'a SlateRequest,
        recipient: Recipient<'a>,
        definitions: &'a Definitions,
    ) -> Self {
        let context = ConsentContext { ledger: recipient.consents, definitions, now: request.now };
        let admitted_for = |target: &'a DomainId| {
            let use_of_it = RecommendationUse {
                user: recipient.user,
                display: &request.display,
                target,
                cross_domain: request.cross_domain,
            };
            let history =
                ConsentedHistory::for_recommendation(recipient.history, context, &use_of_it);
            (target, if request.personalised { history } else { history.without_events() })
        };
        let histories = request.targets.iter().map(admitted_for).collect();
        let Recipient { user, version, .. } = recipient;
        Self { request, user, definitions, version, histories }
    }

    /// What of the person's history may be used, by target.
    pub(super) fn histories(&self) -> impl Iterator<Item = (&'a DomainId, &ConsentedHistory)> {
        self.histories.iter().map(|(&target, history)| (target, history))
    }

    /// The same request with another history for each target.
    pub(super) fn with_histories(
        self,
        change: impl Fn(&DomainId, ConsentedHistory) -> ConsentedHistory,
    ) -> Self {
        let histories = self.histories.into_iter();
        let changed = histories.map(|(target, history)| (target, change(target, history)));
        Self { histories: changed.collect(), ..self }
    }

    /// Domains other than the targets whose catalogues are needed to name evidence
    /// by its title: those that the caller acts for, where the person has evidence
    /// that the model carries to a target. At most [`MAX_TITLE_CATALOGUES`], those
    /// with the newest evidence; evidence of others is named by its platform.
    #[must_use]
    pub fn title_domains(&self, model: Option<&Model>) -> BTreeSet<DomainId> {
        let has_titles = self.request.explain || self.request.inspect;
        let Some(model) = model.filter(|_| has_titles) else {
            return BTreeSet::new();
        };
        let mut newest: BTreeMap<&DomainId, Timestamp> = BTreeMap::new();
        for (target, history) in &self.histories {
            let sources: BTreeSet<&DomainId> = bridges::sources_of(model, target).collect();
            for event in history.events().iter().filter(|event| sources.contains(&event.domain)) {
                let at = newest.entry(&event.domain).or_insert(event.occurred_at);
                *at = (*at).max(event.occurred_at);
            }
        }
        newest.retain(|domain, _| {
            self.request.visible.contains(*domain) && !self.request.targets.contains(*domain)
        });
        let mut domains: Vec<(&DomainId, Timestamp)> = newest.into_iter().collect();
        domains.sort_by_key(|(domain, at)| (Reverse(*at), *domain));
        domains.into_iter().take(MAX_TITLE_CATALOGUES).map(|(domain, _)| domain.clone()).collect()
    }
}

/// A target domain after this stage.
#[derive(Debug)]
pub struct AdmittedTarget<'a> {
    /// The domain.
    pub domain: &'a DomainId,
    /// Its catalogue.
    pub snapshot: &'a CatalogueSnapshot,
    /// What of the person's history may be used for it.
    pub history: &'a ConsentedHistory,
    /// Which of its items may not be served, and why.
    pub refusals: Refusals,
    /// How much more or less its items count, where the caller or fatigue says so.
    pub multipliers: Option<Multipliers>,
    /// What the caller says alone, where fatigue says more.
    boosts: Option<Multipliers>,
    /// What the user was shown often of it, and counts for less.
    pub shown_often: ShownOften,
}

impl AdmittedTarget<'_> {
    /// How much more or less its items count, for the user or for anyone.
    pub(super) fn multipliers_for(&self, is_for_anyone: bool) -> Option<&Multipliers> {
        match is_for_anyone && !self.shown_often.is_empty() {
            true => self.boosts.as_ref(),
            false => self.multipliers.as_ref(),
        }
    }
}

/// The request's targets, each with what the rules have against its items, in order of
/// domains. A target without a catalogue has nothing to serve and is left out.
#[must_use]
pub fn admit<'a>(
    asked: &'a AdmittedRequest<'a>,
    catalogues: &'a Catalogues,
) -> Vec<AdmittedTarget<'a>> {
    let admitted = |(&domain, history): (&&'a DomainId, &'a ConsentedHistory)| {
        let snapshot = &**catalogues.get(domain)?;
        let rules = Rules::new(asked.request, (domain, history), asked.definitions);
        let refusals = rules.refusals(snapshot);
        let shown_often = ShownOften::of(history, asked.request);
        let none = ShownOften::default();
        let boosts = (!shown_often.is_empty())
            .then(|| multipliers(asked, (domain, snapshot), &none))
            .flatten();
        let multipliers = multipliers(asked, (domain, snapshot), &shown_often);
        Some(AdmittedTarget {
            domain,
            snapshot,
            history,
            refusals,
            multipliers,
            boosts,
            shown_often,
        })
    };
    asked.histories.iter().filter_map(admitted).collect()
}

fn multipliers(
    asked: &AdmittedRequest<'_>,
    (domain, snapshot): (&DomainId, &CatalogueSnapshot),
    shown_often: &ShownOften,
) -> Option<Multipliers> {
    let boosts = asked.request.boosts.get(domain).map(Vec::as_slice).unwrap_or_default();
    let fatigued = shown_often.multipliers(snapshot, asked.request.fatigue);
    let schema = asked.definitions.get(domain).map(DomainDefinition::schema).unwrap_or_default();
    Multipliers::of((boosts, &fatigued), (snapshot, &schema), asked.request.now)
}
