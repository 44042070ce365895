//! `crossfold recommend`.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::args::RecommendArgs;
use crate::local_world::LocalWorld;

pub(crate) async fn recommend(directory: &Path, args: &RecommendArgs) -> Result<()> {
    let world = LocalWorld::open(directory).await?;
    let request = json!({
        "user_id": args.user, "domain": args.domain, "target_domains": args.target,
        "limit": args.limit, "locale": args.locale,
    });
    let response = world.client().post("/v1/recommendations", &request).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&response)?);
    } else {
        print_slate(&response);
    }
    Ok(())
}

/// Prints a response as a table.
pub(crate) fn print_slate(response: &Value) {
    let kind = if response["personalised"] == true { "personalised" } else { "popularity" };
    let degraded: Vec<&str> =
        response["degraded"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let note =
        if degraded.is_empty() { String::new() } else { format!(" ({})", degraded.join(", ")) };
    println!("  {kind} slate{note}");
    for item in response["items"].as_array().into_iter().flatten() {
        println!(
            "  {:>3}. {:.3}  {:<13} {}  -  {}",
            item["rank"].as_u64().unwrap_or(0),
            item["score"].as_f64().unwrap_or(f64::NAN),
            item["domain"].as_str().unwrap_or(""),
            item["title"].as_str().unwrap_or(""),
            item["reason"]["text"].as_str().unwrap_or(""),
        );
    }
}
