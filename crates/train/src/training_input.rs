//! Gathering what a run trains on: people, catalogues, and the archive, cleaned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossfold_core::entities::domain_deletion::DomainDeletion;
use crossfold_core::entities::erasure::Place;
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{StoreError, Stores};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::evidence::item_facts::{CatalogueFacts, ItemFacts};
use crossfold_core::evidence::item_vectors::text_of;
use crossfold_core::evidence::items::ItemKey;
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_core::maths::als::InvalidOptions;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::model::Model;
use crossfold_core::release::run::TrainingRun;
use crossfold_core::training::bridging::gate::GateOptions;
use crossfold_core::training::{CleanedInput, FreeOf, TrainingInput};
use crossfold_storage::definition_reader::definitions;
use crossfold_storage::{records, set_aside};
use crossfold_text::lexical::words::telling_words;
use jiff::Timestamp;

use crate::archive_reader::{Erased, EventLimit, ReadError, erase_from_quarantine, read_events};
use crate::erasures::Erasures;
use crate::item_vectors::ItemEncoder;
use crate::pause::Pause;
use crate::quarantine::{self, QuarantineError};
use crate::set_aside_eraser::erase_from_set_aside;

/// Why there is nothing to train on.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive cannot be read.
    #[error("the archive cannot be read: {0}")]
    Archive(#[from] ReadError),
    /// Hyper-parameters are out of range.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// Refused events could not be kept.
    #[error("quarantine: {0}")]
    Quarantine(#[from] QuarantineError),
    /// The thread that cleaned died.
    #[error("cleaning was interrupted")]
    Interrupted,
}

impl Retryable for GatherError {
    fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Store(error) => error.is_worth_another_try(),
            Self::Archive(error) => error.is_worth_another_try(),
            Self::Quarantine(error) => error.is_worth_another_try(),
            Self::Options(_) | Self::Interrupted => false,
        }
    }
}

/// How a run gathers.
#[derive(Clone, Copy)]
pub(crate) struct Gathering<'a> {
    /// As of when.
    pub(crate) now: Timestamp,
    /// Most events.
    pub(crate) limit: EventLimit,
    /// How it waits for what is on its way.
    pub(crate) pause: &'a Pause,
}

/// Reads everything a run needs, cleans it, and keeps what was refused. `champion` is what the
/// new model is to be compared with.
pub(crate) async fn gather(
    stores: &Stores,
    run: &TrainingRun,
    champion: Option<Arc<Model>>,
    gathering: Gathering<'_>,
) -> Result<CleanedInput, GatherError> {
    let Read { input: read, free_of, texts } = read(stores, run, gathering).await?;
    let input = TrainingInput { champion, ..read };
    let encoder = Box::new(ItemEncoder::of(&*stores.objects).await?);
    let aside = set_aside::count(&*stores.objects).await?;
    let cleaned = tokio::task::spawn_blocking(move || input.clean()).await;
    let (cleaned, refused) = cleaned.map_err(|_| GatherError::Interrupted)?;
    quarantine::write(&*stores.objects, &run.id, refused).await?;
    let cleaned = cleaned.free_of(free_of).describing(texts, encoder);
    Ok(cleaned.beside_what_lies_aside(aside.files, aside.records))
}

/// What is read.
struct Read {
    input: TrainingInput,
    /// What it is free of.
    free_of: FreeOf,
    /// What items say of themselves.
    texts: BTreeMap<ItemKey, String>,
}

async fn read(
    stores: &Stores,
    run: &TrainingRun,
    Gathering { now, limit, pause }: Gathering<'_>,
) -> Result<Read, GatherError> {
    let definitions = definitions(&*stores.records).await?;
    let mut erasures = Erasures::begin(stores, &run.id, now, pause).await?;
    let mut people = PeopleIndex::default();
    let mut next = None;
    loop {
        let page = stores.people.scan(next).await?;
        people.extend(page.entries);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let mut items: BTreeSet<ItemKey> = BTreeSet::new();
    let (mut facts, mut texts) = (CatalogueFacts::new(), BTreeMap::new());
    for domain in definitions.keys() {
        let listed = stores.catalogue.list(domain).await?;
        let kept = listed.into_iter().filter(|item| item.details.is_some());
        for item in kept {
            let key = (item.domain, item.item_id);
            if let Some(details) = &item.details {
                facts.insert(key.clone(), ItemFacts::of(details, telling_words));
                let text = text_of(&key.1, details);
                if !text.is_empty() {
                    texts.insert(key.clone(), text);
                }
            }
            items.insert(key);
        }
    }
    let deletions = records::list::<DomainDeletion>(&*stores.records).await?;
    let deletions: BTreeMap<DomainId, DomainDeletion> = deletions.into_iter().collect();
    let erased = Erased::new(&people, &deletions, &*stores.people);
    let mut visited = erase_from_quarantine(&stores.objects, &erased).await?;
    visited.add(erase_from_set_aside(&stores.objects, &erased).await?);
    erasures.visit(Place::Quarantine, &erased.take_met());
    let (events, of_archive) = read_events(&stores.objects, &erased, limit).await?;
    visited.add(of_archive);
    erasures.visit(Place::ArchivedEvents, &erased.take_met());
    visited.add(erasures.visit_archived_log(&stores.objects).await?);
    erasures.save(stores).await?;
    if visited.set_aside > 0 {
        tracing::error!(run = %run.id, files = visited.set_aside, "files were not erased from");
    }
    let input = TrainingInput {
        events,
        people,
        definitions,
        items,
        facts,
        params: run.options.check()?,
        unobserved_items: UnobservedItems::default(),
        gate: GateOptions::default(),
        training_run: run.id.clone(),
        champion: None,
        now,
    };
    let number =
        |(domain, deletion): (&DomainId, &DomainDeletion)| (domain.clone(), deletion.number);
    let deletions = deletions.iter().map(number).collect();
    let free_of = FreeOf { erasures: erasures.counted(), deletions };
    Ok(Read { input, free_of, texts })
}
