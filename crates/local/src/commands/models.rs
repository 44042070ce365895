//! `crossfold models`: what `/v1/models` offers, called inside the process.

use std::path::Path;

use anyhow::{Context, Result};
use crossfold_core::entities::ids::ModelId;
use serde_json::{Value, json};

use crate::api_client::ApiClient;
use crate::args::{ModelsArgs, ModelsCommand};
use crate::local_world::LocalWorld;

pub(crate) async fn models(directory: &Path, args: &ModelsArgs) -> Result<()> {
    let client = LocalWorld::open(directory).await?.client();
    let answer = match &args.command {
        ModelsCommand::List => list(&client).await?,
        ModelsCommand::Show { id } => client.get(&format!("/v1/models/{id}")).await?,
        ModelsCommand::Promote { id } => promote(&client, id.as_str(), &json!({})).await?,
        ModelsCommand::Rollback => roll_back(&client).await?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&args.command, &answer);
    }
    Ok(())
}

/// Every model, newest first.
async fn list(client: &ApiClient) -> Result<Value> {
    let mut models = Vec::new();
    let mut after = String::new();
    loop {
        let page = client.get(&format!("/v1/models?limit=100{after}")).await?;
        models.extend(page["models"].as_array().cloned().unwrap_or_default());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", ModelId::parse(next)?);
    }
    Ok(json!({ "models": models }))
}

async fn promote(client: &ApiClient, id: &str, body: &Value) -> Result<Value> {
    client.post(&format!("/v1/models/{id}/promote"), body).await
}

/// Promotes the model before the champion, unless the champion changes meanwhile.
async fn roll_back(client: &ApiClient) -> Result<Value> {
    let listed = list(client).await?;
    let in_state = |state: &str| {
        let mut models = listed["models"].as_array().into_iter().flatten();
        models.find(|model| model["state"] == state).and_then(|model| model["id"].as_str())
    };
    let previous = in_state("previous").context("there is no model before the champion")?;
    promote(client, previous, &json!({ "expected_champion": in_state("champion") })).await
}

fn print(command: &ModelsCommand, answer: &Value) {
    match command {
        ModelsCommand::List => {
            let models = answer["models"].as_array().map_or(&[][..], Vec::as_slice);
            if models.is_empty() {
                println!("there is no model yet: crossfold train makes one");
            }
            models.iter().for_each(print_line);
        }
        ModelsCommand::Show { .. } => print_details(answer),
        ModelsCommand::Promote { .. } | ModelsCommand::Rollback => print_line(answer),
    }
}

fn text<'a>(model: &'a Value, name: &str) -> &'a str {
    model[name].as_str().unwrap_or("")
}

fn print_line(model: &Value) {
    let ndcg = |metrics: &Value| metrics["metrics"]["ndcg@20"].as_f64();
    let domains = model["metrics"].as_object().into_iter().flatten();
    let figures: Vec<String> = domains
        .filter_map(|(domain, metrics)| Some(format!("{domain} {:.4}", ndcg(metrics)?)))
        .collect();
    println!(
        "{:<9}  {}  {}  ndcg@20: {}",
        text(model, "state"),
        text(model, "id"),
        text(model, "created_at"),
        if figures.is_empty() { "not measured".to_owned() } else { figures.join(", ") },
    );
}

fn print_details(model: &Value) {
    print_line(model);
    println!("made by the run {} from {} events", text(model, "training_run"), model["events"]);
    for check in model["verdict"]["checks"].as_array().into_iter().flatten() {
        let domain = text(check, "domain");
        let difference = &check["difference"];
        let figures = match difference["mean"].as_f64() {
            Some(mean) => format!(
                "{mean:+.4} [{:+.4}, {:+.4}], {} people",
                difference["low"].as_f64().unwrap_or(f64::NAN),
                difference["high"].as_f64().unwrap_or(f64::NAN),
                check["people"]
            ),
            None => String::new(),
        };
        println!(
            "  {:<10}  {:<10} {domain} {figures}",
            text(check, "outcome"),
            text(check, "check")
        );
    }
    for promotion in model["promotions"].as_array().into_iter().flatten() {
        let by = text(&promotion["by"], "kind");
        println!("  {} promoted {} (by {by})", text(promotion, "at"), text(promotion, "to"));
    }
    for (domain, drift) in model["drift"]["domains"].as_object().into_iter().flatten() {
        println!("  inputs of {domain}: {} ({} events)", text(drift, "status"), drift["events"]);
    }
}
