//! Choosing a few of many candidates so that the list as a whole is good: relevant, yet not
//! the same thing again and again.
//!
//! | to have | read |
//! | --- | --- |
//! | each unlike every one before it | [`mmr`], maximal marginal relevance |
//! | items that span much together | [`dpp`], a determinantal point process |
//! | a person's interests in their shares | [`calibrated`] on [`Categorised`] candidates |
//! | at most so many of a kind | [`within_quotas`] on [`Grouped`] candidates |
//! | that, of what is diverse or calibrated | [`dpp_within`], [`calibrated_within`] a [`Room`] |
//!
//! All take [`Candidates`], at most some hundreds of them, and give the indices of the chosen in
//! the order of choice: exactly `min(k, candidates)`, all distinct. Of equal gains the more
//! relevant wins, and of equally relevant the lower index, so that nothing but the arguments
//! matters. What a list is like is measured by
//! [`intra_list_distance`](crate::measure::intra_list_distance) and
//! [`CategoryShares`](crate::measure::CategoryShares).
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use crossfold_maths::diversity::{Candidates, TradeOff, dpp, mmr};
//!
//! // The second is the first again.
//! let features = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
//! let candidates = Candidates::new(&[0.9, 0.8, 0.7], &features, 2)?;
//! assert_eq!(mmr(candidates, TradeOff::new(0.5)?, 2), [0, 2]);
//! assert_eq!(dpp(candidates, TradeOff::new(0.5)?, 2), [0, 2]);
//! assert_eq!(mmr(candidates, TradeOff::new(1.0)?, 2), [0, 1]);
//! # Ok(())
//! # }
//! ```

mod calibration;
mod candidates;
mod choice;
mod determinantal;
mod marginal;
mod quotas;
mod trade_off;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use calibration::{Categorised, UnusableCategories, calibrated, calibrated_within};
pub use candidates::{Candidates, MOST_CANDIDATES, UnusableCandidates};
pub use determinantal::{dpp, dpp_within};
pub use marginal::mmr;
pub use quotas::{Grouped, Room, UnknownGroup, within_quotas};
pub use trade_off::TradeOff;
