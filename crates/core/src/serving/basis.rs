//! What a decision rests on, as its record keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::entities::basis::{
    Basis, CalibrationBasis, DiversityBasis, EvidenceBasis, FatigueBasis, FilterBasis, FilterUse,
    KeptBackBasis, QuotaBasis, REVISION, digest_of_definition, digest_of_eligibility,
    digest_of_events, digest_of_items,
};
use crate::entities::catalogue::ChangeNumber;
use crate::entities::consent::{ConsentedHistory, CrossDomain};
use crate::entities::decision::SlateEntry;
use crate::entities::definition::DomainDefinition;
use crate::entities::event::Event;
use crate::entities::filter::Filter;
use crate::entities::ids::DomainId;
use crate::entities::item_set::{ItemDigest, ItemSet};
use crate::entities::kept_back::KeptBackBy;
use crate::model::Model;
use crate::serving::admit::AdmittedRequest;
use crate::serving::decide::{DrawnFrom, Serving};
use crate::serving::diversify::Composition;
use crate::serving::request::SlateRequest;
use crate::serving::rules::eligible::day_of;
use crate::serving::snapshot::{CatalogueSnapshot, Catalogues};
use crate::serving::sources::bridges;

/// What a decision for this slate rests on.
pub(super) fn basis_of(
    serving: &Serving<'_>,
    asked: &AdmittedRequest<'_>,
    (slate, drawn_from): (&[SlateEntry], DrawnFrom),
) -> Basis {
    let request = asked.request;
    let (diversity, calibration) = composed_of(request, &drawn_from);
    let last_change = |(domain, snapshot): (&DomainId, &Arc<CatalogueSnapshot>)| {
        (domain.clone(), snapshot.last_change())
    };
    let eligibility = eligibility_of(serving.catalogues, asked);
    let basis = Basis {
        revision: REVISION,
        limit: request.limit,
        targets: request.targets.clone(),
        excluded: BTreeMap::new(),
        excluded_not_kept: 0,
        filters: filters_of(asked),
        diversity,
        calibration,
        quotas: quotas_of(asked),
        fatigue: request.fatigue.map(|rule| FatigueBasis { rule, shown: drawn_from.shown }),
        exploration: drawn_from.exploration,
        with_words: request.words.is_some(),
        with_applicant: request.applicant.is_some() && !eligibility.is_empty(),
        eligibility,
        listed: BTreeMap::new(),
        listed_not_kept: 0,
        impersonal: !request.personalised,
        within_domains: request.cross_domain == CrossDomain::Never,
        reasons: request.explain.then(|| request.locale.tag().to_owned()),
        person_version: asked.version,
        catalogues: serving.catalogues.iter().map(last_change).collect(),
        described: described(serving, CatalogueSnapshot::described_until),
        described_from: described(serving, CatalogueSnapshot::described_from),
        sources: sources_of(serving.model, asked),
        kept_back: kept_back_of(asked, slate),
    };
    let basis = match basis.with_applicant || basis.with_words {
        // By what else was asked, and what it was drawn from, it could be told who applied or what
        // was looked for; and no such slate is made again.
        true => Basis {
            filters: Vec::new(),
            quotas: Vec::new(),
            exploration: None,
            diversity: None,
            calibration: None,
            fatigue: None,
            ..basis
        },
        false => basis,
    };
    if basis.with_applicant {
        return basis;
    }
    let basis = basis.excluding(&request.excluded);
    match &request.listed {
        Some(listed) => basis.of_listed(listed),
        None => basis,
    }
}

/// The digests of what the targets that have offers say of who may have them.
fn eligibility_of(
    catalogues: &Catalogues,
    asked: &AdmittedRequest<'_>,
) -> BTreeMap<DomainId, String> {
    let has_offers = |target: &&DomainId| {
        catalogues.get(*target).is_some_and(|snapshot| snapshot.with_offers().next().is_some())
    };
    let digest = |target: &DomainId| {
        let definition = asked.definitions.get(target)?;
        Some((target.clone(), digest_of_eligibility(definition, day_of(asked.request.now))))
    };
    asked.request.targets.iter().filter(has_offers).filter_map(digest).collect()
}

/// What the slate was to be as a whole, and what it was chosen from.
fn composed_of(
    request: &SlateRequest,
    drawn_from: &DrawnFrom,
) -> (Option<DiversityBasis>, Option<CalibrationBasis>) {
    let pools = drawn_from.pools.clone();
    match request.composed.as_ref().map(|composed| composed.by) {
        None => (None, None),
        Some(Composition::Diverse(share)) => (Some(DiversityBasis { share, pools }), None),
        Some(Composition::Calibrated(share)) => {
            let interests = drawn_from.interests.clone();
            (None, Some(CalibrationBasis { share, pools, interests }))
        }
    }
}

/// The quotas of all targets.
fn quotas_of(asked: &AdmittedRequest<'_>) -> Vec<QuotaBasis> {
    let of_target = |target: &DomainId| -> Vec<QuotaBasis> {
        let schema = asked.definitions.get(target).map(DomainDefinition::schema);
        let schema = schema.unwrap_or_default();
        let quotas = asked.request.quotas.get(target).into_iter().flatten();
        let basis = quotas.map(|quota| QuotaBasis {
            target: target.clone(),
            filter: quota.filter.as_ref().map(|of| FilterBasis::of(FilterUse::Admits, of, &schema)),
            each_category: quota.each_category,
            most: quota.most,
        });
        basis.collect()
    };
    asked.request.targets.iter().flat_map(of_target).collect()
}

