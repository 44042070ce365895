//! The pure middle of Crossfold, in rooms. A room imports only rooms below it.
//!
//! | room | floor | what |
//! | --- | --- | --- |
//! | [`release`] | 6 | whether a model is better, served, kept: the gate, the champion, records, runs |
//! | [`training`] | 5 | making models, on one machine or in shards |
//! | [`serving`] | 4 | making slates |
//! | [`model`] | 3 | the artefact: manifest, tensors, sections, scoring |
//! | [`archive`] | 3 | what lies in the bucket: keys and columns |
//! | [`evidence`] | 2 | from events to weighed rows |
//! | [`maths`] | 1 | numbers, no word of the business (a crate of its own) |
//! | [`entities`] | 1 | the words of the business and the ports (a crate of its own) |
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
