//! `crossfold bench served`: what people get on slates, beside what the laboratory
//! says of the same files.

use std::fmt::{self, Display};

use anyhow::{Context, Result};
use crossfold_core::entities::counted::of;
use crossfold_lab::args::{BenchServedArgs, FitArgs};
use crossfold_train::{RunOrder, TuningOrder};

use self::served::{ColdFiles, DomainFiles, Figures, cold, one_domain};
use crate::printer;

mod served;

pub(crate) async fn bench_served(args: &BenchServedArgs) -> Result<()> {
    let (order, people) = (order(&args.fit), args.people as usize);
    let figures = match (&args.train, &args.test) {
        (Some(train), Some(test)) => one_domain(DomainFiles { train, test }, order, people).await?,
        _ => {
            let source = args.source.as_deref().context("--source is missing")?;
            let target = args.target.as_deref().context("--target is missing")?;
            let cold_users = args.cold_users.as_deref().context("--cold-users is missing")?;
            cold(ColdFiles { source, target, cold_users }, order, people).await?
        }
    };
    if args.json {
        return printer::json(&figures);
    }
    print(&figures);
    Ok(())
}

fn order(fit: &FitArgs) -> RunOrder {
    let is_given = fit.unobserved_weight.is_some() || fit.regularisation.is_some();
    let tuning = if is_given { TuningOrder::Off } else { TuningOrder::ByDefault };
    RunOrder { options: fit.options(), tuning }
}

fn print(figures: &Figures) {
    printer::text(FiguresText(figures));
}

/// What was served beside what the laboratory and the run say, each with what it is measured on.
struct FiguresText<'a>(&'a Figures);

impl Display for FiguresText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { people, served, popularity, evaluated, evaluated_with_options, .. } = self.0;
        let people = of(*people as u64, "person");
        writeln!(f, "{people} asked for slates of 20, by default settings")?;
        writeln!(
            f,
            "ndcg@20 served {:.4} [{:.4}, {:.4}], popularity {popularity:.4}",
            served.mean, served.low, served.high
        )?;
        writeln!(
            f,
            "of them, the laboratory finds {evaluated:.4}; with what the run chose {evaluated_with_options:.4}"
        )?;
        if let Some(everyone) = self.0.evaluated_everyone {
            writeln!(f, "of everyone held out, it finds {everyone:.4}")?;
        }
        for (domain, reported) in &self.0.reported {
            writeln!(f, "the run reports of {domain}: {reported:.4}")?;
        }
        if !self.0.reported.is_empty() {
            writeln!(
                f,
                "  (served: all that the test file holds of a person; reported by the run: one item of each person that it held out of the train file itself, which is harder to find)"
            )?;
        }
        writeln!(
            f,
            "personalised slates: {:.1}%; bridge: {}; run: {:.1} s, {}",
            100.0 * self.0.personalised,
            self.0.bridge.as_deref().unwrap_or("none"),
            self.0.run_seconds,
            serde_json::to_string(&self.0.options).unwrap_or_default()
        )
    }
}
