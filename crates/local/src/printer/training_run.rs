//! What a training run saw, measured, and made.

use std::fmt::{self, Display};

use crossfold_core::entities::counted::of;
use crossfold_core::maths::measure::{DomainEvaluation, Metrics};
use crossfold_core::release::run::{RunReport, TrainingRun, TrainingRunState};
use crossfold_core::training::bridging::gate::{DirectionReport, DirectionVerdict};
use crossfold_core::training::mixing::MixtureReport;
use crossfold_core::training::report::TrainingReport;
use crossfold_core::training::served_by::ServedBy;
use crossfold_lab::bridge_text::verdict_text;
use crossfold_lab::output::Foreign;
use crossfold_lab::ranker_text::kinds_of;

use crate::printer::Difference;

/// A run that ended.
pub(crate) struct TrainingRunText<'a> {
    pub(crate) run: &'a TrainingRun,
    /// Its whole report, if that was stored.
    pub(crate) whole: Option<&'a TrainingReport>,
}

impl Display for TrainingRunText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_standing(f, self.run)?;
        if let Some(seen) = self.run.state.report() {
            write_input(f, seen)?;
        }
        let Some(report) = self.whole else { return Ok(()) };
        write_search(f, report)?;
        write_served(f, report)?;
        report.rankings.iter().try_for_each(|found| write_ranking(f, found))?;
        write_evaluation(f, report)?;
        write_unjudged(f, report)?;
        report.bridges.iter().try_for_each(|bridge| write_bridge(f, bridge))?;
        write_people(f, report)?;
        let pairs = report.look_alikes.pairs;
        match pairs {
            0 => {}
            1 => writeln!(f, "1 pair of items looks alike: no evidence for each other")?,
            _ => writeln!(f, "{pairs} pairs of items look alike: no evidence for each other")?,
        }
        Ok(())
    }
}

/// The kinds of people and what they like, by domain.
fn write_people(f: &mut fmt::Formatter<'_>, report: &TrainingReport) -> fmt::Result {
    for (domain, found) in &report.segments {
        let people = of(found.sampled as u64, "person");
        match found.segments {
            0 if found.tried.tried.is_empty() => {
                writeln!(f, "{domain}: no segments: {people} are too few to tell kinds apart by")?;
            }
            0 => writeln!(
                f,
                "{domain}: no segments: of {people}, none that were tried were found again in others"
            )?,
            segments => writeln!(
                f,
                "{domain}: {} of people, found among {people}; {}",
                of(segments as u64, "segment"),
                Before(found.kept)
            )?,
        }
    }
    for (domain, found) in &report.topics {
        let topics = of(found.topics as u64, "topic");
        writeln!(f, "{domain}: {topics} of what people like; {}", Before(found.kept))?;
    }
    for (domain, found) in &report.content {
        let how = match found.served {
            true => "by their text",
            false => "not ranked by their text",
        };
        writeln!(
            f,
            "{domain}: new items {how}: ndcg@20 {:.4}, by their categories {:.4}, by chance {:.4}",
            found.by_text, found.by_categories, found.by_chance
        )?;
        if found.young_items > 0 {
            let items = of(found.young_items as u64, "item");
            writeln!(f, "{domain}: {items} that came lately: placed by their text as well")?;
        }
    }
    Ok(())
}

/// How many of the segments or topics that were found the champion had.
struct Before(usize);

impl Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => write!(f, "none of them goes on from the model before"),
            1 => write!(f, "1 of them goes on from the model before"),
            kept => write!(f, "{kept} of them go on from the model before"),
        }
    }
}

/// Which model was made, why it is refused if it is, and what became of erasures.
fn write_standing(f: &mut fmt::Formatter<'_>, run: &TrainingRun) -> fmt::Result {
    write_model(f, run)?;
    match run.state.erasures_completed() {
        0 => Ok(()),
        1 => writeln!(f, "1 erasure is complete by this run"),
        erasures => writeln!(f, "{erasures} erasures are complete by this run"),
    }
}

