//! What lies in the bucket: where, and, for what is Parquet, in which columns.
//!
//! | to find | read |
//! | --- | --- |
//! | where something lies | [`keys`] |
//! | what a column of a record means | [`catalogue`], [`events`], [`decisions`], [`outcomes`], [`quarantine`], and `docs/data.md` |
//! | how a record becomes a row | [`table`] |
//! | how values become cells, and cells a Parquet file | [`cells`], [`columns`] |

pub mod catalogue;
pub mod cells;
pub mod columns;
pub mod decisions;
pub mod events;
pub mod keys;
pub mod outcomes;
pub mod quarantine;
pub mod table;
