//! `crossfold demo`: a synthetic world through the real path, its slates, and
//! how often they are right.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use crossfold_core::entities::counted::of;
use crossfold_core::maths::als::AlsOptions;
use crossfold_core::release::run::TrainingRunState;
use crossfold_ingest::MAX_EVENTS;
use crossfold_lab::progress;
use crossfold_lab::synthetic_world::{
    AUTO_FINANCE, KNOWLEDGE, Presence, SyntheticPerson, SyntheticWorld,
};
use crossfold_train::{RunOrder, new_run};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::answers::{EventsAnswer, SlateAnswer, read};
use crate::api_client::ApiClient;
use crate::args::{DEFAULT_DATA_DIR, DemoArgs};
use crate::commands::serve::serve_world;
use crate::commands::train::{print_run, report_of, train_world};
use crate::import::start_of_day;
use crate::local_world::LocalWorld;
use crate::place::told_to_stop_the_server;
use crate::printer::{self, SlateTable};

/// Calls under way at a time.
const CONCURRENT_CALLS: usize = 8;
/// Items on a printed slate.
const SHOWN: usize = 3;

/// Where the invented people lie, unless a directory was named: apart from real ones.
const DEMO_DATA_DIR: &str = ".crossfold-demo";

/// The directory of the demonstration, given that of the command line.
pub(crate) fn apart(directory: PathBuf) -> PathBuf {
    if directory == Path::new(DEFAULT_DATA_DIR) { DEMO_DATA_DIR.into() } else { directory }
}

pub(crate) async fn demo(directory: &Path, args: &DemoArgs) -> Result<()> {
    printer::line(format_args!(
        "This world is synthetic: invented people on two invented platforms, from seed {}.",
        args.seed
    ));
    let started = Instant::now();
    let world = LocalWorld::open(directory).await.map_err(told_to_stop_the_server)?;
    let client = world.client();
    refuse_real_data(&client, directory).await?;
    // The same all day, so that the demonstration run again adds nothing.
    let today = start_of_day(Timestamp::now());
    let mut synthetic = SyntheticWorld::new(args.people as usize, args.seed, today);
    post_catalogues(&client).await?;
    register_people(&client, &synthetic.people).await?;
    let mut events = Vec::new();
    for domain in [KNOWLEDGE, AUTO_FINANCE] {
        let of_domain = synthetic.events(domain);
        post_events(&client, domain, &of_domain).await?;
        events.extend(of_domain.into_iter().map(|event| (domain, event)));
    }
    printer::line(format_args!(
        "{} and {} posted through the API in {:.1} s.",
        of(synthetic.people.len() as u64, "person"),
        of(events.len() as u64, "event"),
        started.elapsed().as_secs_f64()
    ));
    let trained = Instant::now();
    let options = AlsOptions { factors: 16, ..AlsOptions::default() };
    let order = RunOrder { options, ..RunOrder::default() };
    let run = train_world(&world, new_run(order, Timestamp::now())?).await?;
    let seconds = trained.elapsed().as_secs_f64();
    printer::line(format_args!("\nTrained and published in {seconds:.1} s:"));
    print_run(&run, report_of(&world, &run).await?.as_ref());
    if let TrainingRunState::Failed { reason, .. } = run.state {
        bail!("no model was made: {reason}");
    }
    show_people(&client, &synthetic, &events).await?;
    compare_with_truth(&client, &synthetic).await?;
    if args.once {
        return Ok(());
    }
    printer::line("");
    serve_world(world, &args.serve).await
}

/// Invented people among real ones would be trained on and served.
async fn refuse_real_data(client: &ApiClient, directory: &Path) -> Result<()> {
    let domains = client.get("/v1/domains").await?;
    let mut names = domains["domains"].as_array().into_iter().flatten();
    let is_invented = |name: &str| [KNOWLEDGE, AUTO_FINANCE].contains(&name);
    let real = names.find_map(|domain| {
        let name = domain["domain"].as_str().or_else(|| domain.as_str())?;
        (!is_invented(name)).then(|| name.to_owned())
    });
    if let Some(real) = real {
        bail!(
            "{} has data of another domain ({real}), and the demonstration would mix its invented \
             people into them: name another directory with --data-dir",
            directory.display()
        );
    }
    Ok(())
}

async fn post_catalogues(client: &ApiClient) -> Result<()> {
    for (domain, definition) in SyntheticWorld::domains() {
        client.put(&format!("/v1/domains/{domain}"), &definition).await?;
        let items = json!({ "items": SyntheticWorld::items(domain) });
        client.post(&format!("/v1/domains/{domain}/items"), &items).await?;
    }
    Ok(())
}

async fn register_people(client: &ApiClient, people: &[SyntheticPerson]) -> Result<()> {
    let bar = progress::bar("registering people", people.len() as u64);
    stream::iter(people)
        .map(|person| register(client, person))
        .buffer_unordered(CONCURRENT_CALLS)
        .try_for_each(|()| {
            bar.inc(1);
            async { Ok(()) }
        })
        .await?;
    bar.finish_and_clear();
    Ok(())
}

