//! All of Crossfold in one process on embedded storage: the same routers and
//! the same AWS adapter as in the cloud, talking to DynamoDB- and S3-compatible
//! servers inside the process. This is the `crossfold` command.

pub mod args;
pub mod run;

mod api_client;
mod commands;
mod local_world;
