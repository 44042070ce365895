//! A made-up domain with a model, a catalogue and people, to measure serving on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use crossfold_core::entities::catalogue::{ChangeNumber, Item, ItemDetails};
use crossfold_core::entities::consent::ConsentLedger;
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::event::Event;
use crossfold_core::entities::filter::Filter;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{
    DomainId, EventId, EventType, ItemId, Pseudonym, RecommendationId, TrainingRunId,
};
use crossfold_core::evidence::inputs::InputDistribution;
use crossfold_core::evidence::items::ItemIndex;
use crossfold_core::evidence::popularity::PeopleOfDomain;
use crossfold_core::evidence::scaling::EvidenceScaling;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::model::bridges::Bridges;
use crossfold_core::model::look_alikes::LookAlikes;
use crossfold_core::model::mixtures::Mixtures;
use crossfold_core::model::scoring::{ScoringTables, TableParts};
use crossfold_core::model::{Artefact, Model, ModelParts, Provenance, Sections};
use crossfold_core::serving::admit::AdmittedRequest;
use crossfold_core::serving::decide::{Decided, Serving, decide};
use crossfold_core::serving::diversify::{Composed, Composition};
use crossfold_core::serving::explore_share::Explored;
use crossfold_core::serving::policy::ALS_FOLD_IN;
use crossfold_core::serving::request::{Occasion, Recipient, SlateRequest};
use crossfold_core::serving::snapshot::{CatalogueSnapshot, Catalogues};
use jiff::{SignedDuration, Timestamp};
use ndarray::Array2;
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use crate::args::BenchServeArgs;

/// The instant of the requests.
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
/// People that the made-up model was drawn from.
const PEOPLE_OF_MODEL: u64 = 100_000;

/// The domain, and who asks.
pub(super) struct World {
    domain: DomainId,
    user: Pseudonym,
    definitions: Definitions,
    request: SlateRequest,
    /// The same with all that a request may wish.
    wishing: SlateRequest,
    catalogues: Catalogues,
    pub(super) model: Model,
    /// The rows of the items that each person took, the last taken first.
    pub(super) people: Vec<Vec<u32>>,
}

impl World {
    pub(super) fn new(args: &BenchServeArgs, items: usize) -> Result<Self> {
        let domain = DomainId::parse("items")?;
        let definition: DomainDefinition = serde_json::from_value(json!({
            "name": "Items", "currency": "CNY", "event_types": {"take": {"weight": 1.0}},
            "attributes": {"brand": "text"}, "eligibility": {"pack": "cn-auto"},
        }))?;
        let mut rng = ChaCha8Rng::seed_from_u64(args.data_seed);
        let ids: Vec<ItemId> = (0..items).map(item_id).collect::<Result<_>>()?;
        let index = ItemIndex::new(ids.iter().map(|id| (domain.clone(), id.clone())).collect());
        let model = model_of(index, args.factors, &mut rng)?;
        let entries = ids.iter().enumerate().map(|(number, id)| entry(&domain, number, id));
        let entries: Vec<Item> = entries.collect::<Result<_>>()?;
        let snapshot = Arc::new(CatalogueSnapshot::new(entries, Some(&model)));
        let mut person = || {
            let taken = sample(&mut rng, items, args.history.min(items / 2));
            taken.into_iter().map(|item| item as u32).collect()
        };
        let people = (0..args.people).map(|_| person()).collect();
        let definitions = Definitions::from([(domain.clone(), definition)]);
        Ok(Self {
            user: Pseudonym::parse("person")?,
            wishing: wishing(request(&domain)?, &definitions[&domain])?,
            request: request(&domain)?,
            definitions,
            catalogues: BTreeMap::from([(domain.clone(), snapshot)]),
            domain,
            model,
            people,
        })
    }

    /// What a person took, one a day.
    pub(super) fn history(&self, taken: &[u32]) -> Result<History> {
        let event = |(days, item): (usize, &u32)| {
            let occurred_at = NOW - SignedDuration::from_hours(24 * (days as i64 + 1));
            Ok(Event {
                event_id: EventId::parse(&format!("event-{days}"))?,
                user: self.user.clone(),
                domain: self.domain.clone(),
                event_type: EventType::parse("take")?,
                item_id: item_id(*item as usize)?,
                occurred_at,
                received_at: occurred_at,
                domain_life: 0,
                value: None,
                dwell_seconds: None,
            })
        };
        let events: Vec<Event> = taken.iter().enumerate().map(event).collect::<Result<_>>()?;
        Ok(History::new(events, []))
    }

    /// A whole decision.
    pub(super) fn decide(&self, history: &History, limit: usize) -> Decided {
        self.decided(history, &SlateRequest { limit, ..self.request.clone() })
    }

    /// The same with a filter, offers and the rules of who can have them, diversity and exploration.
    pub(super) fn decide_all(&self, history: &History, limit: usize) -> Decided {
        self.decided(history, &SlateRequest { limit, ..self.wishing.clone() })
    }

    fn decided(&self, history: &History, request: &SlateRequest) -> Decided {
        let consents = ConsentLedger::default();
        let recipient = Recipient { user: &self.user, consents: &consents, history, version: None };
        let asked = AdmittedRequest::new(request, recipient, &self.definitions);
        let serving = Serving {
            model: Some(&self.model),
            catalogues: &self.catalogues,
            policy: &ALS_FOLD_IN,
            degraded: &[],
        };
        decide(serving, &asked)
    }

