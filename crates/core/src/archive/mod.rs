//! What lies in the bucket: events, decisions and what cleaning refused, as Parquet.

pub mod columns;
pub mod events;
pub mod quarantine;
