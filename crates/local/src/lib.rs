//! All of Crossfold in one process on embedded storage: the same routers and
//! the same AWS adapter as in the cloud, talking to DynamoDB- and S3-compatible
//! servers inside the process. This is the `crossfold` command.
//!
//! | to find | read |
//! | --- | --- |
//! | what can be asked | [`args`]: arguments alone, nothing of what is done with them |
//! | what is done with it | [`run`], then the file of the command in `commands/` |
//! | how files are read that are imported | `import/`: the table in its `mod.rs` |
//! | where a command works: a data directory, or a server | `place` |
//! | a deployed stack that a command works on | [`stack`]; `main` reaches it |
//! | what its exit status says | [`exit_status`] |
//! | what tells a process to end, and what it does then | `endings` |
//! | what is printed | `printer/`; the laboratory prints its own reports |
//! | what the API's answers are read into | `answers` |
//! | the page in the browser | `console/`, and the files in `crates/local/console/` |
//! | what a caller can keep the server busy with | `http_server` |
//! | where platforms are handed what campaigns tell | `webhook` |
//! | the world that the commands work on | [`local_world`], reached through [`api_client`] |

// The standard library's panic at a closed pipe, and let through what commands a terminal.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod api_client;
pub mod args;
pub mod exit_status;
pub mod local_world;
pub mod run;
pub mod stack;

mod answers;
mod commands;
mod console;
mod endings;
mod http_server;
mod import;
mod place;
mod printer;
mod webhook;
