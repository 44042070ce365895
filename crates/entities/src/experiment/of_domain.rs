//! The experiments of a platform that are not archived, in one record: whatever changes one of them
//! sees all others as they are, so that no two ever take the same users of a layer.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::experiment::exposure::MAX_SERVED;
use crate::experiment::lifecycle::{
    Allocation, Experiment, ExperimentState, ExperimentStep, StoppedFor, WrongStep,
};
use crate::experiment::slots::{NoRoom, Share};
use crate::experiment::{ExperimentDefinition, MAX_EXPERIMENTS};
use crate::ids::{DomainId, ExperimentId, LayerId};
use crate::records::{Record, RecordKind};

/// Most bytes of an experiment's definition as JSON.
pub const MAX_EXPERIMENT_BYTES: usize = 16 * 1024;
/// Most bytes of all of a platform's experiments as JSON: they are read with its definition.
pub const MAX_EXPERIMENTS_BYTES: usize = 256 * 1024;

/// Most shares that one experiment learns.
pub const MAX_ALLOCATIONS: usize = 120;

/// The experiments of a platform.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DomainExperiments {
    /// The life of the platform whose they are.
    #[serde(default)]
    pub life: u32,
    /// They, in order of their names.
    pub experiments: Vec<Experiment>,
}

impl Record for DomainExperiments {
    const KIND: RecordKind = "experiments";
    type Id = DomainId;
}

/// Why nothing was changed of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExperimentRefused {
    /// There is none of the name.
    #[error("the domain has no experiment {0}")]
    Unknown(ExperimentId),
    /// There is another one of the name, or there was.
    #[error("the name {0} was used for another experiment")]
    Taken(ExperimentId),
    /// There are as many as there may be.
    #[error("a domain has at most {MAX_EXPERIMENTS} experiments that are not archived")]
    TooMany,
    /// It takes more room than there is.
    #[error(
        "an experiment must be at most {MAX_EXPERIMENT_BYTES} bytes as JSON, and all of a domain's \
         that are not archived {MAX_EXPERIMENTS_BYTES}"
    )]
    TooLarge,
    /// It breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// The step does not follow.
    #[error(transparent)]
    WrongStep(#[from] WrongStep),
    /// Its layer has not so many users left.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// Another one that runs at the same places changes the same.
    #[error(
        "{with}, which is of another layer and takes the same slates, changes {field} as well: one of \
         the two must wait, or both be of one layer"
    )]
    Conflict {
        /// The other.
        with: ExperimentId,
        /// What both change.
        field: String,
    },
    /// Experiments of as many layers as make one slate run at the same places.
    #[error("experiments of {MAX_SERVED} other layers take the same slates, which is the most")]
    TooManyLayers,
    /// What was begun is not changed: users were served it.
    #[error("an experiment that was started can have no other {0}; traffic may grow")]
    Begun(&'static str),
}

type Changed<T = ()> = Result<T, ExperimentRefused>;

impl DomainExperiments {
    /// An experiment by its name.
    #[must_use]
    pub fn find(&self, experiment: &ExperimentId) -> Option<&Experiment> {
        self.experiments.iter().find(|known| known.experiment == *experiment)
    }

    fn at(&self, experiment: &ExperimentId) -> Changed<usize> {
        let found = self.experiments.iter().position(|known| known.experiment == *experiment);
        found.ok_or_else(|| ExperimentRefused::Unknown(experiment.clone()))
    }

    /// Adds a draft. The same again changes nothing.
    ///
    /// # Errors
    /// [`ExperimentRefused`] when there is another one of the name, or no room.
    pub fn add(&mut self, draft: Experiment) -> Changed {
        if let Some(known) = self.find(&draft.experiment) {
            return match known.definition == draft.definition {
                true => Ok(()),
                false => Err(ExperimentRefused::Taken(draft.experiment)),
            };
        }
        if self.experiments.len() >= MAX_EXPERIMENTS {
            return Err(ExperimentRefused::TooMany);
        }
        self.experiments.push(draft);
        self.experiments.sort_by(|one, other| one.experiment.cmp(&other.experiment));
        self.check_room()
    }

    /// Describes an experiment otherwise: a draft as one likes; one that was started by its name and
    /// a traffic that is not less.
    ///
    /// # Errors
    /// [`ExperimentRefused`] when it may not be changed so.
    pub fn change(&mut self, experiment: &ExperimentId, to: ExperimentDefinition) -> Changed {
        let at = self.at(experiment)?;
        let known = &self.experiments[at];
        if known.definition == to {
            return Ok(());
        }
        if known.state != ExperimentState::Draft {
            begun_allows(known, &to)?;
        }
        let slots = match known.holds_slots() {
            true => {
                let others = self.others(at).filter(|other| other.definition.layer == to.layer);
                let taken: Vec<_> = others.map(|other| &other.slots).collect();
                known.slots.grown(to.traffic, taken)?
            }
            false => known.slots.clone(),
        };
        let changed = &mut self.experiments[at];
        (changed.definition, changed.slots) = (to, slots);
        self.check_room()
    }

