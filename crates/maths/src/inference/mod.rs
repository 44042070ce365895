//! The statistics of controlled experiments: how large an effect is, how sure that is, and what
//! would have to be seen to be surer. Everything is a function of summaries, so that ten and ten
//! million observations cost the same; only what cannot be summarised takes slices.
//!
//! | to find | read |
//! | --- | --- |
//! | what is kept of a group | [`summary`] |
//! | a difference or a lift with its standard error, with or without CUPED | [`effect`] |
//! | a test and interval looked at once | [`fixed`] |
//! | a test and interval looked at as often as one likes | [`sequential`] |
//! | chances and expected losses | [`bayes`] |
//! | groups that are not as large as planned | [`imbalance`] |
//! | many tests at once | [`multiple`] |
//! | how many observations are needed | [`power`] |
//! | extreme values drawn in | [`winsor`] |
//! | means of what a bandit collected | [`weighted`] |
//! | a bandit's next shares | [`thompson`] |
//!
//! Nothing here panics or answers with what is no number: whatever cannot be answered is an
//! [`InferenceError`].

pub mod bayes;
mod distributions;
pub mod effect;
mod error;
pub mod fixed;
pub mod imbalance;
pub mod multiple;
pub mod power;
pub mod sequential;
pub mod summary;
pub mod thompson;
pub mod weighted;
pub mod winsor;

#[cfg(test)]
mod simulated;

pub use error::InferenceError;