fn write_model(f: &mut fmt::Formatter<'_>, run: &TrainingRun) -> fmt::Result {
    match &run.state {
        TrainingRunState::Succeeded { model, .. } => writeln!(f, "model {model}"),
        TrainingRunState::Refused { model, reasons, .. } => {
            model.iter().try_for_each(|model| writeln!(f, "model {model} (refused)"))?;
            reasons.iter().try_for_each(|reason| writeln!(f, "refused: {}", Foreign::text(reason)))
        }
        TrainingRunState::Withdrawn { withdrawn, reason, .. } => {
            withdrawn.iter().try_for_each(|model| writeln!(f, "model {model} (withdrawn)"))?;
            writeln!(f, "withdrawn: {}", Foreign::text(reason))
        }
        TrainingRunState::Queued
        | TrainingRunState::Running { .. }
        | TrainingRunState::Failed { .. } => Ok(()),
    }
}

fn write_input(f: &mut fmt::Formatter<'_>, report: &RunReport) -> fmt::Result {
    if report.cleaning.read == 0 {
        // Who does not act for every domain is not told.
        return Ok(());
    }
    writeln!(
        f,
        "{} of {} kept, {} without consent; {} in {}, {}, {}",
        report.cleaning.kept,
        of(report.cleaning.read, "event"),
        report.without_consent,
        of(report.people as u64, "person"),
        of(report.rows as u64, "row"),
        of(report.items as u64, "item"),
        of(report.interactions as u64, "interaction"),
    )?;
    let (files, records) = (report.cleaning.files_set_aside, report.cleaning.records_set_aside);
    if files + records > 0 {
        let (files, records) = (of(files, "file"), of(records, "record"));
        writeln!(f, "  set aside, unreadable: {files}, {records} (crossfold redrive)")?;
    }
    for (reason, count) in &report.cleaning.refused {
        writeln!(f, "  refused {count}: {}", reason.as_str())?;
    }
    for (adjustment, count) in &report.cleaning.adjusted {
        writeln!(f, "  drawn in {count}: {adjustment:?}")?;
    }
    Ok(())
}

/// What was chosen, when hyper-parameters were searched for.
fn write_search(f: &mut fmt::Formatter<'_>, report: &TrainingReport) -> fmt::Result {
    let Some(tuning) = &report.tuning else { return Ok(()) };
    writeln!(
        f,
        "candidate {} of {} chosen in {:.0} s of search: {}",
        tuning.chosen,
        tuning.candidates.len(),
        tuning.seconds,
        serde_json::to_string(&tuning.candidate).unwrap_or_default(),
    )
}

/// The domains that are served by popularity, and why.
fn write_served(f: &mut fmt::Formatter<'_>, report: &TrainingReport) -> fmt::Result {
    report.served.iter().try_for_each(|(domain, served)| match served {
        ServedBy::Evidence => Ok(()),
        ServedBy::Popularity(why) => writeln!(f, "{domain} is served by popularity: {why}"),
    })
}

/// What ranks a domain's items, where that is more than its factors.
fn write_ranking(f: &mut fmt::Formatter<'_>, found: &MixtureReport) -> fmt::Result {
    let Some(choice) = found.served() else { return Ok(()) };
    writeln!(
        f,
        "{} is ranked by {}: ndcg@20 {:.4} of {}, {:.4} by factors alone, difference {}",
        found.domain,
        kinds_of(&choice.rankers),
        found.mixed,
        of(found.judging_people as u64, "person"),
        found.factors,
        Difference(&found.over_factors),
    )
}

fn write_evaluation(f: &mut fmt::Formatter<'_>, report: &TrainingReport) -> fmt::Result {
    match report.split_at {
        Some(instant) => writeln!(f, "held out from {instant} on, every item ranked:")?,
        None if report.evaluation.is_empty() => {
            writeln!(f, "not evaluated: nobody has two items in a domain")?;
        }
        None => writeln!(
            f,
            "each person's last item held out, any of those at the last instant, every item ranked:"
        )?,
    }
    for (domain, evaluation) in &report.evaluation {
        write_domain(f, domain.as_str(), evaluation)?;
        if let Some(last) = &evaluation.leave_last_out {
            write_domain(f, "  last item out", last)?;
        }
    }
    Ok(())
}