    /// Takes a step with an experiment. One to where it stands changes nothing.
    ///
    /// # Errors
    /// [`ExperimentRefused`] when the step does not follow, or what it needs is not there.
    pub fn step(
        &mut self,
        experiment: &ExperimentId,
        step: ExperimentStep,
        now: Timestamp,
    ) -> Changed {
        let at = self.at(experiment)?;
        let known = &self.experiments[at];
        let state = known.state.after(step)?;
        if state == known.state {
            return Ok(());
        }
        if state == ExperimentState::Running {
            self.check_conflicts(at)?;
        }
        let others =
            self.others(at).filter(|other| other.definition.layer == known.definition.layer);
        let taken: Vec<_> = others.map(|other| &other.slots).collect();
        let slots = match (state, known.holds_slots()) {
            (ExperimentState::Running, false) => {
                known.slots.grown(known.definition.traffic, taken)?
            }
            _ => known.slots.clone(),
        };
        let changed = &mut self.experiments[at];
        (changed.state, changed.slots) = (state, slots);
        match state {
            ExperimentState::Running => _ = changed.started_at.get_or_insert(now),
            ExperimentState::Stopped => changed.stopped_at = Some(now),
            ExperimentState::Draft | ExperimentState::Paused | ExperimentState::Archived => {}
        }
        if state == ExperimentState::Running { self.check_room() } else { Ok(()) }
    }

    /// Stops a running experiment for harm. One that does not run is left as it is.
    ///
    /// # Errors
    /// [`ExperimentRefused::Unknown`].
    pub fn stop_for(
        &mut self,
        experiment: &ExperimentId,
        why: StoppedFor,
        now: Timestamp,
    ) -> Changed {
        let at = self.at(experiment)?;
        if self.experiments[at].state != ExperimentState::Running {
            return Ok(());
        }
        self.step(experiment, ExperimentStep::Stop, now)?;
        self.experiments[at].stopped_for = Some(why);
        Ok(())
    }

    /// Gives the variants of a running experiment shares that were learnt, once a day (UTC) at most:
    /// with each, users draw their variants anew. After [`MAX_ALLOCATIONS`] of them the last stay.
    ///
    /// # Errors
    /// [`ExperimentRefused::Unknown`].
    pub fn reallocate(
        &mut self,
        experiment: &ExperimentId,
        shares: Vec<Share>,
        now: Timestamp,
    ) -> Changed {
        let (at, has_room) = (self.at(experiment)?, self.has_room());
        let known = &mut self.experiments[at];
        let day = |at: Timestamp| TimeZone::UTC.to_datetime(at).date();
        let last = known.allocations.last().map(|last| last.since).or(known.started_at);
        let is_due = last.is_none_or(|last| day(last) < day(now));
        let is_learnt = known.definition.bandit_floor.is_some() && has_room;
        let fits = shares.len() == known.definition.variants.len();
        if known.state == ExperimentState::Running
            && is_due
            && is_learnt
            && fits
            && known.allocations.len() < MAX_ALLOCATIONS
        {
            known.allocations.push(Allocation { since: now, shares });
        }
        Ok(())
    }

    /// The others that hold users.
    fn others(&self, at: usize) -> impl Iterator<Item = &Experiment> {
        let others = self.experiments.iter().enumerate().filter(move |(other, _)| *other != at);
        others.map(|(_, other)| other).filter(|other| other.holds_slots())
    }

    /// Within a layer nobody is served two; what two layers change must differ.
    fn check_conflicts(&self, at: usize) -> Changed {
        let starting = &self.experiments[at].definition;
        let of_other_layers: Vec<&Experiment> = self
            .others(at)
            .filter(|other| {
                other.definition.layer != starting.layer && other.definition.meets(starting)
            })
            .collect();
        let of_other_layers = of_other_layers.into_iter();
        let layers: BTreeSet<&LayerId> =
            of_other_layers.clone().map(|other| &other.definition.layer).collect();
        if layers.len() >= MAX_SERVED {
            return Err(ExperimentRefused::TooManyLayers);
        }
        for other in of_other_layers {
            let changes = |definition: &ExperimentDefinition| {
                let changes = definition.variants.iter().map(|of| of.settings.changes());
                changes.flatten().collect::<BTreeSet<_>>()
            };
            let (ours, theirs) = (changes(starting), changes(&other.definition));
            if let Some(field) = ours.intersection(&theirs).next() {
                let (with, field) = (other.experiment.clone(), field.clone());
                return Err(ExperimentRefused::Conflict { with, field });
            }
        }
        Ok(())
    }

