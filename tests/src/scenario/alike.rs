//! The step about items that are like one.

use serde_json::Value;

use super::Slate;
use super::cast::{AUTO_FINANCE, KNOWLEDGE, TASTES, UNAVAILABLE, item};
use super::steps::Stage;
use crate::api::ApiRequest;
use crate::token::Token;

fn similar(domain: &str, item: &str) -> ApiRequest {
    let request = ApiRequest::get(&["v1", "domains", domain, "items", item, "similar"]);
    request.with_query("limit", "5")
}

fn listed(answer: &Value) -> Slate {
    let entries = answer["items"].as_array().into_iter().flatten();
    let entry = |entry: &Value| {
        let id = entry["item_id"].as_str().unwrap_or_default();
        (id.to_owned(), entry["score"].as_f64().unwrap_or(f64::NAN))
    };
    entries.map(entry).collect()
}

impl Stage<'_> {
    /// What is like an item is of its taste, and none of what may not be shown.
    pub(super) async fn find_what_is_alike(&mut self) -> anyhow::Result<()> {
        for (domain, taste, step) in [
            (AUTO_FINANCE, TASTES[0], "loans like one"),
            (KNOWLEDGE, TASTES[1], "courses like one"),
        ] {
            let of = item(domain, taste, 2);
            let answer = self.call(similar(domain, &of)).await?;
            let found = listed(&answer);
            let is_alike = |(id, score): &(String, f64)| {
                id.starts_with(taste) && *id != of && *score > 0.0 && *score <= 1.0
            };
            assert!(found.len() == 5 && found.iter().all(is_alike), "{answer}");
            assert!(answer["model"].is_string(), "{answer}");
            self.outcome.slates.insert(step, found);
        }
        let [hidden, _, sold_out] = UNAVAILABLE;
        let hidden = self.world.call(similar(AUTO_FINANCE, hidden)).await?;
        hidden.assert_problem(404, "unknown_item");
        self.call(similar(AUTO_FINANCE, sold_out)).await?;
        if self.world.checks_tokens() {
            let elsewhere = similar(AUTO_FINANCE, &item(AUTO_FINANCE, TASTES[0], 1));
            let elsewhere = elsewhere.with_token(Token::covering(&[KNOWLEDGE]));
            self.world.call(elsewhere).await?.assert_problem(403, "domain_forbidden");
        }
        Ok(())
    }
}
