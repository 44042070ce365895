//! Numbers, with no word of the business: factorisation, item-item models, fold-in,
//! ranking, and measuring. Everything is a function of its arguments; randomness comes from seeds.
//!
//! | to find | read |
//! | --- | --- |
//! | implicit alternating least squares | [`als`] |
//! | a row solved at request time | [`fold_in`] |
//! | item-item models: EASE, walks, cosine, ridges | [`item_item`] |
//! | points in clusters, and how many there are | [`clusters`] |
//! | dense and sparse matrices | [`dense`], [`sparse`] |
//! | a few of many, not all of a kind | [`diversity`] |
//! | what follows what in people's histories | [`sequence`] |
//! | the first singular vectors of a sparse matrix | [`svd`] |
//! | a weighted ridge of many targets | [`weighted_ridge`] |
//! | topics of documents | [`topics`] |
//! | options that are checked once | [`options`] |
//! | products of many rows with a vector | [`scan`] |
//! | the best k | [`rank`] |
//! | what a ranking is worth, with intervals | [`measure`], [`bootstrap`] |
//! | what a controlled experiment says | [`inference`] |
//! | what few observations say of one person | [`small_samples`] |
//! | what a policy would have earned, from another's log | [`off_policy`] |

pub mod als;
pub mod bootstrap;
pub mod clusters;
pub mod dense;
pub mod diversity;
pub mod fold_in;
pub mod inference;
pub mod item_item;
pub mod measure;
pub mod off_policy;
pub mod options;
pub mod rank;
pub mod scan;
pub mod sequence;
pub mod small_samples;
pub mod sparse;
pub mod svd;
pub mod topics;
pub mod weighted_ridge;
