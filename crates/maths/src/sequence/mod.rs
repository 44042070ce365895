//! What follows what: a compact self-attention model of people's items in the order of time.
//!
//! The network is SASRec (Kang and McAuley 2018), its loss a softmax over the item that
//! followed and negatives that a batch shares (Klenitskiy and Vasilev 2023; Petrov and
//! Macdonald 2023), its optimiser Adam. Forward and backward are written by hand; the tests
//! hold the gradient of every weight against finite differences in double precision.
//!
//! | to find | read |
//! | --- | --- |
//! | hyper-parameters | `options.rs` |
//! | what goes in | `sequences.rs`, `batches.rs`, `validation.rs` |
//! | the network, forward and backward | `network.rs`, `attention.rs`, `rows.rs`, `product.rs` |
//! | the loss and its gradients | `loss.rs`, `gradient.rs` |
//! | steps, and when to stop | `adam.rs`, `training.rs` |
//! | what comes out | `model.rs`, `attribution.rs` |

mod adam;
mod attention;
mod attribution;
mod batches;
mod gradient;
mod loss;
mod model;
mod network;
mod options;
mod product;
mod real;
mod rows;
mod sequences;
mod training;
mod validation;
mod weights;

pub use attribution::{LeftOut, WithoutEach};
pub use model::{InvalidTensors, SequenceModel};
pub use options::{SequenceOptions, SequenceParams};
pub use sequences::Sequences;
pub use training::{
    SequenceBudget, SequenceEpoch, SequenceError, SequenceFit, fit, fit_for, fit_until_best,
};