    /// Whether something more may be kept: what ends an experiment always finds room beyond that.
    fn has_room(&self) -> bool {
        serde_json::to_vec(self).is_ok_and(|json| json.len() <= MAX_EXPERIMENTS_BYTES)
    }

    fn check_room(&self) -> Changed {
        let bytes = |of: &ExperimentDefinition| {
            serde_json::to_vec(of).map_or(usize::MAX, |json| json.len())
        };
        let mut each = self.experiments.iter().map(|known| bytes(&known.definition));
        match each.all(|bytes| bytes <= MAX_EXPERIMENT_BYTES) && self.has_room() {
            true => Ok(()),
            false => Err(ExperimentRefused::TooLarge),
        }
    }
}

/// Whether an experiment that was started may be described so from now on.
fn begun_allows(known: &Experiment, to: &ExperimentDefinition) -> Changed {
    if to.traffic < known.definition.traffic {
        return Err(ExperimentRefused::Begun("traffic that is less"));
    }
    if !known.holds_slots() {
        return Err(ExperimentRefused::Begun("definition once it is over"));
    }
    let name = to.name.clone();
    let grown = ExperimentDefinition { traffic: to.traffic, name, ..known.definition.clone() };
    if grown == *to { Ok(()) } else { Err(ExperimentRefused::Begun("definition")) }
}

/// An experiment that was put away. Its name is never used again: its decisions are archived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArchivedExperiment(pub Experiment);

impl Record for ArchivedExperiment {
    const KIND: RecordKind = "archived-experiment";
    type Id = crate::experiment::lifecycle::ExperimentKey;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::experiment::slots::BUCKETS;
    use crate::experiment::tests::experiment;

    fn id(name: &str) -> ExperimentId {
        ExperimentId::parse(name).unwrap()
    }

    fn draft(name: &str, changed: serde_json::Value) -> Experiment {
        let mut json = experiment();
        for (field, value) in changed.as_object().unwrap() {
            json[field] = value.clone();
        }
        let domain = DomainId::parse("knowledge").unwrap();
        let definition = serde_json::from_value(json).unwrap();
        Experiment::draft((domain, 0), id(name), definition, Timestamp::UNIX_EPOCH)
    }

    fn of(drafts: impl IntoIterator<Item = Experiment>) -> DomainExperiments {
        let mut all = DomainExperiments::default();
        drafts.into_iter().for_each(|draft| all.add(draft).unwrap());
        all
    }

