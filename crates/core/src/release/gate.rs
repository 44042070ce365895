//! The gate that a new model passes before it is served.
//!
//! A model is refused when its artefact does not verify; when, in any domain
//! with enough held-out people, it ranks worse than popularity or than the
//! champion beyond doubt; when it knows far fewer items than the champion; or
//! when it was made from far fewer events (unless the run was told to accept that). What
//! erasures took out since is no shrinkage: the champion counts without it.
//!
//! **Erasures do not wait for ever.** They are complete only once a model without the people
//! serves. Where one has waited for [`LONGEST_WAIT`] behind models that were refused, the next
//! one is served whatever it fails, if its artefact verifies ([`Verdict::for_erasures`]).
//!
//! *Beyond doubt*: the 95% interval of the paired difference lies wholly below
//! zero (popularity), or below minus one percent of the champion's mean (the
//! champion): a model made today from about the same events differs from
//! yesterday's by noise that a large sample would call significant. Domains are
//! judged one by one, without a correction for their number: that makes the gate
//! stricter, and what a wrong refusal costs is a model of yesterday.
//!
//! A domain with too few held-out people cannot be judged. It is said so
//! ([`CheckOutcome::Unresolved`]) and does not block: a young domain would otherwise
//! keep every other one from learning.
//!
//! **The first model.** Without a champion, what would serve instead is
//! popularity, so that is the whole comparison: any verified model that is not
//! worse than popularity beyond doubt is published.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::entities::counted::{of, were};
use crate::entities::ids::{DomainId, ModelId};
use crate::maths::bootstrap::Interval;
use crate::model::{Manifest, ModelError};
use crate::training::shadow::{FEWEST_PEOPLE, Rival, ShadowBasis, ShadowComparison, ShadowReport};

/// Fewest held-out people by which a domain is judged.
pub const MIN_PEOPLE: usize = FEWEST_PEOPLE;

/// Share of the champion's mean by which a challenger may be worse.
pub const TOLERANCE: f64 = 0.01;

/// Least share of the champion's items, and of its events, that a challenger must have.
pub const LEAST_SHARE: f64 = 0.5;

/// How long an erasure waits for a model that is as good. GDPR (article 12(3)) gives a month
/// in all, of which a schedule's ticks, and whoever looks at what failed, must have their part.
pub const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// Nothing speaks against the model.
    Passed,
    /// There is too little to judge by; this does not block.
    Unresolved,
    /// The model is refused for this.
    Failed,
}

/// What was checked, with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "snake_case")]
pub enum CheckFinding {
    /// The artefact, read back as a reader would.
    Artefact {
        /// What is wrong with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The ranking for a domain's held-out people, against popularity.
    Popularity {
        /// The domain.
        domain: DomainId,
        /// People compared.
        people: usize,
        /// Popularity's mean NDCG@20.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        popularity: Option<f64>,
        /// The model's mean minus popularity's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        difference: Option<Interval>,
    },
    /// The ranking for a domain's held-out people, against the champion.
    Champion {
        /// The domain.
        domain: DomainId,
        /// Whether neither or both had seen what was to be found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        basis: Option<ShadowBasis>,
        /// People compared.
        people: usize,
        /// The champion's mean NDCG@20.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        champion: Option<f64>,
        /// The model's mean minus the champion's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        difference: Option<Interval>,
        /// The difference that the interval must not lie wholly below.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tolerated: Option<f64>,
        /// Where both had seen what was to be found: what the model gained over popularity by
        /// people's newest events, which it had not seen, minus what the champion gained so in
        /// the run that made it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unseen: Option<Interval>,
    },
    /// The items of a domain that the model knows.
    Items {
        /// The domain.
        domain: DomainId,
        /// The model's.
        items: usize,
        /// The champion's.
        champion: usize,
        /// Archived events that erasures took out since the champion was made, each of which may
        /// have been the only one about an item.
        #[serde(default, skip_serializing_if = "is_zero")]
        erased: u64,
    },
    /// The events that the model was made from.
    Events {
        /// The model's, after cleaning.
        events: u64,
        /// The champion's.
        champion: u64,
        /// Whether the run was told to accept fewer, or domains of the champion's were deleted.
        accepted: bool,
        /// Archived events that erasures took out since the champion was made.
        #[serde(default, skip_serializing_if = "is_zero")]
        erased: u64,
    },
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What was checked.
    #[serde(flatten)]
    pub finding: CheckFinding,
}

/// The gate's verdict on one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the model may be served without a person's decision.
    pub passed: bool,
    /// Whether it passed although checks failed, for an erasure has waited for
    /// [`LONGEST_WAIT`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_erasures: bool,
    /// The champion it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<ModelId>,
    /// Every check.
    pub checks: Vec<Check>,
}