/// Filters as they were written, with what they were for; those of targets that mean the same by it
/// together.
fn filters_of(asked: &AdmittedRequest<'_>) -> Vec<FilterBasis> {
    let mut kept: Vec<FilterBasis> = Vec::new();
    for target in &asked.request.targets {
        let schema = asked.definitions.get(target).map(DomainDefinition::schema);
        let schema = schema.unwrap_or_default();
        for (used, filter) in used_filters(asked.request, target) {
            let of_target = FilterBasis::of(used, filter, &schema);
            let same = |other: &&mut FilterBasis| {
                (other.used, &other.source, &other.attributes)
                    == (of_target.used, &of_target.source, &of_target.attributes)
                    // The same boost twice counts twice.
                    && !other.targets.contains(target)
            };
            match kept.iter_mut().find(same) {
                Some(same) => _ = same.targets.insert(target.clone()),
                None => kept.push(FilterBasis { targets: [target.clone()].into(), ..of_target }),
            }
        }
    }
    kept
}

/// The filters of a target, with what each is for.
fn used_filters<'a>(
    request: &'a SlateRequest,
    target: &DomainId,
) -> impl Iterator<Item = (FilterUse, &'a Filter)> {
    let filters = request.filters.get(target).into_iter().flatten();
    let filters = filters.map(|filter| (FilterUse::Admits, filter));
    let boosts = request.boosts.get(target).into_iter().flatten();
    let boosts = boosts.map(|boost| (FilterUse::Boosts(boost.factor), &boost.filter));
    let promotions = request.promotions.get(target).into_iter().flatten();
    let promotions = promotions.map(|own| (FilterUse::Promotes(own.slot), &own.filter));
    filters.chain(boosts).chain(promotions)
}

/// Up to which change of each catalogue new items were ranked by their text, or from which on.
fn described(
    serving: &Serving<'_>,
    change: impl Fn(&CatalogueSnapshot) -> Option<ChangeNumber>,
) -> BTreeMap<DomainId, ChangeNumber> {
    let of_domain = |(domain, snapshot): (&DomainId, &Arc<CatalogueSnapshot>)| {
        Some((domain.clone(), change(snapshot)?))
    };
    serving.catalogues.iter().filter_map(of_domain).collect()
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
        digest: digest_of_events(&asked.request.recommendation_id, events()),
        received_until: events().map(|event| event.received_at).max()?,
        definition: digest_of_definition(asked.definitions.get(domain)?),
    })
}

/// What was kept from the slate, of which nothing is on it: older events that do not count as
/// seen keep nothing from it.
fn kept_back_of(asked: &AdmittedRequest<'_>, slate: &[SlateEntry]) -> Vec<KeptBackBasis> {
    let mut kept_back = kept_back(asked);
    for by_target in kept_back.values_mut() {
        for entry in slate {
            if let Some(items) = by_target.get_mut(&entry.domain) {
                items.remove(ItemDigest::of(&entry.item_id));
            }
        }
        by_target.retain(|_, items| !items.is_empty());
    }
    kept_back.retain(|_, by_target| !by_target.is_empty());
    let basis = |(by, items): (KeptBackBy, ItemsByTarget<'_>)| KeptBackBasis {
        by,
        targets: items.keys().map(|&target| target.clone()).collect(),
        items: items.values().map(ItemSet::len).sum(),
        digest: digest_of_items(&asked.request.recommendation_id, sets(&items)),
    };
    kept_back.into_iter().map(basis).collect()
}

/// Items that are kept back, by the target that they are of.
pub(super) type ItemsByTarget<'a> = BTreeMap<&'a DomainId, ItemSet>;

/// What is kept from a slate, by what lets it be.
pub(super) fn kept_back<'a>(
    asked: &AdmittedRequest<'a>,
) -> BTreeMap<KeptBackBy, ItemsByTarget<'a>> {
    let mut kept_back: BTreeMap<KeptBackBy, ItemsByTarget<'a>> = BTreeMap::new();
    // What was seen is left on a list that is put in order.
    let is_list = asked.request.shows_seen;
    for (target, history) in asked.histories() {
        let sets = if is_list { history.dismissed_by() } else { history.kept_back() };
        for (by, items) in sets {
            kept_back.entry(by).or_default().insert(target, items);
        }
    }
    kept_back
}

/// The sets of [`ItemsByTarget`], in order of targets.
pub(super) fn sets<'a>(
    items: &'a ItemsByTarget<'_>,
) -> impl Iterator<Item = (&'a DomainId, &'a ItemSet)> {
    items.iter().map(|(&target, items)| (target, items))
}

/// The events of one domain, newest first.
pub(super) fn events_of<'a>(
    domain: &'a DomainId,
    history: &'a ConsentedHistory,
) -> impl Iterator<Item = &'a Event> {
    history.events().iter().filter(move |event| event.domain == *domain)
}
