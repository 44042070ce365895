//! What experiments come to.

use super::super::guardrail::GuardrailState;
use super::super::verdict::{Verdict, must_stop};
use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Users of both variants, who click and buy with these probabilities; whoever did before does so
/// more often.
fn users(count: usize, seed: u64, (control, diverse): ([f64; 2], [f64; 2])) -> Archive {
    let (mut archive, mut dice) = (Archive::default(), ChaCha8Rng::seed_from_u64(seed));
    for number in 0..count {
        let (name, is_other) = (format!("u{number}"), dice.random_bool(0.5));
        let first = (30 + number as i64 % 20) * DAY;
        let of = if is_other { diverse } else { control };
        archive.slate(&name, &name, if is_other { "diverse" } else { "control" }, first);
        if dice.random_bool(of[0]) {
            archive.click(&name, &name, "f", first + 1);
        }
        let is_keen = dice.random_bool(0.5);
        if is_keen {
            archive.buy(&name, "before", first - 1, "1");
        }
        if dice.random_bool(if is_keen { of[1] * 1.8 } else { of[1] * 0.2 }) {
            archive.buy(&name, "after", first + 1, "1");
        }
    }
    archive
}

fn with_guardrail() -> Experiment {
    experiment(json!({
        "past_days": 14,
        "metrics": [
            {"metric": "clickers", "kind": "conversion", "of": {"outcome": "click"}},
            {"metric": "buys", "kind": "count", "of": {"event_type": "buy"}, "margin": 0.05},
        ],
    }))
}

fn codes(report: &ExperimentReport) -> Vec<&'static str> {
    report.verdicts.iter().map(|told| told.verdict.code()).collect()
}

#[test]
fn a_planted_effect_is_found_and_told() {
    let experiment = with_guardrail();
    let report = users(8_000, 1, ([0.2, 0.4], [0.26, 0.4])).report(&experiment, NOW);
    assert_eq!(codes(&report), ["better"]);
    let text = &report.verdicts[0].text;
    assert!(text.starts_with("diverse is better than control by clickers: "), "{text}");
    assert!(report.what_would_change_it.is_empty() && must_stop(&experiment, &report).is_none());
    let lift = metric(&report, "clickers").1.comparison.as_ref().unwrap().decisive();
    assert!(lift.always_valid.low < 0.06 && lift.always_valid.high > 0.06, "{lift:?}");
    assert!(lift.always_valid.low < lift.fixed.low && lift.fixed.p < lift.always_valid.p);
    assert!(lift.fixed.p_adjusted.is_some());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdicts"][0]["code"], "better");
    assert_eq!(json["verdicts"][0]["variant"], "diverse");
}

#[test]
fn less_is_better_where_it_is_said_so() {
    let mut experiment = with_guardrail();
    experiment.definition.metrics[0].better =
        crate::entities::experiment::metric::Direction::Decrease;
    let report = users(8_000, 1, ([0.2, 0.4], [0.26, 0.4])).report(&experiment, NOW);
    assert_eq!(codes(&report), ["worse"]);
    let comparison = metric(&report, "clickers").1.comparison.as_ref().unwrap();
    assert!(comparison.chance_to_be_better < 1e-3);
    assert!(comparison.expected_loss > 0.05 && comparison.expected_loss_of_control < 1e-6);
}

#[test]
fn where_there_is_no_effect_none_is_found_however_often_one_looks() {
    let experiment = with_guardrail();
    for seed in 0..8 {
        let archive = users(2_000, seed, ([0.2, 0.4], [0.2, 0.4]));
        for day in 31..52 {
            let report = archive.report(&experiment, day * DAY);
            let found = codes(&report);
            assert!(
                found == ["too_few"] || found == ["no_difference_yet"],
                "{seed} {day} {found:?}"
            );
        }
    }
}

#[test]
fn the_past_of_users_explains_a_part_of_what_they_do() {
    let report = users(4_000, 3, ([0.2, 0.4], [0.2, 0.4])).report(&with_guardrail(), NOW);
    let buys = metric(&report, "buys").1.comparison.as_ref().unwrap();
    let adjusted = buys.adjusted.as_ref().unwrap();
    assert!(adjusted.variance_reduction > 0.3, "{adjusted:?}");
    assert!(adjusted.absolute.standard_error < buys.absolute.standard_error);
    let clickers = metric(&report, "clickers").1.comparison.as_ref().unwrap();
    assert!(clickers.adjusted.unwrap().variance_reduction.abs() < 0.01);
}

