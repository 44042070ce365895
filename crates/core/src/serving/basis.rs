//! What a decision rests on, as its record keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::entities::basis::{Basis, EvidenceBasis, digest_of_definition, digest_of_events};
use crate::entities::consent::{ConsentedHistory, CrossDomain};
use crate::entities::event::Event;
use crate::entities::ids::DomainId;
use crate::model::Model;
use crate::serving::admit::AdmittedRequest;
use crate::serving::decide::Serving;
use crate::serving::snapshot::CatalogueSnapshot;
use crate::serving::sources::bridges;

/// What a decision on this request rests on.
pub(super) fn basis_of(serving: &Serving<'_>, asked: &AdmittedRequest<'_>) -> Basis {
    let request = asked.request;
    let last_change = |(domain, snapshot): (&DomainId, &Arc<CatalogueSnapshot>)| {
        (domain.clone(), snapshot.last_change())
    };
    let basis = Basis {
        limit: request.limit,
        targets: request.targets.clone(),
        excluded: BTreeMap::new(),
        excluded_not_kept: 0,
        impersonal: !request.personalised,
        within_domains: request.cross_domain == CrossDomain::Never,
        reasons: request.explain.then(|| request.locale.tag().to_owned()),
        person_version: asked.version,
        catalogues: serving.catalogues.iter().map(last_change).collect(),
        sources: sources_of(serving.model, asked),
    };
    basis.excluding(&request.excluded)
}

/// The evidence that could move the slate: a target's own, and what the model carries to
/// it. Other evidence that is admitted tells no item from another, and is left out.
fn sources_of(model: Option<&Model>, asked: &AdmittedRequest<'_>) -> Vec<EvidenceBasis> {
    let mut used: BTreeMap<&DomainId, (BTreeSet<DomainId>, &ConsentedHistory)> = BTreeMap::new();
    for (target, history) in asked.histories() {
        let mut carried: BTreeSet<&DomainId> = BTreeSet::from([target]);
        carried.extend(model.into_iter().flat_map(|model| bridges::sources_of(model, target)));
        let domains = history.events().iter().map(|event| &event.domain);
        for from in domains.filter(|from| carried.contains(from)).collect::<BTreeSet<_>>() {
            used.entry(from).or_insert((BTreeSet::new(), history)).0.insert(target.clone());
        }
    }
    let source = |(domain, (targets, history)): (&DomainId, (_, &ConsentedHistory))| {
        evidence_of(domain, history, asked, targets)
    };
    used.into_iter().filter_map(source).collect()
}

/// `None` when there is nothing of the domain, or it is not defined.
fn evidence_of(
    domain: &DomainId,
    history: &ConsentedHistory,
    asked: &AdmittedRequest<'_>,
    targets: BTreeSet<DomainId>,
) -> Option<EvidenceBasis> {
    let events = || events_of(domain, history);
    Some(EvidenceBasis {
        domain: domain.clone(),
        targets,
        events: events().count(),
        digest: digest_of_events(events()),
        received_until: events().map(|event| event.received_at).max()?,
        definition: digest_of_definition(asked.definitions.get(domain)?),
    })
}

/// The events of one domain, newest first.
pub(super) fn events_of<'a>(
    domain: &'a DomainId,
    history: &'a ConsentedHistory,
) -> impl Iterator<Item = &'a Event> {
    history.events().iter().filter(move |event| event.domain == *domain)
}
