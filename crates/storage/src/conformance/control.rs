use crossfold_core::als::AlsOptions;
use crossfold_core::domain::DomainDefinition;
use crossfold_core::ids::TrainingRunId;
use crossfold_core::ports::{Appended, Stores};
use crossfold_core::training_run::{TrainingRun, TrainingRunState};
use crossfold_core::tuning::TuningRequest;
use jiff::Timestamp;

use super::{Broken, Verdict, checks, hold, id, together, unique, unique_domain};

checks! { "control":
    a_domain_is_replaced_and_listed_at_once,
    a_training_run_is_created_once,
    of_racing_creations_of_one_run_exactly_one_is_new,
    a_training_run_is_replaced,
}

fn definition(name: &str) -> Result<DomainDefinition, Broken> {
    serde_json::from_value(serde_json::json!({
        "name": name, "currency": "CNY",
        "event_types": {"view": {"weight": 0.1}, "enrol": {"weight": 3.0, "value_scale": "100.50"}},
        "half_life_days": 33.3,
        "consent_defaults": [{"to": "travel", "purpose": "training", "granted": true}],
    }))
    .map_err(|error| Broken(error.to_string()))
}

fn training_run() -> TrainingRun {
    TrainingRun {
        id: id(TrainingRunId::parse, &unique("t")),
        requested_at: Timestamp::now(),
        options: AlsOptions::default(),
        tuning: Some(TuningRequest { budget_usd: Some(0.5), ..TuningRequest::of_seconds(60.0) }),
        accept_fewer_events: false,
        state: TrainingRunState::Queued,
    }
}

async fn a_domain_is_replaced_and_listed_at_once(stores: &Stores) -> Verdict {
    let (one, other) = (unique_domain(), unique_domain());
    let first = definition("课程 \"1\"")?;
    stores.control.put_domain(&one, &first).await?;
    stores.control.put_domain(&other, &first).await?;
    let found = stores.control.domains().await?;
    let found = [found.get(&one), found.get(&other)];
    hold!(found == [Some(&first); 2], "{first:?} came back as {found:?}");
    let second = definition("second")?;
    stores.control.put_domain(&one, &second).await?;
    let found = stores.control.domains().await?;
    let found = [found.get(&one), found.get(&other)];
    hold!(found == [Some(&second), Some(&first)], "after replacing one: {found:?}");
    Ok(())
}

async fn a_training_run_is_created_once(stores: &Stores) -> Verdict {
    let run = training_run();
    let absent = stores.control.run(&run.id).await?;
    hold!(absent.is_none(), "an unknown run is there");
    let first = stores.control.create_run(&run).await?;
    hold!(first == Appended::New, "the first creation answered {first:?}");
    let mut other = run.clone();
    other.options.factors = 7;
    let second = stores.control.create_run(&other).await?;
    hold!(second == Appended::Duplicate, "the second creation answered {second:?}");
    let found = stores.control.run(&run.id).await?;
    hold!(found == Some(run.clone()), "{run:?} came back as {found:?}");
    Ok(())
}

async fn of_racing_creations_of_one_run_exactly_one_is_new(stores: &Stores) -> Verdict {
    const RACERS: usize = 32;
    let run = training_run();
    let calls = (0..RACERS).map(|_| {
        let (store, run) = (stores.control.clone(), run.clone());
        async move { store.create_run(&run).await }
    });
    let answers = together(calls).await?;
    let new = answers.iter().filter(|answer| **answer == Appended::New).count();
    hold!(new == 1, "{new} of {RACERS} racing creations were new");
    Ok(())
}

async fn a_training_run_is_replaced(stores: &Stores) -> Verdict {
    let mut run = training_run();
    stores.control.create_run(&run).await?;
    let failed = TrainingRunState::Failed { finished_at: Timestamp::now(), reason: "ü".into() };
    for state in [TrainingRunState::Running { started_at: Timestamp::now() }, failed] {
        run.state = state;
        stores.control.update_run(&run).await?;
        let found = stores.control.run(&run.id).await?;
        hold!(found == Some(run.clone()), "{run:?} came back as {found:?}");
    }
    Ok(())
}