impl Verdict {
    fn of(champion: Option<ModelId>, checks: Vec<Check>) -> Self {
        let passed = checks.iter().all(|check| check.outcome != CheckOutcome::Failed);
        Self { passed, for_erasures: false, champion, checks }
    }

    /// The verdict on a model that is whole, where an erasure has waited for too long.
    fn or_for_erasures(self, is_overdue: bool) -> Self {
        match self.passed || !is_overdue {
            true => self,
            false => Self { passed: true, for_erasures: true, ..self },
        }
    }

    /// What speaks against the model, in words; empty when nothing does.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|check| check.outcome == CheckOutcome::Failed);
        failed.map(|check| check.finding.to_string()).collect()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl std::fmt::Display for CheckFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Artefact { error: None } => write!(f, "the artefact verifies"),
            Self::Artefact { error: Some(error) } => write!(f, "the artefact: {error}"),
            Self::Popularity { domain, .. } => {
                write!(f, "{domain}: NDCG@20 against popularity {}", self.comparison())
            }
            Self::Champion { domain, .. } => {
                write!(f, "{domain}: NDCG@20 against the champion {}", self.comparison())
            }
            Self::Items { domain, items, champion, erased } => {
                let items = of(*items as u64, "item");
                write!(f, "{domain}: {items}, the champion knows {champion}")?;
                write_erased(f, *erased)
            }
            Self::Events { events, champion, erased, .. } => {
                let events = of(*events, "event");
                write!(f, "made from {events}, the champion from {champion}")?;
                write_erased(f, *erased)
            }
        }
    }
}

fn write_erased(f: &mut std::fmt::Formatter<'_>, erased: u64) -> std::fmt::Result {
    match erased {
        0 => Ok(()),
        erased => write!(f, " ({} erased since)", were(erased, "archived event")),
    }
}

fn compared(people: usize, difference: &Option<Interval>) -> String {
    let people = of(people as u64, "person");
    let Some(Interval { mean, low, high }) = difference else {
        return format!("not measured ({people})");
    };
    format!("{mean:+.4} [{low:+.4}, {high:+.4}] ({people})")
}

impl CheckFinding {
    /// How the model ranks beside the other, in words, with what the figures rest on: they say
    /// little where both models remember what was to be found. Empty where nothing is ranked.
    #[must_use]
    pub fn comparison(&self) -> String {
        match self {
            Self::Popularity { people, difference, .. } => compared(*people, difference),
            Self::Champion { people, difference, basis, unseen, .. } => {
                let seen = match basis {
                    Some(ShadowBasis::Seen) => ", both made from what was to be found",
                    Some(ShadowBasis::Unseen) | None => "",
                };
                let without = unseen.map(|Interval { mean, low, high }| {
                    format!(
                        "; made without it, its gain over popularity differs from the champion's \
                         by {mean:+.4} [{low:+.4}, {high:+.4}]"
                    )
                });
                format!("{}{seen}{}", compared(*people, difference), without.unwrap_or_default())
            }
            Self::Artefact { .. } | Self::Items { .. } | Self::Events { .. } => String::new(),
        }
    }
}