#[test]
fn a_broken_guardrail_comes_first_and_stops() {
    let mut experiment = with_guardrail();
    let archive = users(12_000, 2, ([0.2, 0.4], [0.26, 0.28]));
    let report = archive.report(&experiment, NOW);
    assert_eq!(codes(&report), ["guardrail_broken", "better"]);
    let guardrail = metric(&report, "buys").1.guardrail.unwrap();
    assert_eq!(guardrail.state, GuardrailState::Broken);
    assert!(guardrail.worst < guardrail.best && guardrail.best < Some(-0.05));
    let stopped = must_stop(&experiment, &report).unwrap();
    assert_eq!((stopped.metric.as_str(), stopped.variant.as_str()), ("buys", "diverse"));
    experiment.definition.stop_on_harm = false;
    assert_eq!(must_stop(&experiment, &report), None);
    experiment.definition.stop_on_harm = true;
    experiment.state = ExperimentState::Paused;
    assert_eq!(must_stop(&experiment, &report), None);
    // Of what is better when there is less of it, less of it is no harm.
    experiment.definition.metrics[1].better =
        crate::entities::experiment::metric::Direction::Decrease;
    let report = archive.report(&experiment, NOW);
    let guardrail = metric(&report, "buys").1.guardrail.unwrap();
    assert_eq!(guardrail.state, GuardrailState::Kept);
    assert!(guardrail.worst > guardrail.best);
}

#[test]
fn shares_that_were_not_planned_silence_every_other_verdict() {
    let mut archive = users(12_000, 2, ([0.2, 0.4], [0.26, 0.28]));
    let mut lost = 0;
    archive.decisions.retain(|decision| {
        let is_other =
            decision.variant.as_ref().is_some_and(|of| of.to_string().ends_with(":diverse"));
        lost += usize::from(is_other);
        !is_other || lost % 10 > 0
    });
    let experiment = with_guardrail();
    let report = archive.report(&experiment, NOW);
    assert_eq!(codes(&report), ["sample_ratio_mismatch"]);
    assert!(report.sample_ratio.as_ref().unwrap().is_alarm);
    assert!(report.what_would_change_it.is_empty() && must_stop(&experiment, &report).is_none());
}

#[test]
fn what_would_change_it_is_told_in_users() {
    let report = users(2_000, 5, ([0.2, 0.4], [0.22, 0.4])).report(&with_guardrail(), NOW);
    assert_eq!(codes(&report), ["no_difference_yet"]);
    let more = &report.what_would_change_it[0];
    // With 5% of 0.2 and a variance of 0.16 each, 80% power takes 50,000 users when looked at
    // once, and some more when at any time.
    let asked = more.for_five_percent.unwrap();
    assert!((50_000..140_000).contains(&asked), "{more:?}");
    assert!(more.text.contains(&format!("an effect of 5% would be seen with {asked} more users")));
    // An effect of the present size is there with as many.
    let estimate = metric(&report, "clickers").1.comparison.as_ref().unwrap().decisive().estimate;
    assert!(more.for_present_effect.is_some() == (estimate != 0.0));
}

#[test]
fn whatever_there_is_has_a_report() {
    let experiment = with_guardrail();
    let nobody = Archive::default().report(&experiment, NOW);
    assert_eq!((codes(&nobody), nobody.sample_ratio.as_ref()), (vec!["too_few"], None));
    assert!(metric(&nobody, "clickers").1.why_not.is_some());
    let mut one = Archive::default();
    one.slate("u", "r", "diverse", 30 * DAY);
    one.click("u", "r", "f", 30 * DAY);
    let report = one.report(&experiment, NOW);
    let variant = metric(&report, "clickers").1;
    assert_eq!((variant.users, variant.mean, variant.standard_deviation), (1, Some(1.0), None));
    assert_eq!(codes(&report), ["too_few"]);
    let idle = users(400, 7, ([0.0, 0.0], [0.0, 0.0])).report(&experiment, NOW);
    assert_eq!(codes(&idle), ["too_few"]);
    let why = metric(&idle, "clickers").1.why_not.as_deref();
    assert_eq!(why, Some("the outcome does not vary in either group"));
    assert_eq!(metric(&idle, "buys").1.guardrail.unwrap().state, GuardrailState::Open);
}

