//! The step about slates that are made again.

use hyper::Method;
use serde_json::{Value, json};

use super::cast::{AUTO_FINANCE, KNOWLEDGE};
use super::steps::{MEI, Stage, ask_learner, recommendation};
use crate::api::ApiRequest;
use crate::token::Token;

/// What a slate and its replay have in common of an item.
const OF_AN_ITEM: [&str; 4] = ["domain", "item_id", "score", "propensity"];

fn replay(id: &str) -> ApiRequest {
    ApiRequest::new(Method::POST, &["v1", "recommendations", id, "replay"])
}

fn items(slate: &Value) -> Vec<Vec<Value>> {
    let items = slate.as_array().cloned().unwrap_or_default();
    items.iter().map(|item| OF_AN_ITEM.map(|name| item[name].clone()).to_vec()).collect()
}

impl Stage<'_> {
    /// A slate is made again, by the evidence that may be used, for the platform that it was
    /// served on and for no other.
    pub(super) async fn make_a_slate_again(&self) -> anyhow::Result<()> {
        let served = self.call(recommendation(&ask_learner(MEI))).await?;
        let id = served["recommendation_id"].as_str().unwrap_or_default();
        let again = self.call(replay(id)).await?;
        assert_eq!((&again["same"], &again["findings"]), (&json!(true), &json!([])), "{again}");
        assert_eq!(items(&again["served"]), items(&served["items"]));
        assert_eq!(again["model"], served["model"]);

        let signalled = self.call(replay(id).with_header("Sec-GPC", "1")).await?;
        let withheld = json!([{ "code": "consents_changed", "domains": [KNOWLEDGE] }]);
        assert_eq!((&signalled["findings"], &signalled["same"]), (&withheld, &json!(false)));

        let absent = self.world.call(replay("none")).await?;
        absent.assert_problem(404, "unknown_recommendation");
        if self.world.checks_tokens() {
            let elsewhere = Token::covering(&[AUTO_FINANCE]);
            let refused = self.world.call(replay(id).with_token(elsewhere)).await?;
            refused.assert_problem(404, "unknown_recommendation");
        }
        Ok(())
    }
}
