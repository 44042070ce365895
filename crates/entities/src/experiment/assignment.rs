//! Who is served which variant: decided by the user's id alone, so that every function, and every
//! client in any language, comes to the same.
//!
//! A *draw* is a number below 10,000: the first eight bytes, most significant first, of the SHA-256
//! of some texts in UTF-8, each followed by a zero byte, divided by 10,000; the remainder.
//!
//! | draw | texts | what it decides |
//! | --- | --- | --- |
//! | holdout | `crossfold/holdout`, domain, user | held out of all experiments, where below the domain's share × 10,000 |
//! | layer | `crossfold/layer`, domain, layer, user | the experiment of the layer whose slots have it |
//! | variant | `crossfold/variant`, domain, experiment, user | the variant: the first whose share, with those before it, is above it |
//! | variant, by learnt shares | `crossfold/variant`, domain, experiment, number of the shares, user | the same, drawn anew with new shares |
//!
//! The draws of two layers, of a layer and a variant, and of two experiments are independent; that
//! of the variant does not depend on traffic, so whoever takes part keeps their variant while it grows.
//! The user is the platform's own id: a person who has two there may meet two variants.
//!
//! Kohavi, Tang, Xu, "Trustworthy Online Controlled Experiments" (2020), chapter 4; Tang et al.,
//! "Overlapping Experiment Infrastructure" (KDD 2010).

use sha2::{Digest, Sha256};

use crate::experiment::exposure::{Exposure, MAX_SERVED, ServedVariant};
use crate::experiment::lifecycle::{Experiment, ExperimentState};
use crate::experiment::slots::{BUCKETS, Share};
use crate::experiment::variant::VariantDefinition;
use crate::ids::{DomainId, ExperimentId, LayerId, Placement, UserId, VariantId};

/// A draw by texts: see the [module](self).
#[must_use]
pub fn draw(texts: &[&str]) -> u16 {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    let digest = digest.finalize();
    let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    // A remainder of BUCKETS is below it.
    (first % u64::from(BUCKETS)) as u16
}

/// The draw of a user in a layer of a platform.
#[must_use]
pub fn layer_draw(domain: &DomainId, layer: &LayerId, user: &UserId) -> u16 {
    draw(&["crossfold/layer", domain.as_str(), layer.as_str(), user.for_own_platform()])
}

/// Whether a user is held out of all experiments of a platform.
#[must_use]
pub fn is_held_out(domain: &DomainId, holdout: Option<Share>, user: &UserId) -> bool {
    let drawn = || draw(&["crossfold/holdout", domain.as_str(), user.for_own_platform()]);
    holdout.is_some_and(|share| drawn() < share.get())
}

/// Which of some shares a user draws, in an experiment, by shares of a number where they are learnt.
fn variant_at(
    (domain, experiment): (&DomainId, &ExperimentId),
    (shares, allocation): (&[Share], Option<u32>),
    user: &UserId,
) -> Option<usize> {
    let (domain, experiment) = (domain.as_str(), experiment.as_str());
    let drawn = match allocation {
        None => draw(&["crossfold/variant", domain, experiment, user.for_own_platform()]),
        Some(number) => draw(&[
            "crossfold/variant",
            domain,
            experiment,
            &number.to_string(),
            user.for_own_platform(),
        ]),
    };
    let mut below = 0;
    shares.iter().position(|share| {
        below += u32::from(share.get());
        u32::from(drawn) < below
    })
}

impl Experiment {
    /// The variant that a user is served, if they take part.
    #[must_use]
    pub fn variant_of(&self, user: &UserId) -> Option<(&VariantDefinition, Option<u32>)> {
        if self.state != ExperimentState::Running
            || !self.slots.has(layer_draw(&self.domain, &self.definition.layer, user))
        {
            return None;
        }
        let (shares, allocation) = self.shares();
        let at = variant_at((&self.domain, &self.experiment), (&shares, allocation), user)?;
        Some((self.definition.variants.get(at)?, allocation))
    }
}

