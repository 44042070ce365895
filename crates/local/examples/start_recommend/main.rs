//! How long the Lambda function `recommend` takes to begin, and to answer then: its real binary
//! behind a Runtime API, over the embedded database and objects in memory on the loopback
//! interface.
//!
//! ```text
//! benches/start_recommend
//! ```
//!
//! `--help` has the sizes. Printed are, of each cold start, the time and the processor time until the
//! process asks for work and then those of the first request, its memory, and what it read; then the
//! requests of a warm process. The catalogue is loaded in bulk by the production adapter, a first cold
//! start follows at once, when nothing is stored in the bucket; then some when the catalogue is
//! stored; and one after all items were loaded again, when what is stored is outdated. Nothing here
//! is as far away as AWS is, unless `--dynamodb-ms` and `--s3-ms` say so, and the services' work falls
//! on the same processors. The model's factors are drawn, not fitted.

mod environment;
mod services;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;

use environment::Environment;
use services::{Delays, Services, busy, ensure_known, in_words};
use world::{Size, World};

/// How often a request is made, and for how long, until the catalogue is stored in the bucket: a
/// process waits two minutes until it takes a catalogue for complete.
const BETWEEN: Duration = Duration::from_secs(2);
const UNTIL_STORED: usize = 120;
/// Requests before those that are measured.
const WARM_UP: usize = 50;

/// Measures the cold start and the requests of `recommend`.
#[derive(Parser)]
struct Args {
    /// The function's binary.
    #[arg(long, default_value = "target/release/recommend")]
    binary: PathBuf,
    /// Items of the catalogue and of the model.
    #[arg(long, default_value_t = 100_000)]
    items: usize,
    /// Numbers of an item in the model, four bytes each.
    #[arg(long, default_value_t = 64)]
    factors: usize,
    /// People.
    #[arg(long, default_value_t = 1_000)]
    users: usize,
    /// Events of each.
    #[arg(long, default_value_t = 50)]
    events: usize,
    /// Cold starts with a stored catalogue.
    #[arg(long, default_value_t = 5)]
    starts: usize,
    /// Requests of a warm process.
    #[arg(long, default_value_t = 2_000)]
    requests: usize,
    /// Milliseconds that each answer of DynamoDB and Secrets Manager is held back.
    #[arg(long, default_value_t = 0)]
    dynamodb_ms: u64,
    /// Milliseconds that each answer of S3 is held back.
    #[arg(long, default_value_t = 0)]
    s3_ms: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let services = Services::open(world::secret()).await?;
    let Args { items, factors, users, events, .. } = args;
    let world = World::found(&services.url, Size { items, factors, users, events }).await?;
    let began = Instant::now();
    world.settle().await?;
    let model = world.publish_model().await?;
    let megabytes = model as f64 / (1024.0 * 1024.0);
    println!("{items} items, a model of {megabytes:.1} MB, {users} people of {events} events");
    println!("people and model written in {:.1} s", began.elapsed().as_secs_f64());
    let bench = Bench { args, services, world };
    bench.load_catalogue(0).await?;
    let mut environment = bench.cold_start("after the first load in bulk").await?;
    bench.wait_until_stored(&mut environment).await?;
    for number in 1..=bench.args.starts {
        environment = bench.cold_start(&format!("catalogue stored, {number}")).await?;
    }
    bench.warm(&mut environment).await?;
    bench.load_catalogue(1).await?;
    bench.cold_start("after all was loaded again").await?;
    Ok(())
}

struct Bench {
    args: Args,
    services: Services,
    world: World,
}

impl Bench {
    async fn load_catalogue(&self, time: usize) -> Result<()> {
        self.services.delay(Delays::default());
        let began = Instant::now();
        self.world.load_catalogue(time).await?;
        println!("catalogue loaded in bulk in {:.1} s", began.elapsed().as_secs_f64());
        let (dynamodb, s3) = (self.args.dynamodb_ms, self.args.s3_ms);
        let (dynamodb, s3) = (Duration::from_millis(dynamodb), Duration::from_millis(s3));
        self.services.delay(Delays { dynamodb, s3 });
        Ok(())
    }

