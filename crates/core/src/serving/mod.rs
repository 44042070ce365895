//! Making slates.

pub mod reason;
pub mod rules;
pub mod slate;
