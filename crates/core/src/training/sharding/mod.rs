//! Training beyond one machine: what the pieces look like, and how they are planned.

pub mod plan;
pub mod shard;
