//! Making bridges: which may be tried, how they are fitted, measured and judged.

pub mod candidates;
pub mod cross_block_fit;
pub mod domain_fits;
pub mod fitting;
pub mod gate;
pub mod look_alike;
pub mod mapping_fit;
pub mod trial;