    /// Writes the items' factors and what people took, for other libraries.
    pub(super) fn export(&self, file: &Path) -> Result<()> {
        let factors = self.model.item_factors();
        let values: Vec<u8> = factors.iter().flat_map(|value| value.to_le_bytes()).collect();
        let taken = self.people.iter().flatten().flat_map(|row| row.to_le_bytes());
        let taken: Vec<u8> = taken.collect();
        let history = self.people.first().map_or(0, Vec::len);
        let people_shape = vec![self.people.len(), history];
        let tensors = [
            ("factors", TensorView::new(Dtype::F32, factors.shape().to_vec(), &values)?),
            ("people", TensorView::new(Dtype::U32, people_shape, &taken)?),
        ];
        safetensors::serialize_to_file(tensors, None, file)
            .with_context(|| format!("{} cannot be written", file.display()))
    }
}

fn item_id(number: usize) -> Result<ItemId> {
    Ok(ItemId::parse(&format!("item-{number:07}"))?)
}

/// A request with all that one may wish.
fn wishing(request: SlateRequest, definition: &DomainDefinition) -> Result<SlateRequest> {
    let filter = Filter::parse(
        "price between 100 and 8000 and brand in [\"BYD\", \"Geely\", \"Li\", \"NIO\"]",
        &definition.schema(),
    );
    let filter = filter.map_err(|error| anyhow!("{error}"))?;
    Ok(SlateRequest {
        filters: BTreeMap::from([(request.display.clone(), vec![filter])]),
        composed: Some(Composed::by(Composition::Diverse(0.2.try_into()?))),
        exploration: Some(Explored { share: 0.1.try_into()?, then: None }),
        ..request
    })
}

/// An entry of the catalogue: every tenth is hidden, every twentieth not offered yet, every third
/// carries a loan.
fn entry(domain: &DomainId, number: usize, id: &ItemId) -> Result<Item> {
    const BRANDS: [&str; 7] = ["Aito", "BYD", "Geely", "Li", "NIO", "Volvo", "XPeng"];
    let mut details = json!({
        "title": format!("Item {number}"),
        "categories": [format!("kind {}", number % 40)],
        "price": format!("{}.90", 10 + number % 9_000),
        "attributes": {"brand": BRANDS[number % BRANDS.len()]},
    });
    if number.is_multiple_of(3) {
        details["offer"] = json!({
            "kind": "loan", "annual_rate": "0.06", "terms_months": [12, 36],
            "min_down_payment": "0.2",
            "vehicle": {"kind": "passenger", "energy": "new_energy", "condition": "new"},
        });
    }
    if number.is_multiple_of(10) {
        details["status"] = "hidden".into();
    }
    if number % 20 == 3 {
        details["available_from"] = (NOW + SignedDuration::from_hours(24)).to_string().into();
    }
    Ok(Item {
        domain: domain.clone(),
        item_id: id.clone(),
        details: Some(ItemDetails::parse(details)?),
        updated_at: NOW,
        change: ChangeNumber(number as u64 + 1),
    })
}

fn request(domain: &DomainId) -> Result<SlateRequest> {
    let recommendation_id = RecommendationId::parse("recommendation")?;
    let occasion = Occasion { recommendation_id, seed: 7, now: NOW, display: domain.clone() };
    Ok(SlateRequest { limit: 1, ..SlateRequest::of(occasion) })
}

/// A model with factors drawn from a normal distribution, as large as fitted ones.
fn model_of(index: ItemIndex, factors: usize, rng: &mut ChaCha8Rng) -> Result<Model> {
    let params = AlsOptions { factors, ..AlsOptions::default() }.check()?;
    let scale = 1.0 / (factors as f32).sqrt();
    let mut draw = || -> f32 { StandardNormal.sample(rng) };
    let item_factors = Array2::from_shape_simple_fn((index.len(), factors), || scale * draw());
    let popularity = (0..index.len()).map(|row| 0.1 / (1.0 + (row % 997) as f32)).collect();
    let tables = TableParts {
        ranges: index.ranges().clone(),
        params,
        unobserved: UnobservedItems::default(),
        item_factors,
        domain_factors: None,
        bridges: Bridges::none(),
        mixtures: Mixtures::none(),
        look_alikes: LookAlikes::default(),
        by_popularity: BTreeSet::new(),
        young_items: Default::default(),
    };
    let people = PeopleOfDomain { count: PEOPLE_OF_MODEL, weight: Some(PEOPLE_OF_MODEL as f64) };
    let sections = Sections {
        popularity,
        people: index.ranges().keys().map(|domain| (domain.clone(), people)).collect(),
        tables: ScoringTables::new(tables)?,
        segments: Default::default(),
        topics: Default::default(),
        content: Default::default(),
        index,
    };
    let provenance = Provenance {
        params,
        unobserved_items: UnobservedItems::default(),
        evidence: EvidenceScaling::default(),
        training_run: TrainingRunId::parse("bench")?,
        created_at: NOW,
        events: 0,
        erasures: 0,
        deletions: Default::default(),
        inputs: InputDistribution::default(),
        newest: Default::default(),
    };
    let parts = ModelParts { provenance, sections };
    Ok(Artefact::encode(&parts, Bytes::from_static(b"{}"))?.verify()?)
}