/// What a run allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateRules {
    /// That the model is made from far fewer events than the champion.
    pub accept_fewer_events: bool,
    /// Domains that were deleted since the champion was made: what it knows of them is what a
    /// new model must not know.
    pub deleted: BTreeSet<DomainId>,
    /// How many archived events of each domain erasures took out since the champion was made.
    pub erased: BTreeMap<DomainId, u64>,
    /// Whether an erasure has waited for [`LONGEST_WAIT`].
    pub is_erasure_overdue: bool,
}

/// The champion, as a new model is held against it.
#[derive(Debug, Clone, Copy)]
pub struct Incumbent<'a> {
    /// The champion.
    pub id: &'a ModelId,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// What the run that made it measured, if that is known.
    pub measured: Option<&'a ShadowReport>,
}

/// The gate's verdict as a run's record keeps it: bounded, whatever the number of
/// domains. Every check stands in the model's record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictSummary {
    /// Whether the model may be served without a person's decision.
    pub passed: bool,
    /// As [`Verdict::for_erasures`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_erasures: bool,
    /// The champion it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<ModelId>,
    /// How many checks it passed; like the next two, absent in runs from before they
    /// were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks_passed: Option<usize>,
    /// How many it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks_failed: Option<usize>,
    /// How many could not be decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks_unresolved: Option<usize>,
}

impl From<&Verdict> for VerdictSummary {
    fn from(verdict: &Verdict) -> Self {
        let count =
            |outcome| Some(verdict.checks.iter().filter(|check| check.outcome == outcome).count());
        Self {
            passed: verdict.passed,
            for_erasures: verdict.for_erasures,
            champion: verdict.champion.clone(),
            checks_passed: count(CheckOutcome::Passed),
            checks_failed: count(CheckOutcome::Failed),
            checks_unresolved: count(CheckOutcome::Unresolved),
        }
    }
}

/// Judges a model by its manifest, or by why there is none to trust, against the
/// champion's, and by the comparisons on held-out people in the report of its run.
#[must_use]
pub fn judge(
    challenger: Result<&Manifest, &ModelError>,
    report: &ShadowReport,
    champion: Option<Incumbent<'_>>,
    rules: &GateRules,
) -> Verdict {
    let id = champion.map(|champion| champion.id.clone());
    let manifest = match challenger {
        Ok(manifest) => manifest,
        Err(error) => {
            let finding = CheckFinding::Artefact { error: Some(error.to_string()) };
            let check = Check { outcome: CheckOutcome::Failed, finding };
            return Verdict::of(id, vec![check]);
        }
    };
    let whole =
        Check { outcome: CheckOutcome::Passed, finding: CheckFinding::Artefact { error: None } };
    let mut checks = vec![whole];
    let items = items_by_domain(manifest);
    let compared = &report.domains;
    checks.extend(items.keys().map(|domain| against_popularity(domain, compared.get(domain))));
    if let Some(champion) = champion {
        let known = items_by_domain(champion.manifest).into_iter();
        for (domain, known) in known.filter(|(domain, _)| !rules.deleted.contains(domain)) {
            let earlier = champion.measured.and_then(|measured| measured.domains.get(&domain));
            checks.push(against_champion(&domain, compared.get(&domain), earlier));
            let erased = rules.erased.get(&domain).copied().unwrap_or(0);
            let items = items.get(&domain).copied().unwrap_or(0);
            checks.push(enough_items(&domain, items, known, erased));
        }
        checks.push(enough_events(manifest, champion.manifest, rules));
    }
    Verdict::of(id, checks).or_for_erasures(rules.is_erasure_overdue)
}

fn items_by_domain(manifest: &Manifest) -> BTreeMap<DomainId, usize> {
    manifest.domains.iter().map(|table| (table.domain.clone(), table.items)).collect()
}

