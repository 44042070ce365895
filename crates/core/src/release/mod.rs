//! Whether a model is better, is served, is kept.

pub mod attention;
pub mod champion;
pub mod gate;
pub mod record;
pub mod retention;
pub mod run;