/// A variant that a caller asks for, to try it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Of which experiment.
    pub experiment: ExperimentId,
    /// Which.
    pub variant: VariantId,
}

/// The variants that make a slate, with what each changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Assignment<'a> {
    /// They, in order of their experiments; at most [`MAX_SERVED`].
    pub variants: Vec<(ServedVariant, &'a VariantDefinition)>,
    /// Whether the user is held out of all.
    pub is_held_out: bool,
}

impl Assignment<'_> {
    /// What is logged of it.
    #[must_use]
    pub fn exposure(&self) -> Option<Exposure> {
        if self.variants.is_empty() {
            return self.is_held_out.then_some(Exposure::HeldOut);
        }
        Some(Exposure::Served(self.variants.iter().map(|(served, _)| served.clone()).collect()))
    }
}

/// The variants that a user is served at a place: of experiments that run there, each in the part
/// of its layer that the user draws; and those that the caller tries, which take the place of what
/// the user would be served of the same experiment.
#[must_use]
pub fn assign<'a>(
    experiments: &'a [Experiment],
    (domain, holdout): (&DomainId, Option<Share>),
    (user, placement): (&UserId, Option<&Placement>),
    tried: &[Tried],
) -> Assignment<'a> {
    let is_held_out = is_held_out(domain, holdout, user);
    let at_place = experiments.iter().filter(|of| of.definition.is_at(placement));
    let served = at_place.filter_map(|of| {
        let named = tried.iter().find(|tried| tried.experiment == of.experiment);
        let (variant, allocation) = match named {
            Some(named) => {
                let variants = &of.definition.variants;
                (variants.iter().find(|variant| variant.variant == named.variant)?, None)
            }
            None if is_held_out => return None,
            None => of.variant_of(user)?,
        };
        let served = ServedVariant {
            experiment: of.experiment.clone(),
            variant: variant.variant.clone(),
            allocation,
            is_tried: named.is_some(),
        };
        Some((served, variant))
    });
    let mut variants: Vec<_> = served.collect();
    // What is tried is served in any case; and beside it nothing is an exposure, for it may change the
    // same.
    variants.sort_by_key(|(served, _)| !served.is_tried);
    variants.truncate(MAX_SERVED);
    let is_trial = variants.iter().any(|(served, _)| served.is_tried);
    variants.iter_mut().for_each(|(served, _)| served.is_tried |= is_trial);
    variants.sort_by(|one, other| one.0.cmp(&other.0));
    Assignment { variants, is_held_out }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::experiment::tests::experiment;

    fn domain() -> DomainId {
        DomainId::parse("knowledge").unwrap()
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    fn share(buckets: u16) -> Share {
        Share::of_buckets(buckets).unwrap()
    }

    /// A running experiment of the layer `main`.
    fn running(name: &str, traffic: u16, taken: &[&Experiment]) -> Experiment {
        let definition = serde_json::from_value(experiment()).unwrap();
        let name = ExperimentId::parse(name).unwrap();
        let mut made = Experiment::draft((domain(), 0), name, definition, Timestamp::UNIX_EPOCH);
        let taken: Vec<_> = taken.iter().map(|other| &other.slots).collect();
        made.slots = made.slots.grown(share(traffic), taken).unwrap();
        made.state = ExperimentState::Running;
        made
    }

    #[test]
    fn published_vectors_hold() {
        let drawn = |user_id: &str| {
            let layer = LayerId::parse("main").unwrap();
            let of = (ExperimentId::parse("more-diverse").unwrap(), user(user_id));
            let texts = ["crossfold/variant", "knowledge", of.0.as_str(), of.1.for_own_platform()];
            let held = draw(&["crossfold/holdout", "knowledge", user_id]);
            (held, layer_draw(&domain(), &layer, &of.1), draw(&texts))
        };
        for (user_id, expected) in VECTORS {
            assert_eq!(drawn(user_id), expected, "{user_id}");
        }
    }

    /// Users with their draws of holdout, layer and variant: those of docs/experiments.md.
    const VECTORS: [(&str, (u16, u16, u16)); 4] = [
        ("u1", (559, 2_415, 5_370)),
        ("alice@example.com", (7_540, 9_033, 3_115)),
        ("用户-7", (4_693, 3_785, 5_861)),
        ("0042", (4_999, 6_363, 3_816)),
    ];

    #[test]
    fn nobody_is_of_two_experiments_of_a_layer_and_growth_moves_nobody() {
        let first = running("first", 3_000, &[]);
        let second = running("second", 7_000, &[&first]);
        let mut small = running("small", 1_000, &[]);
        let mut both = 0;
        let users: Vec<UserId> = (0..20_000).map(|at| user(&format!("u{at}"))).collect();
        let before: Vec<_> = users
            .iter()
            .map(|user| small.variant_of(user).map(|(of, _)| of.variant.clone()))
            .collect();
        small.slots = small.slots.grown(share(4_000), []).unwrap();
        for (user, before) in users.iter().zip(before) {
            both +=
                usize::from(first.variant_of(user).is_some() && second.variant_of(user).is_some());
            assert!(first.variant_of(user).is_some() || second.variant_of(user).is_some());
            let after = small.variant_of(user).map(|(of, _)| of.variant.clone());
            assert!(before.is_none() || before == after);
        }
        assert_eq!(both, 0);
    }

    #[test]
    fn shares_are_kept_to_and_two_experiments_are_independent() {
        let first = running("first", 10_000, &[]);
        let second = running("second", 10_000, &[]);
        let mut counts = [[0_u32; 2]; 2];
        for at in 0..20_000 {
            let user = user(&format!("u{at}"));
            let of = |experiment: &Experiment| {
                let (variant, _) = experiment.variant_of(&user).unwrap();
                usize::from(variant.variant.as_str() == "control")
            };
            counts[of(&first)][of(&second)] += 1;
        }
        // 5,000 of each are expected, with a standard deviation of 61.
        assert!(
            counts.as_flattened().iter().all(|count| count.abs_diff(5_000) < 245),
            "{counts:?}"
        );
    }

    #[test]
    fn who_is_held_out_takes_part_in_nothing_and_may_be_shown_what_is_tried() {
        let experiments = [running("first", 10_000, &[])];
        let held = Some(share(10_000));
        let home = Placement::parse("home").unwrap();
        let place = (&user("u"), Some(&home));
        let assigned = assign(&experiments, (&domain(), held), place, &[]);
        assert_eq!(assigned.exposure(), Some(Exposure::HeldOut));
        let tried = Tried {
            experiment: ExperimentId::parse("first").unwrap(),
            variant: VariantId::parse("diverse").unwrap(),
        };
        let assigned = assign(&experiments, (&domain(), held), place, &[tried]);
        assert_eq!(assigned.exposure().unwrap().to_string(), "first:diverse!");
        let elsewhere = assign(&experiments, (&domain(), None), (&user("u"), None), &[]);
        assert_eq!(elsewhere.exposure(), None);
    }

    #[test]
    fn beside_what_is_tried_nothing_is_an_exposure() {
        let experiments = [running("first", 10_000, &[]), running("second", 10_000, &[])];
        let home = Placement::parse("home").unwrap();
        let tried = Tried {
            experiment: ExperimentId::parse("second").unwrap(),
            variant: VariantId::parse("diverse").unwrap(),
        };
        let place = (&user("u"), Some(&home));
        let exposure = assign(&experiments, (&domain(), None), place, &[tried]).exposure().unwrap();
        for of in &experiments {
            assert!(exposure.of(&of.experiment).is_none(), "{exposure}");
        }
    }

    proptest! {
        #[test]
        fn the_same_user_draws_the_same_whoever_asks(name in "[a-z0-9@.]{1,20}") {
            let experiments = [running("first", 5_000, &[])];
            let home = Placement::parse("home").unwrap();
            let of = || {
                let drawn = user(&name);
                let place = (&drawn, Some(&home));
                assign(&experiments, (&domain(), None), place, &[]).exposure()
            };
            prop_assert_eq!(of(), of());
        }
    }
}