fn write_domain(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    evaluation: &DomainEvaluation,
) -> fmt::Result {
    if evaluation.people == 0 {
        return writeln!(f, "  {name:<14} not measured: nobody of it has anything held out");
    }
    let mean = |metrics: &Metrics, name: &str| metrics.get(name).copied().unwrap_or(f64::NAN);
    let interval = evaluation.intervals.get("ndcg@20").copied().unwrap_or_default();
    writeln!(
        f,
        "  {name:<14} {}  ndcg@20 {:.4} [{:.4}, {:.4}] (popularity {:.4})  recall@20 {:.4} ({:.4})",
        of(evaluation.people as u64, "person"),
        mean(&evaluation.metrics, "ndcg@20"),
        interval.low,
        interval.high,
        mean(&evaluation.popularity, "ndcg@20"),
        mean(&evaluation.metrics, "recall@20"),
        mean(&evaluation.popularity, "recall@20"),
    )
}

/// Why no direction between domains was judged, where there are several.
fn write_unjudged(f: &mut fmt::Formatter<'_>, report: &TrainingReport) -> fmt::Result {
    if !report.bridges.is_empty() {
        return Ok(());
    }
    // A person whose evidence may not be joined has a row for each domain.
    let why = match report.rows > report.people {
        true => "nobody who uses several consents to training in both directions between them",
        false if report.served.len() > 1 => {
            "nobody is known to use several; users of two domains are one person once they are linked (PUT /v1/users/{user}/links)"
        }
        false => return Ok(()),
    };
    writeln!(f, "no direction between domains was judged: {why}")
}

