//! The pointer to the champion: the one mutable object of the models.
//!
//! Everything else under `models/` is written once. Whoever moves the pointer
//! names the version they read (`If-Match`), so of racing moves one wins.
//!
//! Deleting goes through the pointer as well: what is about to be deleted is
//! first listed in it as [`Retiring`], and nothing listed there may be promoted.
//! A promotion that read the pointer before the list was written fails its
//! condition, one that reads it afterwards sees the list: what a pointer names
//! is never deleted.
//!
//! A pointer may name no model: the last one was made from nobody but people who were erased
//! since, and nothing was left to make another one from. And it says how many erasures a model
//! must be free of to be served: that number is raised with the pointer, and stands before any
//! of those erasures is said to be complete.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entities::ids::{ModelId, TrainingRunId};

/// The key of the pointer to the champion.
pub const POINTER_KEY: &str = "models/current.json";

/// Promotions that are remembered.
pub const MAX_MOVES: usize = 20;

/// Who moved the pointer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Promoter {
    /// A run whose model passed the gate.
    TrainingRun {
        /// The run.
        id: TrainingRunId,
    },
    /// A caller of the API.
    Caller {
        /// `token` behind the authorizer, `development` on a local server.
        caller: String,
        /// The scope that allowed it.
        scope: String,
    },
}

/// One move of the pointer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Promoter,
    /// The champion before; none for the first model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ModelId>,
    /// The champion since; none when the one before was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ModelId>,
    /// Why the one before was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A model that is being deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retiring {
    /// The model.
    pub model: ModelId,
    /// The SHA-256 of its blob when that goes too: no kept model shares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// The SHA-256 of its report when that goes too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// The pointer to the champion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// The model to serve; none when the last one was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The one served before, to fall back on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ModelId>,
    /// Since when.
    pub promoted_at: Timestamp,
    /// The last [`MAX_MOVES`] moves, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Promotion>,
    /// What is being deleted, and may not be promoted any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring: Vec<Retiring>,
    /// How many erasures a model must be free of to be served
    /// ([`crate::model::Manifest::erasures`]).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub erasures: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Pointer {
    /// The first pointer, or the one after `current`.
    #[must_use]
    pub fn after(current: Option<Self>, to: ModelId, by: Promoter, at: Timestamp) -> Self {
        let old = current.unwrap_or_else(|| Self::of_none(at));
        let previous = match &old.model {
            // The same model again: what to fall back on stays what it was.
            Some(model) if *model == to => old.previous,
            other => other.clone(),
        };
        let moved = Promotion { at, by, from: old.model, to: Some(to.clone()), reason: None };
        let history = remember(old.history, moved);
        Self { model: Some(to), previous, promoted_at: at, history, ..old }
    }

    /// The pointer after `current` whose champion is withdrawn: nothing serves, nor is there
    /// anything to fall back on.
    #[must_use]
    pub fn withdrawn(current: Option<Self>, by: Promoter, reason: String, at: Timestamp) -> Self {
        let old = current.unwrap_or_else(|| Self::of_none(at));
        let history = match old.model {
            None => old.history,
            from => {
                remember(old.history, Promotion { at, by, from, to: None, reason: Some(reason) })
            }
        };
        Self { model: None, previous: None, promoted_at: at, history, ..old }
    }

    fn of_none(at: Timestamp) -> Self {
        let (history, retiring) = (Vec::new(), Vec::new());
        Self { model: None, previous: None, promoted_at: at, history, retiring, erasures: 0 }
    }

    /// Whether it names a model, as the champion or as the one to fall back on.
    #[must_use]
    pub fn names(&self, model: &ModelId) -> bool {
        self.model.as_ref() == Some(model) || self.previous.as_ref() == Some(model)
    }

    /// Whether a model, or its blob or report (SHA-256 in hex), is being deleted.
    #[must_use]
    pub fn is_retiring(&self, model: &ModelId, blob: &str, report: Option<&str>) -> bool {
        let is_gone = |entry: &Retiring| {
            entry.model == *model
                || entry.blob.as_deref() == Some(blob)
                || (report.is_some() && entry.report.as_deref() == report)
        };
        self.retiring.iter().any(is_gone)
    }
}

