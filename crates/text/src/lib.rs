//! Text encoders: texts in, vectors out, so that a query finds an item and a taste is a point
//! among items, whatever language they are written in. Nothing here reads files or the network:
//! an encoder is made from the bytes of its *artefact*, one safetensors file.
//!
//! | to find | read |
//! | --- | --- |
//! | what every encoder can do | [`encoder`] |
//! | how an artefact is described, read and written | [`artefact`] |
//! | whatever encoder an artefact holds | [`open`] |
//! | TF-IDF over words, reduced (feature `lexical`) | `lexical` |
//! | which items have the words of a question (feature `lexical`) | `search` |
//! | Google's multilingual Universal Sentence Encoder (feature `universal`) | `universal`, with `sentencepiece` |
//! | static tables of Model2Vec (feature `model2vec`) | `model2vec` |
//! | encoders of the BERT family (feature `bert`) | `bert` |
//! | making artefacts of what others publish (feature `conversion`) | `conversion` |
//!
//! Every encoder stands behind a feature, so that a function carries only what it needs.

// Without any encoder only what others name of it is used: a function that carries none.
#![cfg_attr(
    not(any(
        feature = "lexical",
        feature = "universal",
        feature = "model2vec",
        feature = "bert",
        feature = "conversion"
    )),
    allow(dead_code)
)]

pub mod artefact;
pub mod encoder;

#[cfg(feature = "bert")]
pub mod bert;
#[cfg(feature = "conversion")]
pub mod conversion;
#[cfg(any(feature = "bert", feature = "model2vec"))]
mod hugging_face;
#[cfg(feature = "lexical")]
pub mod lexical;
#[cfg(feature = "model2vec")]
pub mod model2vec;
mod open;
#[cfg(feature = "lexical")]
pub mod search;
#[cfg(feature = "universal")]
pub mod sentencepiece;
#[cfg(feature = "universal")]
pub mod universal;

pub use encoder::{Identity, TextEncoder, encode_in_batches};
pub use open::{MOST_DIMENSIONS, open};
