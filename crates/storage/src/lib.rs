//! The adapters of Crossfold's ports.
//!
//! - [`aws`]: DynamoDB and S3, for production. The `embedded` feature starts
//!   compatible servers inside the process, which the same adapter talks to.
//! - [`memory`]: maps, for simulation and unit tests.
//! - [`faults`]: any of these, failing as a network lets them, by a seed.
//! - [`definition_reader`], [`event_writer`], [`person_lookup`], [`records`]: reading and writing
//!   through the ports, whatever is behind them.
//! - [`erasure`], [`find_person`]: erasing a life of a user, and looking for what is left of it.
//! - `data_files`: what is in a directory of data.
//! - [`pushes`]: what users are to be told of, and were.
//! - [`rekeying`]: stores while keys of pseudonyms rotate.
//! - [`activity_log`]: what a process did in numbers, written from time to time.
//! - [`write_count`]: whether a catalogue was written to, for a process with a store of its own.
//! - [`remembered`]: stores that are not asked again for what was not written since.
//! - [`retry`]: trying again, with full jitter and a budget.
//! - [`shared_work`]: what one does and many wait for, each no longer than they may.
//! - [`set_aside`]: where what cannot be read is kept.
//! - [`private_files`]: files that their owner alone may use.
//! - [`pseudonym_key`]: where the keys of pseudonyms come from.
//! - [`key_versions`]: those keys held against the data that were made with them.
//! - `conformance` (feature): one suite that holds every adapter to the ports' promises.

pub mod activity_log;
pub mod aws;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod data_files;
pub mod definition_reader;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod erasure;
pub mod event_writer;
pub mod faults;
pub mod find_person;
pub mod key_versions;
pub mod memory;
pub mod person_lookup;
pub mod private_files;
pub mod pseudonym_key;
pub mod pushes;
pub mod records;
pub mod rekeying;
pub mod remembered;
pub mod retry;
pub mod set_aside;
pub mod shared_work;
pub mod write_count;