/// Registers a person on the platforms they use, links them, records consents.
async fn register(client: &ApiClient, person: &SyntheticPerson) -> Result<()> {
    let path =
        |domain: &str, what: &str| format!("/v1/users/{}{what}?domain={domain}", person.user_id);
    let home = if person.presence == Presence::AutoFinanceOnly { AUTO_FINANCE } else { KNOWLEDGE };
    client.put(&path(home, ""), &json!({})).await?;
    let is_on_both =
        matches!(person.presence, Presence::BothWithConsent | Presence::BothWithoutConsent);
    if is_on_both {
        let link = json!({"domain": AUTO_FINANCE, "user_id": person.user_id});
        client.put(&path(home, "/links"), &link).await?;
    }
    if person.presence == Presence::BothWithoutConsent {
        return Ok(());
    }
    let mut consents = Vec::new();
    for (from, to) in [(KNOWLEDGE, AUTO_FINANCE), (AUTO_FINANCE, KNOWLEDGE)] {
        for purpose in ["recommendation", "training"] {
            consents.push(json!({"from": from, "to": to, "purpose": purpose, "granted": true}));
        }
    }
    client.put(&path(home, "/consents"), &json!({ "consents": consents })).await?;
    Ok(())
}

async fn post_events(client: &ApiClient, domain: &str, events: &[Value]) -> Result<()> {
    let bar = progress::bar("posting events", events.len() as u64);
    for chunk in events.chunks(MAX_EVENTS) {
        let batch = json!({"domain": domain, "events": chunk});
        let answer: EventsAnswer = read(client.post("/v1/events", &batch).await?)?;
        if let Some(first) = answer.rejected.first() {
            bail!("an event was rejected: {}", json!(first));
        }
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// One of each kind of presence, and how to describe it.
const PRESENCES: [(Presence, &str); 4] = [
    (Presence::BothWithConsent, "uses both platforms, consents to advice across them"),
    (Presence::KnowledgeOnly, "uses only the knowledge platform, consents to advice across"),
    (Presence::AutoFinanceOnly, "uses only the auto-finance service, consents to advice across"),
    (Presence::BothWithoutConsent, "uses both platforms, consents to nothing across"),
];

/// Prints one person of each presence: the truth, what they did, both slates.
async fn show_people(
    client: &ApiClient,
    world: &SyntheticWorld,
    events: &[(&str, Value)],
) -> Result<()> {
    for (presence, description) in PRESENCES {
        let Some(person) = world.people.iter().find(|person| person.presence == presence) else {
            continue;
        };
        printer::line(format_args!("\n{} ({}): {description}", person.user_id, person.kind()));
        for domain in [KNOWLEDGE, AUTO_FINANCE] {
            let did = last_events(person, domain, events);
            if !did.is_empty() {
                printer::line(format_args!(" last on {domain}: {}", did.join(", ")));
            }
        }
        let display = if presence == Presence::AutoFinanceOnly { AUTO_FINANCE } else { KNOWLEDGE };
        for (target, locale) in [(KNOWLEDGE, "zh"), (AUTO_FINANCE, "en")] {
            printer::line(format_args!(" shown on {display}, from {target}:"));
            printer::text(SlateTable(&slate(client, person, (display, target), locale).await?));
        }
    }
    Ok(())
}

/// What a person did last on a platform, the newest first.
fn last_events(person: &SyntheticPerson, domain: &str, events: &[(&str, Value)]) -> Vec<String> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    events
        .iter()
        .filter(|(of, event)| *of == domain && event["user_id"] == person.user_id.as_str())
        .rev()
        .take(SHOWN)
        .map(|(_, event)| format!("{} {}", text(event, "type"), text(event, "item_id")))
        .collect()
}

/// Asks for the first items of `target` to be shown to a person on `display`.
async fn slate(
    client: &ApiClient,
    person: &SyntheticPerson,
    (display, target): (&str, &str),
    locale: &str,
) -> Result<SlateAnswer> {
    let request = json!({
        "user_id": person.user_id, "domain": display, "target_domains": [target],
        "limit": SHOWN, "locale": locale,
    });
    read(client.post("/v1/recommendations", &request).await?)
}

/// How often the first items for people who are new to a platform are of their kind.
async fn compare_with_truth(client: &ApiClient, world: &SyntheticWorld) -> Result<()> {
    printer::line(format_args!(
        "\nAgainst the known truth (chance is {:.0}%):",
        100.0 / SyntheticWorld::kinds() as f64
    ));
    let cases = [
        (Presence::KnowledgeOnly, KNOWLEDGE, AUTO_FINANCE),
        (Presence::AutoFinanceOnly, AUTO_FINANCE, KNOWLEDGE),
    ];
    for (presence, display, target) in cases {
        let (mut right, mut all) = (0, 0);
        for person in world.people.iter().filter(|person| person.presence == presence) {
            for item in slate(client, person, (display, target), "en").await?.items {
                let kind = SyntheticWorld::kind_of_item(&item.item_id);
                right += usize::from(kind == Some(person.kind()));
                all += 1;
            }
        }
        printer::line(format_args!(
            "  never on {target}, seen on {display}: {:.0}% of the first {SHOWN} items fit the person",
            100.0 * right as f64 / all.max(1) as f64
        ));
    }
    Ok(())
}
