//! `crossfold bench served`: what people get on slates, beside what the laboratory
//! says of the same files.

use anyhow::{Context, Result};
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
    let Figures { people, served, popularity, evaluated, evaluated_with_options, .. } = figures;
    printer::line(format_args!("{people} people asked for slates of 20, by default settings"));
    printer::line(format_args!(
        "ndcg@20 served {:.4} [{:.4}, {:.4}], popularity {popularity:.4}",
        served.mean, served.low, served.high
    ));
    printer::line(format_args!(
        "of them, the laboratory finds {evaluated:.4}; with what the run chose {evaluated_with_options:.4}"
    ));
    if let Some(everyone) = figures.evaluated_everyone {
        printer::line(format_args!("of everyone held out, it finds {everyone:.4}"));
    }
    for (domain, reported) in &figures.reported {
        printer::line(format_args!("the run reports of {domain}: {reported:.4}"));
    }
    printer::line(format_args!(
        "personalised slates: {:.1}%; bridge: {}; run: {:.1} s, {}",
        100.0 * figures.personalised,
        figures.bridge.as_deref().unwrap_or("none"),
        figures.run_seconds,
        serde_json::to_string(&figures.options).unwrap_or_default()
    ));
}
