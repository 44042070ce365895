//! Making bridges: which may be tried, how they are fitted, measured and judged.
//!
//! | to find | read |
//! | --- | --- |
//! | the candidates, and where their kinds are told apart | [`candidates`] |
//! | the settings of a kind, and how it is fitted | [`joint_fit`], [`mapping_fit`], [`cross_block_fit`] |
//! | whose history is hidden, and how candidates do on it | [`hiding`], [`trial`], [`measures`] |
//! | which candidate is served | [`gate`] |
//! | what is fitted for what is served | [`fitting`], [`domain_fits`] |
//! | items that are one thing sold twice | [`look_alike`] |

pub mod candidates;
pub mod cross_block_fit;
pub mod domain_fits;
pub mod fitting;
pub mod gate;
pub mod hiding;
pub mod joint_fit;
pub mod look_alike;
pub mod mapping_fit;
pub mod measures;
mod shared_people;
pub mod trial;
