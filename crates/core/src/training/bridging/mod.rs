//! Making bridges: which may be tried, how they are fitted, measured and judged.
//!
//! | to find | read |
//! | --- | --- |
//! | the candidates, and where their kinds are told apart | [`candidates`] |
//! | the settings of a kind, and how it is fitted | [`joint_fit`], [`mapping_fit`], [`cross_block_fit`], [`two_block_fit`], [`pair_fit`], [`text_fit`] |
//! | fits that a bridge has for itself, and the search for their settings | [`own_fits`], [`scouting`] |
//! | whose history is hidden, and how candidates do on it | [`hiding`], [`trial`], [`measures`] |
//! | which candidate is served | [`gate`], by [`choosing`] out of fold |
//! | what is fitted for what is served | [`fitting`], [`domain_fits`] |
//! | items that are one thing sold twice | [`look_alike`] |

pub mod candidates;
pub mod choosing;
pub mod cross_block_fit;
pub mod domain_fits;
pub mod fitting;
pub mod gate;
pub mod hiding;
pub mod joint_fit;
pub mod look_alike;
pub mod mapping_fit;
pub mod measures;
pub mod own_fits;
pub mod pair_fit;
pub mod scouting;
mod shared_people;
pub mod text_fit;
pub mod trial;
pub mod two_block_fit;
