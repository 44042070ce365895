//! Filters as a whole: from what is written to the items that are admitted.

mod agreement;
mod expressions;
mod hostile;
mod interpreter;
mod meaning;
mod mistakes;
mod peer;
mod rows;
