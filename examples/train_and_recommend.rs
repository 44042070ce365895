//! From events to an explained list with the pure core alone: no store, no network, no
//! clock. `cargo run --example train_and_recommend`
//!
//! A platform of courses has two kinds of people. A model learns that from what they
//! enrolled in; somebody new, of whom two events are known, is then recommended what
//! their kind likes, and told why.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use crossfold_core::entities::consent::{
    ConsentContext, ConsentLedger, ConsentedHistory, CrossDomain, RecommendationUse,
};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::event::Event;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{
    DomainId, EventId, EventType, ItemId, Pseudonym, TrainingRunId,
};
use crossfold_core::evidence::confidences::confidences;
use crossfold_core::evidence::item_facts::CatalogueFacts;
use crossfold_core::evidence::items::{ItemKey, LocalRow, Row};
use crossfold_core::evidence::people_index::PeopleIndex;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::maths::fold_in::UnobservedItems;
use crossfold_core::maths::rank::top_k;
use crossfold_core::model::{Artefact, Model};
use crossfold_core::training::bridging::gate::GateOptions;
use crossfold_core::training::{TrainingInput, train};
use jiff::Timestamp;
use serde_json::json;

/// Courses of each of the two kinds.
const COURSES: usize = 12;
/// People, half of each kind.
const PEOPLE: usize = 60;

/// A course that is recommended.
pub struct Recommended {
    /// The course.
    pub course: ItemId,
    /// About 0 to 1.
    pub score: f32,
    /// How much each past course adds to the score; they sum up to it.
    pub because: Vec<(ItemId, f32)>,
}

/// Prints three recommendations with what they are made of.
pub fn main() -> Result<()> {
    for Recommended { course, score, because } in recommend(3)? {
        println!("{course}: {score:.3}");
        for (past, share) in because {
            println!("  {share:+.3} for {past}");
        }
    }
    Ok(())
}

/// Trains on what everybody did, and recommends to somebody new.
pub fn recommend(limit: usize) -> Result<Vec<Recommended>> {
    // What a domain is, is data: which events count how much, and for how long.
    let knowledge = DomainId::parse("knowledge")?;
    let definition = json!({
        "name": "Knowledge", "currency": "CNY", "event_types": {"enrol": {"weight": 3.0}},
    });
    let definitions = Definitions::from([(knowledge.clone(), serde_json::from_value(definition)?)]);
    let now = Timestamp::from_second(20_000)?;

    // Training is a function of its input: the same events and seed give the same model.
    let model = train_model(&definitions, now)?;

    // Somebody new enrolled in two courses on gardening. Their history opens only through
    // their consent; within one domain it may be used unless they refused.
    let user = Pseudonym::parse("newcomer")?;
    let events = vec![enrolled(&user, "garden-1", 19_000)?, enrolled(&user, "garden-4", 19_500)?];
    let context =
        ConsentContext { ledger: &ConsentLedger::default(), definitions: &definitions, now };
    let request = RecommendationUse {
        user: &user,
        display: &knowledge,
        target: &knowledge,
        cross_domain: CrossDomain::ByConsent,
    };
    let history =
        ConsentedHistory::for_recommendation(&History::new(events, []), context, &request);

    // The person is folded in: solved against the model's items, which no training has seen.
    let newest = model.manifest().newest_with(history.events());
    let past = model.index().rows_of(&confidences(&history, &definitions, &newest));
    let estimate = model.estimate(&knowledge, &past).context("nothing is known of the person")?;

    let course = |row: Row| -> Result<ItemId> {
        Ok(model.index().item(row).context("a row of the model")?.1.clone())
    };
    let rows = model.rows(&knowledge).context("a domain of the model")?;
    let mut recommended = Vec::new();
    for place in top_k(&estimate.scores(), estimate.scores().len()) {
        let row = rows.row(LocalRow(place));
        if past.iter().any(|seen| seen.row == row) {
            continue; // They have it.
        }
        // Linear in the past, so the score comes apart exactly.
        let because = estimate.contributions(row).into_iter();
        let because = because.map(|(past, share)| Ok((course(past)?, share)));
        recommended.push(Recommended {
            course: course(row)?,
            score: estimate.score(row),
            because: because.collect::<Result<_>>()?,
        });
        if recommended.len() == limit {
            break;
        }
    }
    Ok(recommended)
}

fn train_model(definitions: &Definitions, now: Timestamp) -> Result<Model> {
    let mut events = Vec::new();
    for person in 0..PEOPLE {
        let user = Pseudonym::parse(&format!("person-{person}"))?;
        let kind = ["garden", "kitchen"][person % 2];
        for step in 0..5 {
            let course = format!("{kind}-{}", (person * 5 + step * 7) % COURSES);
            events.push(enrolled(&user, &course, (step * 1_000 + person) as i64)?);
        }
    }
    let items: BTreeSet<ItemKey> =
        events.iter().map(|event| (event.domain.clone(), event.item_id.clone())).collect();
    let input = TrainingInput {
        events: events.into(),
        people: PeopleIndex::default(), // Nobody is linked to another platform.
        definitions: definitions.clone(),
        items,
        facts: CatalogueFacts::default(), // Titles and categories, which describe people.
        params: AlsOptions { factors: 4, ..AlsOptions::default() }.check()?,
        unobserved_items: UnobservedItems::default(),
        gate: GateOptions::default(),
        training_run: TrainingRunId::parse("example")?,
        champion: None,
        now,
    };
    let trained = train(input, &|_, _| ())?;
    // As it would be stored, and read back: every checksum and shape is verified.
    Ok(Artefact::encode(&trained.parts, trained.report.encode()?)?.verify()?)
}

fn enrolled(user: &Pseudonym, course: &str, second: i64) -> Result<Event> {
    let at = Timestamp::from_second(second)?;
    Ok(Event {
        event_id: EventId::parse(&format!("{course}-{second}"))?,
        user: user.clone(),
        domain: DomainId::parse("knowledge")?,
        event_type: EventType::parse("enrol")?,
        item_id: ItemId::parse(course)?,
        occurred_at: at,
        domain_life: 0,
        received_at: at,
        value: None,
        dwell_seconds: None,
    })
}
