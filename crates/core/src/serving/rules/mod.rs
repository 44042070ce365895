//! What may not leave `recommend`, one rule a file.

pub mod eligibility;