    fn start(all: &mut DomainExperiments, name: &str) -> Changed {
        all.step(&id(name), ExperimentStep::Start, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_name_is_of_one_experiment_and_the_same_again_changes_nothing() {
        let mut all = of([draft("a", json!({}))]);
        all.add(draft("a", json!({}))).unwrap();
        assert_eq!(all.experiments.len(), 1);
        let other = all.add(draft("a", json!({"traffic": 0.3}))).unwrap_err();
        assert_eq!(other, ExperimentRefused::Taken(id("a")));
    }

    #[test]
    fn what_was_started_changes_by_growing_alone() {
        let mut all = of([draft("a", json!({"traffic": 0.2}))]);
        let change = |all: &mut DomainExperiments, changed| {
            all.change(&id("a"), draft("a", changed).definition)
        };
        change(&mut all, json!({"traffic": 0.1})).unwrap();
        start(&mut all, "a").unwrap();
        let before = all.find(&id("a")).unwrap().slots.clone();
        change(&mut all, json!({"traffic": 0.4, "name": "other"})).unwrap();
        let grown = all.find(&id("a")).unwrap();
        assert_eq!(grown.slots.count(), 4_000);
        assert!((0..BUCKETS).all(|bucket| !before.has(bucket) || grown.slots.has(bucket)));
        for wrong in [json!({"traffic": 0.3}), json!({"traffic": 0.5, "window_days": 7})] {
            assert!(matches!(change(&mut all, wrong), Err(ExperimentRefused::Begun(_))));
        }
    }

    #[test]
    fn what_two_layers_change_at_one_place_differs() {
        let other = json!({"layer": "b", "variants": [
            {"variant": "control", "share": 0.5},
            {"variant": "calm", "share": 0.5, "settings": {"placement": {"calibration": 0.1}}}]});
        let elsewhere = json!({"layer": "b", "placements": ["cart"]});
        let mut all = of([draft("a", json!({})), draft("b", other), draft("c", elsewhere)]);
        start(&mut all, "a").unwrap();
        let refused = start(&mut all, "b").unwrap_err();
        let expected = ExperimentRefused::Conflict { with: id("a"), field: "diversity".into() };
        assert_eq!(refused, expected);
        start(&mut all, "c").unwrap();
        all.step(&id("a"), ExperimentStep::Stop, Timestamp::UNIX_EPOCH).unwrap();
        start(&mut all, "b").unwrap();
    }

    #[test]
    fn a_stopped_experiment_gives_its_users_back_and_keeps_what_is_known_of_it() {
        let whole = json!({"traffic": 1});
        let mut all = of([draft("a", whole.clone()), draft("b", whole)]);
        start(&mut all, "a").unwrap();
        assert!(matches!(start(&mut all, "b"), Err(ExperimentRefused::NoRoom(_))));
        all.step(&id("a"), ExperimentStep::Pause, Timestamp::UNIX_EPOCH).unwrap();
        assert!(start(&mut all, "b").is_err(), "who pauses keeps its users");
        all.step(&id("a"), ExperimentStep::Stop, Timestamp::UNIX_EPOCH).unwrap();
        start(&mut all, "b").unwrap();
        let stopped = all.find(&id("a")).unwrap();
        assert!(stopped.stopped_at.is_some() && stopped.started_at.is_some());
    }

    #[test]
    fn no_more_layers_take_the_same_slates_than_make_one() {
        let names = ["a", "b", "c", "d", "e"];
        let plain = json!([{"variant": "x", "share": 0.5}, {"variant": "y", "share": 0.5}]);
        let mut all = of(names.map(|name| draft(name, json!({"layer": name, "variants": plain}))));
        for name in &names[..MAX_SERVED] {
            start(&mut all, name).unwrap();
        }
        assert_eq!(start(&mut all, "e"), Err(ExperimentRefused::TooManyLayers));
    }

    #[test]
    fn shares_are_learnt_once_a_day_and_by_who_runs_and_was_told_to() {
        let shares = || [3_000, 7_000].map(|of| Share::of_buckets(of).unwrap()).to_vec();
        let at = |hours: i64| Timestamp::from_second(hours * 3_600).unwrap();
        let mut all = of([draft("a", json!({"bandit_floor": 0.1})), draft("b", json!({}))]);
        all.reallocate(&id("a"), shares(), at(30)).unwrap();
        start(&mut all, "a").unwrap();
        start(&mut all, "b").unwrap();
        for hours in [1, 30, 31, 47, 49] {
            all.reallocate(&id("a"), shares(), at(hours)).unwrap();
            all.reallocate(&id("b"), shares(), at(hours)).unwrap();
        }
        let learnt = all.find(&id("a")).unwrap();
        let since: Vec<Timestamp> = learnt.allocations.iter().map(|of| of.since).collect();
        assert_eq!(since, [at(30), at(49)]);
        assert_eq!(learnt.shares(), (shares(), Some(2)));
        assert!(all.find(&id("b")).unwrap().allocations.is_empty());
    }

    #[test]
    fn harm_ends_what_runs_and_says_for_what() {
        let why = || StoppedFor {
            metric: crate::ids::MetricId::parse("orders").unwrap(),
            variant: crate::ids::VariantId::parse("diverse").unwrap(),
        };
        let mut all = of([draft("a", json!({}))]);
        all.stop_for(&id("a"), why(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(all.find(&id("a")).unwrap().state, ExperimentState::Draft);
        start(&mut all, "a").unwrap();
        all.stop_for(&id("a"), why(), Timestamp::UNIX_EPOCH).unwrap();
        let stopped = all.find(&id("a")).unwrap();
        assert_eq!((stopped.state, &stopped.stopped_for), (ExperimentState::Stopped, &Some(why())));
    }

    proptest! {
        #[test]
        fn whatever_is_done_no_bucket_of_a_layer_is_of_two_that_hold_users(
            acts in proptest::collection::vec((0usize..4, 0usize..5, 1u16..=BUCKETS), 1..40),
        ) {
            let names = ["a", "b", "c", "d"];
            let layer = |at: usize| if at < 3 { "one" } else { "two" };
            let mut all = of((0..4).map(|at| {
                draft(names[at], json!({"layer": layer(at), "placements": [names[at]], "traffic": 0.3}))
            }));
            for (at, act, traffic) in acts {
                let name = id(names[at]);
                let step = [
                    ExperimentStep::Start, ExperimentStep::Pause, ExperimentStep::Stop,
                    ExperimentStep::Start,
                ].get(act).copied();
                let _ = match step {
                    Some(step) => all.step(&name, step, Timestamp::UNIX_EPOCH),
                    None => {
                        let mut to = all.find(&name).unwrap().definition.clone();
                        to.traffic = crate::experiment::slots::Share::of_buckets(traffic).unwrap();
                        all.change(&name, to)
                    }
                };
                for bucket in (0..BUCKETS).step_by(7) {
                    let holders = all.experiments.iter().filter(|of| {
                        of.holds_slots() && of.definition.layer.as_str() == "one" && of.slots.has(bucket)
                    });
                    prop_assert!(holders.count() <= 1);
                }
            }
        }
    }
}
