//! Numbers, with no word of the business: factorisation, fold-in, ranking, and
//! measuring. Everything is a function of its arguments; randomness comes from seeds.
//!
//! | to find | read |
//! | --- | --- |
//! | implicit alternating least squares | [`als`] |
//! | a row solved at request time | [`fold_in`] |
//! | what follows what in people's histories | [`sequence`] |
//! | dense and sparse matrices | [`dense`], [`sparse`] |
//! | the best k | [`rank`] |
//! | what a ranking is worth, with intervals | [`measure`], [`bootstrap`] |

pub mod als;
pub mod bootstrap;
pub mod dense;
pub mod fold_in;
pub mod measure;
pub mod rank;
pub mod sequence;
pub mod sparse;
