//! The pure middle of Crossfold, in rooms. A room imports only rooms below it.
//!
//! | room | floor | what |
//! | --- | --- | --- |
//! | [`release`] | 6 | whether a model is better, served, kept: the gate, the champion, records, runs; what an experiment says |
//! | [`training`] | 5 | making models, on one machine or in shards |
//! | [`serving`] | 4 | making slates |
//! | [`model`] | 3 | the artefact: manifest, tensors, sections, scoring |
//! | [`archive`] | 3 | what lies in the bucket: keys and columns |
//! | [`evidence`] | 2 | from events to weighed rows |
//! | [`maths`] | 1 | numbers, no word of the business (a crate of its own) |
//! | [`entities`] | 1 | the words of the business and the ports (a crate of its own) |
//!
//! From events to scores that come apart into the items they rest on:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use crossfold_core::evidence::items::Weighted;
//! use crossfold_core::evidence::people_index::PeopleIndex;
//! use crossfold_core::maths::als::AlsOptions;
//! use crossfold_core::model::Artefact;
//! use crossfold_core::training::bridging::gate::GateOptions;
//! use crossfold_core::training::{TrainingInput, train};
//! use crossfold_testing::{at, domain, item_key, run, world};
//!
//! let world = world(40, 1); // Even people like even items, odd people odd ones.
//! let mut people = PeopleIndex::default();
//! people.extend(world.people);
//! let trained = train(
//!     TrainingInput {
//!         events: world.events.into(),
//!         people,
//!         definitions: world.definitions,
//!         items: world.items,
//!         facts: Default::default(),
//!         params: AlsOptions { factors: 4, ..AlsOptions::default() }.check()?,
//!         unobserved_items: Default::default(),
//!         gate: GateOptions::default(),
//!         training_run: run("example"),
//!         champion: None,
//!         now: at(100_000),
//!     },
//!     &|_done, _of| (),
//! )?;
//!
//! // Stored, and read back by whoever serves it: verified from its id on.
//! let artefact = Artefact::encode(&trained.parts, trained.report.encode()?)?;
//! let model = artefact.verify()?;
//!
//! let row = |item: &str| model.index().row(&item_key("knowledge", item)).unwrap();
//! let past = ["i0", "i2"].map(|item| Weighted::new(row(item), 1.0));
//! let estimate = model.estimate(&domain("knowledge"), &past).unwrap();
//! assert!(estimate.score(row("i4")) > estimate.score(row("i5")));
//! let because: f32 = estimate.contributions(row("i4")).iter().map(|(_, share)| share).sum();
//! assert!((because - estimate.score(row("i4"))).abs() < 1e-5);
//! # Ok(())
//! # }
//! ```
//!
//! No async runtime, no I/O, no clock, no AWS type: time and seeds are passed
//! in, and the world is reached through the traits in [`entities::ports`].

pub use {crossfold_entities as entities, crossfold_maths as maths};

pub mod archive;
pub mod evidence;
pub mod model;
pub mod release;
pub mod serving;
pub mod training;