/// The last moves, with one more.
fn remember(mut history: Vec<Promotion>, moved: Promotion) -> Vec<Promotion> {
    history.insert(0, moved);
    history.truncate(MAX_MOVES);
    history
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ModelId {
        ModelId::parse(&format!("{n:064x}")).unwrap()
    }

    fn run() -> Promoter {
        Promoter::TrainingRun { id: TrainingRunId::parse("run").unwrap() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_promotion_remembers_what_it_replaced_and_history_is_bounded() {
        let mut pointer = Pointer::after(None, id(0), run(), at(0));
        assert_eq!(pointer.previous, None);
        assert_eq!(pointer.history[0].from, None);
        for n in 1..=30 {
            pointer = Pointer::after(Some(pointer), id(n), run(), at(n as i64));
        }
        assert_eq!((&pointer.model, &pointer.previous), (&Some(id(30)), &Some(id(29))));
        assert_eq!(pointer.history.len(), MAX_MOVES);
        assert_eq!(
            (&pointer.history[0].from, &pointer.history[0].to),
            (&Some(id(29)), &Some(id(30)))
        );
        assert!(pointer.names(&id(30)) && pointer.names(&id(29)) && !pointer.names(&id(28)));
    }

    #[test]
    fn rolling_back_swaps_the_two_and_the_same_again_keeps_the_fall_back() {
        let first = Pointer::after(None, id(1), run(), at(1));
        let second = Pointer::after(Some(first), id(2), run(), at(2));
        let back = Pointer::after(Some(second), id(1), run(), at(3));
        assert_eq!((&back.model, &back.previous), (&Some(id(1)), &Some(id(2))));
        let again = Pointer::after(Some(back), id(1), run(), at(4));
        assert_eq!((&again.model, &again.previous), (&Some(id(1)), &Some(id(2))));
    }

    #[test]
    fn a_champion_that_is_withdrawn_leaves_nothing_to_serve_and_its_reason() {
        let first = Pointer::after(None, id(1), run(), at(1));
        let second = Pointer { erasures: 4, ..Pointer::after(Some(first), id(2), run(), at(2)) };
        let none = Pointer::withdrawn(Some(second), run(), "erased".into(), at(3));
        assert_eq!((&none.model, &none.previous, none.erasures), (&None, &None, 4));
        assert_eq!((&none.history[0].from, &none.history[0].to), (&Some(id(2)), &None));
        let json = serde_json::to_string(&none).unwrap();
        assert_eq!(serde_json::from_str::<Pointer>(&json).unwrap(), none);
        let again = Pointer::withdrawn(Some(none.clone()), run(), "again".into(), at(4));
        assert_eq!(again.history, none.history);
        let next = Pointer::after(Some(none), id(3), run(), at(5));
        assert_eq!((&next.model, &next.previous, next.erasures), (&Some(id(3)), &None, 4));
        assert_eq!(next.history.len(), 4);
    }

    #[test]
    fn a_pointer_of_before_history_was_kept_reads_and_bounds_hold() {
        let json = format!(r#"{{"model":"{}","promoted_at":"2026-01-01T00:00:00Z"}}"#, id(1));
        let pointer: Pointer = serde_json::from_str(&json).unwrap();
        assert!(pointer.history.is_empty() && pointer.retiring.is_empty());
        let retiring =
            Retiring { model: id(7), blob: Some("ab".into()), report: Some("ef".into()) };
        let pointer = Pointer { retiring: vec![retiring], ..pointer };
        assert!(pointer.is_retiring(&id(7), "cd", None) && pointer.is_retiring(&id(8), "ab", None));
        assert!(pointer.is_retiring(&id(8), "cd", Some("ef")));
        assert!(!pointer.is_retiring(&id(8), "cd", Some("gh")));
    }
}
