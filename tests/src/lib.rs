//! End-to-end test support: the deployed application and the local server as
//! two [`world::World`]s with the same API.
//!
//! [`cloud::Cloud`] is what `template.yaml` deploys: the real bootstrap
//! binaries, each behind a Lambda Runtime API, called by API Gateway's events
//! and by the tables' streams, on AWS services that others wrote.
//! [`local::Local`] is the real `crossfold serve`. [`scenario`] runs on both.
//! [`stack::Stack`] is what CloudFormation makes of the template.

// A test may stop at the first surprise, and so may what is written for tests alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod api;
pub mod binaries;
pub mod cloud;
pub mod deployment;
pub mod error_codes;
pub mod gateway;
pub mod http_client;
pub mod http_front;
pub mod local;
pub mod ministack;
pub mod openapi;
pub mod polling;
pub mod python;
pub mod runtime_api;
pub mod scenario;
pub mod stack;
pub mod state_machine;
pub mod stream_pump;
pub mod template;
pub mod tidy;
pub mod token;
pub mod world;
pub mod yaml;