/// What a direction's candidates scored, and which is served.
fn write_bridge(f: &mut fmt::Formatter<'_>, report: &DirectionReport) -> fmt::Result {
    let direction = &report.direction;
    let verdict = verdict_text(&report.verdict);
    writeln!(f, "bridge {} -> {}: {verdict}", direction.from, direction.to)?;
    if matches!(report.verdict, DirectionVerdict::TooFewPeople { .. }) {
        return Ok(());
    }
    writeln!(
        f,
        "  {} of {}, their target history hidden: ndcg@20 popularity {:.4}, target-only {:.4}",
        report.judging_people,
        of(report.people as u64, "person"),
        report.popularity,
        report.target_only
    )?;
    for figures in &report.candidates {
        writeln!(
            f,
            "  {:<10} {:.4}, over popularity {}, over target-only {}",
            format!("{:?}", figures.candidate.kind()),
            figures.judging.mean,
            Difference(&figures.over_popularity),
            Difference(&figures.over_target_only),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crossfold_core::entities::ids::{ModelId, TrainingRunId};
    use crossfold_core::maths::als::AlsOptions;
    use crossfold_core::maths::bootstrap::Interval;
    use crossfold_core::maths::clusters::NumberOfClusters;
    use crossfold_core::release::gate::Verdict;
    use crossfold_core::training::SegmentReport;
    use crossfold_core::training::served_by::Why;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_report_shows_what_came_in_and_each_domain_with_its_interval() {
        let mut run = TrainingRun {
            id: TrainingRunId::parse("run-1").unwrap(),
            requested_at: Timestamp::UNIX_EPOCH,
            options: AlsOptions::default(),
            tuning: None,
            accept_fewer_events: false,
            state: TrainingRunState::Queued,
        };
        let ndcg = |value: f64| Metrics::from([("ndcg@20".to_owned(), value)]);
        let interval = Interval { mean: 0.25, low: 0.2, high: 0.3 };
        let evaluation = DomainEvaluation {
            people: 40,
            metrics: ndcg(0.25),
            popularity: ndcg(0.125),
            intervals: [("ndcg@20".to_owned(), interval)].into(),
            ..DomainEvaluation::default()
        };
        let mut report = TrainingReport { people: 50, rows: 60, ..TrainingReport::default() };
        report.split_at = Some(Timestamp::UNIX_EPOCH);
        report.evaluation.insert("knowledge".parse().unwrap(), evaluation);
        report.evaluation.insert("travel".parse().unwrap(), DomainEvaluation::default());
        let why = Why::FewPeople { people: 3, needed: 10 };
        report.served.insert("travel".parse().unwrap(), ServedBy::Popularity(why));
        report.served.insert("knowledge".parse().unwrap(), ServedBy::Evidence);
        report.look_alikes.pairs = 2;
        (report.cleaning.read, report.cleaning.kept) = (9, 7);
        let expected = "\
model MODEL
2 erasures are complete by this run
7 of 9 events kept, 0 without consent; 50 people in 60 rows, 0 items, 0 interactions
travel is served by popularity: 3 people have two items or more, 10 are needed
held out from 1970-01-01T00:00:00Z on, every item ranked:
  knowledge      40 people  ndcg@20 0.2500 [0.2000, 0.3000] (popularity 0.1250)  recall@20 NaN (NaN)
  travel         not measured: nobody of it has anything held out
no direction between domains was judged: nobody who uses several consents to training in both directions between them
2 pairs of items look alike: no evidence for each other
";
        let model = ModelId::parse(&"a".repeat(64)).unwrap();
        let seen = RunReport::new(&report, None);
        let verdict = Verdict { passed: true, for_erasures: false, champion: None, checks: vec![] };
        let now = Timestamp::UNIX_EPOCH;
        run.state = TrainingRunState::judged(now, Some(model.clone()), &verdict, seen);
        run.state = run.state.completing(2);
        let text = TrainingRunText { run: &run, whole: Some(&report) };
        assert_eq!(text.to_string(), expected.replace("MODEL", model.as_str()));
        run.state = TrainingRunState::withdrawn(now, None, "nothing is left".into()).completing(1);
        let withdrawn = "withdrawn: nothing is left\n1 erasure is complete by this run\n";
        assert_eq!(TrainingRunText { run: &run, whole: None }.to_string(), withdrawn);
    }

    fn told(report: &TrainingReport) -> Vec<String> {
        struct Told<'a>(&'a TrainingReport);
        impl Display for Told<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_unjudged(f, self.0)?;
                write_people(f, self.0)
            }
        }
        Told(report).to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn segments_are_told_with_of_whom_they_are_and_why_there_are_none() {
        let found = |sampled: usize, segments: usize, kept: usize| SegmentReport {
            people: sampled as u64,
            sampled,
            segments,
            kept,
            explained: 0.5,
            tried: NumberOfClusters { clusters: segments.max(1), tried: Vec::new(), sampled },
            found: Vec::new(),
        };
        let mut report = TrainingReport::default();
        report.segments.insert("a".parse().unwrap(), found(943, 2, 0));
        report.segments.insert("b".parse().unwrap(), found(39, 0, 0));
        report.segments.insert("c".parse().unwrap(), found(90, 3, 1));
        assert_eq!(
            told(&report),
            [
                "a: 2 segments of people, found among 943 people; none of them goes on from the model before",
                "b: no segments: 39 people are too few to tell kinds apart by",
                "c: 3 segments of people, found among 90 people; 1 of them goes on from the model before",
            ]
        );
    }

    #[test]
    fn why_no_direction_was_judged_is_told_where_nobody_uses_several_domains() {
        let mut report = TrainingReport { people: 5, rows: 5, ..TrainingReport::default() };
        report.served.insert("knowledge".parse().unwrap(), ServedBy::Evidence);
        assert_eq!(told(&report), [""; 0]);
        report.served.insert("travel".parse().unwrap(), ServedBy::Evidence);
        let lines = told(&report);
        assert!(lines[0].contains("nobody is known to use several"), "{lines:?}");
        report.rows = 6;
        assert!(told(&report)[0].contains("consents to training in both directions"));
    }
}
