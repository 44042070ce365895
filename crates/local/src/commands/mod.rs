//! The commands, one a file. Each takes its arguments and does its work through the API.

pub(crate) mod bench_served;
pub(crate) mod demo;
pub(crate) mod encoder;
pub(crate) mod erasures;
pub(crate) mod keys;
pub(crate) mod models;
pub(crate) mod ordered_run;
pub(crate) mod recommend;
pub(crate) mod redrive;
pub(crate) mod replay;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod train;