#[test]
fn nothing_is_said_of_what_few_do_or_few_do_not() {
    for (doing, expected) in [(10, "too_few"), (110, "no_difference_yet"), (1_995, "too_few")] {
        let mut archive = Archive::default();
        for number in 0..2_000 {
            let name = format!("u{number}");
            let variant = if number % 2 == 0 { "control" } else { "diverse" };
            archive.slate(&name, &name, variant, 30 * DAY);
            if number < doing {
                archive.click(&name, &name, "f", 30 * DAY);
            }
        }
        let report = archive.report(&experiment(json!({})), NOW);
        assert_eq!(codes(&report), [expected], "{doing}");
    }
}

#[test]
fn segments_are_corrected_for_their_number() {
    let mut experiment = with_guardrail();
    experiment.definition.segments = [crate::entities::experiment::SegmentBy::Personalised].into();
    let mut archive = users(8_000, 1, ([0.2, 0.4], [0.26, 0.4]));
    for (at, decision) in archive.decisions.iter_mut().enumerate() {
        decision.personalised = at % 4 == 0;
    }
    let report = archive.report(&experiment, NOW);
    assert_eq!(report.segments.len(), 2);
    for segment in &report.segments {
        let interval = segment.variants[0].comparison.as_ref().unwrap().absolute.fixed;
        assert!(interval.p_adjusted.unwrap() >= interval.p);
    }
}

#[test]
fn of_many_variants_none_is_the_best_by_chance() {
    let mut experiment = experiment(json!({
        "variants": [
            {"variant": "control", "share": 0.5}, {"variant": "diverse", "share": 0.25},
            {"variant": "other", "share": 0.25},
        ],
    }));
    experiment.definition.past_days = 0;
    let mut archive = Archive::default();
    for number in 0..4_000 {
        let name = format!("u{number}");
        let variant = ["control", "diverse", "control", "other"][number % 4];
        archive.slate(&name, &name, variant, 30 * DAY);
        // 20% of the control and of `diverse`, and 30% of `other`.
        if number / 4 % 10 < if variant == "other" { 3 } else { 2 } {
            archive.click(&name, &name, "f", 30 * DAY);
        }
    }
    let report = archive.report(&experiment, NOW);
    assert!(
        matches!(report.verdict(), Some(Verdict::Better { variant }) if variant.as_str() == "other")
    );
    assert_eq!(report.what_would_change_it.len(), 1);
    let p: Vec<_> = report.metrics[0]
        .variants
        .iter()
        .map(|of| of.comparison.as_ref().unwrap().absolute.always_valid)
        .collect();
    assert_eq!(p[1].p_adjusted, Some((2.0 * p[1].p).min(1.0)));
}

#[test]
fn a_guardrail_of_what_nobody_does_with_the_control_is_broken_once_many_do() {
    let mut experiment = with_guardrail();
    experiment.definition.metrics[1].better =
        crate::entities::experiment::metric::Direction::Decrease;
    let report = users(4_000, 3, ([0.2, 0.0], [0.2, 0.2])).report(&experiment, NOW);
    let guardrail = metric(&report, "buys").1.guardrail.unwrap();
    assert_eq!((guardrail.state, guardrail.best), (GuardrailState::Broken, None));
    assert_eq!(codes(&report)[0], "guardrail_broken");
    let report = users(4_000, 3, ([0.2, 0.0], [0.2, 0.0])).report(&experiment, NOW);
    assert_eq!(metric(&report, "buys").1.guardrail.unwrap().state, GuardrailState::Open);
}

#[test]
fn the_sentence_of_a_verdict_does_not_contradict_it() {
    let (experiment, mut in_units) = (with_guardrail(), 0);
    for seed in 0..40 {
        // So much more that the share of the control's, which is not sure either, is the less sure.
        let report = users(900, seed, ([0.05, 0.4], [0.17, 0.4])).report(&experiment, NOW);
        for told in report.verdicts.iter().filter(|told| told.verdict.code() == "better") {
            assert!(!told.text.contains("between -"), "{}", told.text);
            in_units += usize::from(told.text.contains("of each user, and between +"));
        }
    }
    assert!(in_units > 0, "no such verdict was met");
}