    /// A new process and its first request.
    async fn cold_start(&self, name: &str) -> Result<Environment> {
        self.services.take_calls();
        let mut environment = Environment::start(&self.args.binary, &self.world.variables).await?;
        let cpu_of_init = environment.cpu()?;
        let of_init = self.services.take_calls();
        let (took, slate) = environment.invoke(self.world.request(0)?).await?;
        let cpu_of_first = environment.cpu()?.saturating_sub(cpu_of_init);
        let of_first = self.services.take_calls();
        let (now, most) = environment.megabytes()?;
        ensure_known(&of_init)?;
        ensure_known(&of_first)?;
        println!("\ncold start, {name}:");
        println!("  init {} ms, CPU {} ms", ms(environment.init), ms(cpu_of_init));
        println!("  first request {} ms, CPU {} ms", ms(took), ms(cpu_of_first));
        println!("  memory {now:.0} MB, at most {most:.0} MB");
        println!("  read in init: {}", in_words(&of_init));
        println!("  read by the first request: {}", in_words(&of_first));
        println!("  {}", slate_in_words(&slate));
        Ok(environment)
    }

    /// Asks now and then until the process has stored the catalogue.
    async fn wait_until_stored(&self, environment: &mut Environment) -> Result<()> {
        let began = Instant::now();
        for number in 0..UNTIL_STORED {
            if let Some(bytes) = self.services.size_of("catalogues/") {
                let megabytes = bytes as f64 / (1024.0 * 1024.0);
                let seconds = began.elapsed().as_secs_f64();
                println!("\ncatalogue stored {seconds:.0} s later, {megabytes:.1} MB");
                println!("  read meanwhile: {}", in_words(&self.services.take_calls()));
                let (now, most) = environment.megabytes()?;
                println!("  memory {now:.0} MB, at most {most:.0} MB");
                return Ok(());
            }
            environment.invoke(self.world.request(number)?).await?;
            tokio::time::sleep(BETWEEN).await;
        }
        anyhow::bail!("the catalogue was not stored")
    }

    /// Requests one after another.
    async fn warm(&self, environment: &mut Environment) -> Result<()> {
        for number in 0..WARM_UP {
            environment.invoke(self.world.request(number)?).await?;
        }
        let (mut whole, mut in_stores, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        self.services.take_calls();
        let (began, before) = (Instant::now(), environment.cpu()?);
        for number in 0..self.args.requests {
            let (took, slate) = environment.invoke(self.world.request(number)?).await?;
            ensure!(slate["items"].as_array().is_some_and(|items| items.len() == 10), "{slate}");
            let of_request = self.services.take_calls();
            calls.push(of_request.len());
            whole.push(took);
            in_stores.push(busy(of_request));
        }
        let seconds = began.elapsed().as_secs_f64();
        let cpu = environment.cpu()?.saturating_sub(before).as_secs_f64();
        let (now, most) = environment.megabytes()?;
        let requests = self.args.requests;
        println!("\nwarm, {requests} requests one after another in {seconds:.1} s:");
        println!("  whole request p50 {} ms, p99 {} ms", at(&mut whole, 50), at(&mut whole, 99));
        let (half, most_of_all) = (at(&mut in_stores, 50), at(&mut in_stores, 99));
        println!("  of which a store was at work p50 {half} ms, p99 {most_of_all} ms");
        println!("  CPU {:.2} ms a request", 1_000.0 * cpu / requests as f64);
        let calls = calls.iter().sum::<usize>() as f64 / requests as f64;
        println!("  calls of stores {calls:.2} a request");
        println!("  memory {now:.0} MB, at most {most:.0} MB");
        Ok(())
    }
}

fn slate_in_words(slate: &serde_json::Value) -> String {
    let items = slate["items"].as_array().map_or(0, Vec::len);
    format!("answered {items} items, degraded {}", slate["degraded"])
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1_000.0)
}

/// What so many of a hundred do not take longer than.
fn at(times: &mut [Duration], share: usize) -> String {
    times.sort_unstable();
    times
        .get(times.len() * share / 100)
        .map_or_else(String::new, |time| format!("{:.2}", time.as_secs_f64() * 1_000.0))
}
