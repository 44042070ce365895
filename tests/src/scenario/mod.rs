//! The scenario: two platforms, their people, and everything the API promises
//! them, in one run. It asserts as it goes and returns what was served, so
//! that two worlds can be compared.

mod alike;
pub mod cast;
mod domains;
mod profiles;
mod replaying;
mod status;
mod steps;

use std::collections::BTreeMap;

use crate::world::World;

/// A served slate: items with their scores, best first.
pub type Slate = Vec<(String, f64)>;

/// What was served at each step.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Slates by step.
    pub slates: BTreeMap<&'static str, Slate>,
}

/// Runs the scenario in a fresh world.
///
/// # Errors
/// When a call gets no answer.
///
/// # Panics
/// When an answer breaks a promise.
pub async fn run(world: &dyn World) -> anyhow::Result<Outcome> {
    let mut stage = steps::Stage::new(world);
    stage.set_up().await?;
    stage.serve_without_a_model().await?;
    stage.record_what_people_did().await?;
    stage.train().await?;
    stage.serve_across_domains().await?;
    stage.make_a_slate_again().await?;
    stage.tell_what_is_known().await?;
    stage.find_what_is_alike().await?;
    stage.look_into_a_slate().await?;
    stage.serve_without_evidence().await?;
    stage.keep_out_what_is_not_eligible().await?;
    stage.learn_from_an_event_at_once().await?;
    stage.take_feedback().await?;
    stage.heed_a_dislike().await?;
    stage.learn_from_outcomes().await?;
    stage.respect_a_withdrawal().await?;
    stage.tell_callers_apart().await?;
    stage.erase_a_user().await?;
    stage.go_back_to_the_model_before().await?;
    stage.tell_how_everything_stands().await?;
    stage.manage_domains().await?;
    stage.take_the_wires_of_others().await?;
    Ok(stage.outcome)
}
