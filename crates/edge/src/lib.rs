//! What every function's edge shares, and the machine's time, chance and ids for
//! its `main` to pass in ([`system`]). The routers built on it run unchanged on
//! Lambda and in the local server.

pub mod authorizer;
pub mod batch;
pub mod caller;
pub mod extract;
pub mod lambda;
pub mod placement_check;
pub mod privacy;
pub mod problem;
pub mod request_log;
mod request_path;
pub mod router;
pub mod system;
pub mod telemetry;
pub mod user_path;
