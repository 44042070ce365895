//! Whether a model is better, is served, is kept; and what an experiment says.

pub mod attention;
pub mod champion;
pub mod experiment_report;
pub mod gate;
pub mod record;
pub mod retention;
pub mod run;