fn against_popularity(domain: &DomainId, compared: Option<&ShadowComparison>) -> Check {
    let rival = compared.map(|shadow| shadow.popularity);
    let people = rival.map_or(0, |rival| rival.people);
    Check {
        outcome: outcome(rival, 0.0),
        finding: CheckFinding::Popularity {
            domain: domain.clone(),
            people,
            popularity: rival.map(|rival| rival.mean),
            difference: rival.map(|rival| rival.difference),
        },
    }
}

/// Two models that were both made from what was to be found are told apart by how well they
/// remember it, which the one with more factors or less regularisation does better. So the
/// new one fails only if it is worse by what it had not seen as well.
fn against_champion(
    domain: &DomainId,
    compared: Option<&ShadowComparison>,
    earlier: Option<&ShadowComparison>,
) -> Check {
    let rival = compared.and_then(|shadow| shadow.champion);
    let people = rival.map_or(0, |rival| rival.people);
    let tolerated = rival.map(|rival| -TOLERANCE * rival.mean);
    let is_seen = rival.is_some_and(|rival| rival.basis == ShadowBasis::Seen);
    let unseen = compared.zip(earlier).filter(|_| is_seen);
    let unseen = unseen.and_then(|(compared, earlier)| unseen_difference(compared, earlier));
    let tolerates = tolerated.unwrap_or(0.0);
    let outcome = match outcome(rival, tolerates) {
        CheckOutcome::Failed if unseen.is_some_and(|unseen| unseen.high >= tolerates) => {
            CheckOutcome::Unresolved
        }
        outcome => outcome,
    };
    Check {
        outcome,
        finding: CheckFinding::Champion {
            domain: domain.clone(),
            basis: rival.map(|rival| rival.basis),
            people,
            champion: rival.map(|rival| rival.mean),
            difference: rival.map(|rival| rival.difference),
            tolerated,
            unseen,
        },
    }
}

/// What one gained over popularity minus what the other did, each by people's newest events,
/// which it had not seen, in the run that made it. The people need not be the same, so the
/// interval is that of a difference of independent means, by squares of each one's distances
/// (MOVER: Zou and Donner 2008, after Newcombe 1998).
fn unseen_difference(model: &ShadowComparison, earlier: &ShadowComparison) -> Option<Interval> {
    let is_measured = |shadow: &ShadowComparison| shadow.popularity.people >= MIN_PEOPLE;
    if model.held_out != earlier.held_out || !is_measured(model) || !is_measured(earlier) {
        return None;
    }
    let (a, b) = (model.popularity.difference, earlier.popularity.difference);
    let mean = a.mean - b.mean;
    Some(Interval {
        mean,
        low: mean - (a.mean - a.low).hypot(b.high - b.mean),
        high: mean + (a.high - a.mean).hypot(b.mean - b.low),
    })
}

fn outcome(rival: Option<Rival>, tolerated: f64) -> CheckOutcome {
    match rival {
        Some(rival) if rival.people >= MIN_PEOPLE => {
            let is_worse = rival.difference.high < tolerated;
            if is_worse { CheckOutcome::Failed } else { CheckOutcome::Passed }
        }
        _ => CheckOutcome::Unresolved,
    }
}

fn enough_items(domain: &DomainId, items: usize, champion: usize, erased: u64) -> Check {
    let is_enough = is_enough(items as u64, champion as u64, erased);
    Check {
        outcome: if is_enough { CheckOutcome::Passed } else { CheckOutcome::Failed },
        finding: CheckFinding::Items { domain: domain.clone(), items, champion, erased },
    }
}

/// Whether a model has enough of what the champion has, less what was erased since.
fn is_enough(own: u64, champion: u64, erased: u64) -> bool {
    own as f64 >= champion.saturating_sub(erased) as f64 * LEAST_SHARE
}

