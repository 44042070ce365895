//! Sixth stage: why an item is on a slate.
//!
//! A score is exactly the sum of what each past item adds to it, so the past items
//! that add most are the reason. What a sequence model adds is no sum over past items: there
//! the items count by what the score would lose without them. Without any, the reason is that
//! others chose the item, or that it is new. A new item that is ranked by its text is said to
//! be so.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::entities::definition::Definitions;
use crate::entities::ids::{DomainId, ItemId};
use crate::evidence::items::{ItemOf, Row};
use crate::model::Model;
use crate::model::content::StandIns;
use crate::serving::admit::AdmittedRequest;
use crate::serving::decide::Serving;
use crate::serving::inspect::{CountedScore, Parts, ScoreParts, score_parts};
use crate::serving::offers::{ShownOffer, shown};
use crate::serving::reason::{Because, Evidence, Locale, Reason, ReasonCode, text};
use crate::serving::request::{SlateRequest, Words};
use crate::serving::rules::application;
use crate::serving::snapshot::{CatalogueEntry, Catalogues};
use crate::serving::sources::Source;

/// Past items named in one reason.
const MAX_NAMED: usize = 3;

/// What reasons are made from, the same for each item of a slate.
pub(super) struct Explainer<'a> {
    request: &'a SlateRequest,
    model: Option<&'a Model>,
    catalogues: &'a Catalogues,
    definitions: &'a Definitions,
    /// Domains whose items may be named.
    visible: &'a BTreeSet<DomainId>,
    now: Timestamp,
    locale: Locale,
    /// Whether past items may be named, as far as it was asked.
    named: RefCell<BTreeMap<Row, bool>>,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(serving: Serving<'a>, asked: &AdmittedRequest<'a>) -> Self {
        Self {
            request: asked.request,
            model: serving.model,
            catalogues: serving.catalogues,
            definitions: asked.definitions,
            visible: &asked.request.visible,
            now: asked.request.now,
            locale: asked.request.locale,
            named: RefCell::default(),
        }
    }

    /// The reason of an item that `source` scored; `None`: no source knows it. What the words that
    /// are looked for say of it comes first, of a context where it is most of the score.
    pub(super) fn reason(
        &self,
        entry: CatalogueEntry<'_>,
        source: Option<&dyn Source>,
        score: &CountedScore,
    ) -> Reason {
        let reason = self.reason_by_source(entry, source);
        let own = score.score / score.multiplier.unwrap_or(1.0) - score.words;
        let (code, because) = match &self.request.words {
            Some(Words::Query(query)) if score.words > 0.0 => {
                (ReasonCode::Query, Because::Query(query))
            }
            Some(Words::Context) if score.words > own.max(0.0) => {
                (ReasonCode::Context, Because::Context)
            }
            _ => return reason,
        };
        Reason { code, text: text(because, self.locale), ..reason }
    }

    fn reason_by_source(&self, entry: CatalogueEntry<'_>, source: Option<&dyn Source>) -> Reason {
        let name = self.platform(&entry.item.domain);
        let Some(source) = source else {
            return self.plain(ReasonCode::New, Because::Newness(name));
        };
        let mut evidence = source.evidence(entry);
        evidence.retain(|(past, _)| !source.is_disliked(*past));
        let evidence = self.evidence(evidence);
        if let Some(stand_ins) = entry.stand_ins {
            return self.by_description(entry, stand_ins, evidence);
        }
        let Some(first) = evidence.first() else {
            return self.plain(ReasonCode::Popular, Because::Others(name));
        };
        let title = first.item_id.as_ref().and_then(|id| self.title(&first.domain, id));
        if !source.is_proven() {
            let likeness = Because::TriedLikeness(title);
            let text = text(likeness, self.locale);
            return Reason { code: ReasonCode::Tentative, text, evidence };
        }
        let is_itself = first.domain == entry.item.domain
            && first.item_id.as_ref() == Some(&entry.item.item_id);
        let because = match title {
            Some(_) if is_itself => Because::Itself,
            Some(title) => Because::Item(title),
            None => Because::Domain(self.platform(&first.domain)),
        };
        Reason { code: ReasonCode::History, text: text(because, self.locale), evidence }
    }

    /// The reason of a new item that known ones stand in for: the one that counts most, and the
    /// evidence that is behind their scores.
    fn by_description(
        &self,
        entry: CatalogueEntry<'_>,
        stand_ins: &StandIns,
        evidence: Vec<Evidence>,
    ) -> Reason {
        let first = stand_ins.first().and_then(|row| self.model?.index().item(row));
        let title = first.and_then(|(domain, item)| self.title(domain, item));
        let name = self.platform(&entry.item.domain);
        let because = title.map_or(Because::LikenessOnDomain(name), Because::Likeness);
        Reason { code: ReasonCode::Description, text: text(because, self.locale), evidence }
    }

    /// What the score of an item that `source` scored is made up of.
    pub(super) fn contributions(
        &self,
        entry: CatalogueEntry<'_>,
        source: Option<&dyn Source>,
        score: CountedScore,
    ) -> ScoreParts {
        let contributions = source.map_or_else(Vec::new, |source| source.contributions(entry));
        let parts = Parts { contributions, sequence: source.and_then(|s| s.sequence(entry)) };
        score_parts(score, parts, self.model, self.visible, self.catalogues)
    }

    /// What the item's offer costs, where it carries one.
    pub(super) fn offer(&self, entry: CatalogueEntry<'_>) -> Option<ShownOffer> {
        if !self.request.shows_offers {
            return None;
        }
        let application = application(self.request, &entry.item.domain, self.definitions)?;
        shown(&application.case(entry.item)?)
    }

    /// The reason of an item that its platform promotes.
    pub(super) fn promotion(&self, entry: CatalogueEntry<'_>) -> Reason {
        let name = self.platform(&entry.item.domain);
        self.plain(ReasonCode::Promoted, Because::Promotion(name))
    }

    fn plain(&self, code: ReasonCode, because: Because<'_>) -> Reason {
        Reason { code, text: text(because, self.locale), evidence: Vec::new() }
    }

    /// A platform's name.
    fn platform<'b>(&'b self, domain: &'b DomainId) -> &'b str {
        self.definitions.get(domain).map_or(domain.as_str(), |definition| definition.name.as_str())
    }

    /// The title of a past item that a reason may name: one where the caller acts, and
    /// that its platform shows to people now.
    fn title(&self, domain: &DomainId, item: &ItemId) -> Option<&str> {
        let catalogue = self.catalogues.get(domain).filter(|_| self.visible.contains(domain))?;
        catalogue.title_to_show(item, self.now)
    }

    /// Whether a reason may name a past item: looked up once for all reasons of a slate.
    fn may_name(&self, row: Row, (domain, item): ItemOf<'_>) -> bool {
        let mut named = self.named.borrow_mut();
        *named.entry(row).or_insert_with(|| self.title(domain, item).is_some())
    }

    /// The past items that count most. What happened where the caller does not act
    /// is summed up by domain, so that no raw event of another platform is told; so is
    /// what happened with items that may not be shown, or of which that is not known.
    fn evidence(&self, contributions: Vec<(Row, f32)>) -> Vec<Evidence> {
        let total: f32 = contributions.iter().map(|(_, c)| c.max(0.0)).sum();
        let Some(model) = self.model.filter(|_| total > 0.0) else {
            return Vec::new();
        };
        let mut shares: BTreeMap<(&DomainId, Option<Row>), f32> = BTreeMap::new();
        for (row, contribution) in contributions.into_iter().filter(|(_, c)| *c > 0.0) {
            let Some((domain, item)) = model.index().item(row) else { continue };
            let named = self.may_name(row, (domain, item)).then_some(row);
            *shares.entry((domain, named)).or_default() += contribution / total;
        }
        let item = |row: Row| model.index().item(row).map(|(_, item)| item.clone());
        let of_item = |((domain, row), share): ((&DomainId, Option<Row>), f32)| Evidence {
            domain: domain.clone(),
            item_id: row.and_then(item),
            share,
        };
        let mut evidence: Vec<Evidence> = shares.into_iter().map(of_item).collect();
        evidence.sort_by(|a, b| b.share.total_cmp(&a.share));
        evidence.truncate(MAX_NAMED);
        evidence
    }
}
