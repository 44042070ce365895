//! Numbers, with no word of the business: factorisation, fold-in, ranking, and
//! measuring. Everything is a function of its arguments; randomness comes from seeds.
//!
//! | to find | read |
//! | --- | --- |
//! | implicit alternating least squares | [`als`] |
//! | a row solved at request time | [`fold_in`] |
//! | points in clusters, and how many there are | [`clusters`] |
//! | dense and sparse matrices | [`dense`], [`sparse`] |
//! | topics of documents | [`topics`] |
//! | the best k | [`rank`] |
//! | what a ranking is worth, with intervals | [`measure`], [`bootstrap`] |

pub mod als;
pub mod bootstrap;
pub mod clusters;
pub mod dense;
pub mod fold_in;
pub mod measure;
pub mod rank;
pub mod sparse;
pub mod topics;