fn enough_events(manifest: &Manifest, champion: &Manifest, rules: &GateRules) -> Check {
    let (events, before) = (manifest.events, champion.events);
    let lost = champion.domains.iter().any(|table| rules.deleted.contains(&table.domain));
    let accepted = rules.accept_fewer_events || lost;
    let erased = rules.erased.values().sum();
    let is_enough = is_enough(events, before, erased) || accepted;
    Check {
        outcome: if is_enough { CheckOutcome::Passed } else { CheckOutcome::Failed },
        finding: CheckFinding::Events { events, champion: before, accepted, erased },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::decode_manifest;
    use crate::model::tests::{encode, parts};

    fn knowledge() -> DomainId {
        DomainId::parse("knowledge").unwrap()
    }

    fn id() -> ModelId {
        ModelId::parse(&"a".repeat(64)).unwrap()
    }

    /// A manifest of the domains `auto` (1 item) and `knowledge` (2 items).
    fn manifest() -> Manifest {
        let artefact = encode(&parts());
        let manifest = decode_manifest(&artefact.id, &artefact.manifest).unwrap();
        Manifest { events: 1_000, ..manifest }
    }

    fn rival(mean: f64, low: f64, high: f64) -> Rival {
        Rival {
            basis: ShadowBasis::Seen,
            people: 0,
            mean,
            difference: Interval { mean: (low + high) / 2.0, low, high },
        }
    }

    fn compared(people: usize, popularity: Rival, champion: Option<Rival>) -> ShadowReport {
        let of = |rival: Rival| Rival { people, ..rival };
        let (popularity, champion) = (of(popularity), champion.map(of));
        let held_out = crate::training::shadow::HeldOut::default();
        let shadow = ShadowComparison { held_out, mean: 0.3, popularity, champion };
        ShadowReport { champion: None, domains: BTreeMap::from([(knowledge(), shadow)]) }
    }

    fn judged(report: &ShadowReport) -> Verdict {
        judged_beside(report, None)
    }

    fn judged_beside(report: &ShadowReport, earlier: Option<&ShadowReport>) -> Verdict {
        let (id, manifest) = (id(), manifest());
        let champion = Incumbent { id: &id, manifest: &manifest, measured: earlier };
        judge(Ok(&manifest), report, Some(champion), &GateRules::default())
    }

    /// Judges a model of which nothing was measured.
    fn unmeasured(challenger: &Manifest, champion: &Manifest, rules: GateRules) -> Verdict {
        let champion = Incumbent { id: &id(), manifest: champion, measured: None };
        judge(Ok(challenger), &ShadowReport::default(), Some(champion), &rules)
    }

    const BETTER: (f64, f64, f64) = (0.2, 0.01, 0.1);

    fn better() -> Rival {
        rival(BETTER.0, BETTER.1, BETTER.2)
    }

    #[test]
    fn a_better_model_passes_and_unmeasured_domains_do_not_block() {
        let verdict = judged(&compared(100, better(), Some(better())));
        assert!(verdict.passed, "{verdict:?}");
        assert!(verdict.reasons().is_empty());
        assert_eq!(verdict.champion, Some(id()));
        let unresolved = verdict.checks.iter().filter(|c| c.outcome == CheckOutcome::Unresolved);
        // `auto` was not measured against either.
        assert_eq!(unresolved.count(), 2);
    }

    #[test]
    fn a_model_worse_than_the_champion_beyond_the_tolerance_is_refused() {
        let worse = judged(&compared(100, better(), Some(rival(0.3, -0.05, -0.0031))));
        assert!(!worse.passed);
        assert!(worse.reasons()[0].contains("knowledge: NDCG@20 against the champion"));
        let within = judged(&compared(100, better(), Some(rival(0.3, -0.05, -0.0029))));
        assert!(within.passed, "{within:?}");
    }

    #[test]
    fn what_is_only_remembered_less_well_is_published() {
        let remembered = rival(0.7, -0.33, -0.20);
        let report = |low, high| compared(100, rival(0.2, low, high), Some(remembered));
        let champion = report(0.25, 0.35);
        let about_as_good = judged_beside(&report(0.22, 0.33), Some(&champion));
        assert!(about_as_good.passed, "{:?}", about_as_good.reasons());
        assert!(about_as_good.checks.iter().any(|check| {
            check.outcome == CheckOutcome::Unresolved
                && matches!(check.finding, CheckFinding::Champion { unseen: Some(_), .. })
        }));
        let worse = judged_beside(&report(0.02, 0.12), Some(&champion));
        assert!(!worse.passed);
        assert_eq!(
            worse.reasons()[0],
            "knowledge: NDCG@20 against the champion -0.2650 [-0.3300, -0.2000] (100 people), both \
             made from what was to be found; made without it, its gain over popularity differs from \
             the champion's by -0.2300 [-0.3007, -0.1593]"
        );
        // Of what neither had seen, no more need be asked.
        let unseen = Rival { basis: ShadowBasis::Unseen, ..remembered };
        let unseen = compared(100, rival(0.2, 0.22, 0.33), Some(unseen));
        assert!(!judged_beside(&unseen, Some(&champion)).passed);
    }

    #[test]
    fn a_domain_that_was_deleted_is_not_missed() {
        let mut rest = manifest();
        rest.domains.retain(|table| table.domain != knowledge());
        rest.events = 1;
        assert!(!unmeasured(&rest, &manifest(), GateRules::default()).passed);
        let deleted = BTreeSet::from([knowledge()]);
        let rules = GateRules { deleted, ..GateRules::default() };
        let verdict = unmeasured(&rest, &manifest(), rules);
        assert!(verdict.passed, "{:?}", verdict.reasons());
    }

    #[test]
    fn too_few_people_settle_nothing() {
        let worse = Some(rival(0.3, -0.2, -0.1));
        let bad = rival(0.3, -0.2, -0.1);
        assert!(judged(&compared(MIN_PEOPLE - 1, bad, worse)).passed);
        assert!(!judged(&compared(MIN_PEOPLE, bad, worse)).passed);
    }

    #[test]
    fn the_first_model_is_held_against_popularity_alone() {
        let first =
            |report: &ShadowReport| judge(Ok(&manifest()), report, None, &GateRules::default());
        assert!(first(&compared(100, better(), None)).passed);
        assert!(first(&ShadowReport::default()).passed);
        let worse = first(&compared(100, rival(0.3, -0.2, -0.001), None));
        assert!(!worse.passed);
        assert!(worse.reasons()[0].contains("popularity"), "{:?}", worse.reasons());
    }

    #[test]
    fn a_collapsed_catalogue_is_refused_also_of_a_domain_that_is_gone() {
        let mut small = manifest();
        small.domains.iter_mut().for_each(|table| table.items *= 2);
        let verdict = unmeasured(&manifest(), &small, GateRules::default());
        assert!(verdict.passed, "half is enough: {verdict:?}");
        small.domains.iter_mut().for_each(|table| table.items += 1);
        let verdict = unmeasured(&manifest(), &small, GateRules::default());
        assert_eq!(verdict.reasons().len(), 2, "{verdict:?}");
        let mut gone = manifest();
        gone.domains.retain(|table| table.domain == knowledge());
        assert!(
            unmeasured(&gone, &manifest(), GateRules::default()).reasons()[0]
                .contains("auto: 0 items")
        );
    }

    #[test]
    fn far_fewer_events_are_refused_unless_accepted() {
        let mut few = manifest();
        few.events = 499;
        let refused = unmeasured(&few, &manifest(), GateRules::default());
        assert!(refused.reasons()[0].contains("499 events"));
        let rules = GateRules { accept_fewer_events: true, ..GateRules::default() };
        assert!(unmeasured(&few, &manifest(), rules).passed);
    }

    #[test]
    fn what_erasures_took_out_is_no_shrinkage() {
        let mut few = manifest();
        few.events = 100;
        few.domains.iter_mut().for_each(|table| table.items = 1);
        let mut before = manifest();
        before.domains.iter_mut().for_each(|table| table.items = 10);
        let rules = |erased: [(&str, u64); 2]| GateRules {
            erased: erased.map(|(domain, rows)| (DomainId::parse(domain).unwrap(), rows)).into(),
            ..GateRules::default()
        };
        let verdict = unmeasured(&few, &before, rules([("knowledge", 792), ("auto", 8)]));
        assert!(verdict.passed, "{:?}", verdict.reasons());
        let verdict = unmeasured(&few, &before, rules([("knowledge", 791), ("auto", 8)]));
        assert!(verdict.reasons()[0].contains("799 archived events were erased"), "{verdict:?}");
        // What was erased on one platform does not excuse what another one lost.
        let verdict = unmeasured(&few, &before, rules([("knowledge", 800), ("auto", 7)]));
        assert!(verdict.reasons()[0].starts_with("auto: 1 item,"), "{verdict:?}");
    }

    #[test]
    fn where_an_erasure_waited_for_too_long_a_whole_model_is_served_whatever_it_fails() {
        let mut few = manifest();
        few.events = 1;
        let rules = || GateRules { is_erasure_overdue: true, ..GateRules::default() };
        let verdict = unmeasured(&few, &manifest(), rules());
        assert!(verdict.passed && verdict.for_erasures);
        assert_eq!(verdict.reasons().len(), 1);
        assert!(VerdictSummary::from(&verdict).for_erasures);
        assert!(!unmeasured(&manifest(), &manifest(), rules()).for_erasures);
        let error = ModelError::Checksum("the blob");
        assert!(!judge(Err(&error), &ShadowReport::default(), None, &rules()).passed);
    }

    #[test]
    fn an_artefact_that_does_not_verify_is_refused_whatever_it_claims() {
        let error = ModelError::Checksum("the blob");
        let verdict = judge(
            Err(&error),
            &ShadowReport::default(),
            None,
            &GateRules { accept_fewer_events: true, ..GateRules::default() },
        );
        assert!(!verdict.passed);
        assert_eq!(verdict.checks.len(), 1);
        assert!(verdict.reasons()[0].contains("checksum"), "{:?}", verdict.reasons());
    }

    proptest! {
        #[test]
        fn a_verdict_reads_back_and_fails_exactly_for_its_reasons(
            people in 0usize..60, low in -0.3f64..0.1, width in 0.0f64..0.3, kept in 0u64..2_000,
        ) {
            let report =
                compared(people, rival(0.2, low, low + width), Some(rival(0.3, low, low + width)));
            let challenger = Manifest { events: kept, ..manifest() };
            let (id, champion) = (id(), manifest());
            let champion = Incumbent { id: &id, manifest: &champion, measured: None };
            let verdict = judge(Ok(&challenger), &report, Some(champion), &GateRules::default());
            let summary = VerdictSummary::from(&verdict);
            let counts = [summary.checks_passed, summary.checks_failed, summary.checks_unresolved];
            prop_assert_eq!(counts.into_iter().flatten().sum::<usize>(), verdict.checks.len());
            prop_assert_eq!(summary.checks_failed > Some(0), !verdict.passed);
            let json = serde_json::to_string(&verdict).unwrap();
            let read: Verdict = serde_json::from_str(&json).unwrap();
            let outcomes = |v: &Verdict| v.checks.iter().map(|c| c.outcome).collect::<Vec<_>>();
            prop_assert_eq!(outcomes(&read), outcomes(&verdict));
            prop_assert_eq!(read.reasons(), verdict.reasons());
            prop_assert_eq!((read.passed, read.champion), (verdict.passed, verdict.champion.clone()));
            prop_assert_eq!(verdict.passed, verdict.reasons().is_empty());
            let is_worse = people >= MIN_PEOPLE && low + width < -TOLERANCE * 0.3;
            let is_poor = people >= MIN_PEOPLE && low + width < 0.0;
            prop_assert_eq!(verdict.passed, !is_worse && !is_poor && kept >= 500);
        }
    }
}
