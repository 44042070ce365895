//! Looking at how everything stands, and into a slate.

use serde_json::{Value, json};

use super::cast::{AUTO_FINANCE, KNOWLEDGE, user};
use super::steps::{MEI, Stage, ask_driver, ask_driver_for_all, ask_learner, recommendation};
use crate::api::ApiRequest;
use crate::polling::until;
use crate::token::Token;

/// How long activity is held back, and a little more.
const WRITTEN_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

fn dry(mut body: Value, more: Value) -> ApiRequest {
    body["dry_run"] = true.into();
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    recommendation(&body)
}

impl Stage<'_> {
    /// A slate that is looked into is the one that is served, and leaves no trace.
    pub(super) async fn look_into_a_slate(&self) -> anyhow::Result<()> {
        let served = self.call(recommendation(&ask_learner(MEI))).await?;
        let looked = self.call(dry(ask_learner(MEI), json!({ "inspect": true }))).await?;
        assert_eq!(looked["dry_run"], true);
        let items = |answer: &Value| -> Vec<Value> {
            let items = answer["items"].as_array().into_iter().flatten();
            items.map(|item| item["item_id"].clone()).collect()
        };
        assert_eq!(items(&looked), items(&served));
        for item in looked["items"].as_array().into_iter().flatten() {
            let made_up = &item["contributions"];
            let parts = made_up["parts"].as_array().cloned().unwrap_or_default();
            assert!(!parts.is_empty() && parts.iter().all(|part| part["domain"] == KNOWLEDGE));
            let amounts = parts
                .iter()
                .chain([made_up])
                .map(|part| part["amount"].as_f64().or(part["rest"].as_f64()).unwrap_or(f64::NAN));
            let sum: f64 = amounts.sum();
            let score = item["score"].as_f64().unwrap_or_default();
            assert!((sum - score).abs() < 1e-5, "{item}");
        }
        let left_out = &looked["inspection"][0]["left_out"];
        assert_eq!(left_out[0]["rule"], "unavailable", "{looked}");
        let feedback = json!({
            "recommendation_id": looked["recommendation_id"], "user_id": user(KNOWLEDGE, MEI),
            "domain": KNOWLEDGE, "feedback": [{
                "feedback_id": "f", "kind": "click", "domain": AUTO_FINANCE,
                "item_id": items(&looked)[0], "occurred_at": "2026-01-01T00:00:00Z",
            }],
        });
        let refused = self.world.call(ApiRequest::post(&["v1", "feedback"], &feedback)).await?;
        refused.assert_problem(404, "unknown_recommendation");

        // Without the consent the courses count for nothing, and the person decided nothing.
        let without = json!({ "without_consents": [{ "from": KNOWLEDGE, "to": AUTO_FINANCE }] });
        let narrowed = self.call(dry(ask_driver(MEI), without.clone())).await?;
        assert_eq!(narrowed["personalised"], false, "{narrowed}");
        let still = self.call(recommendation(&ask_driver(MEI))).await?;
        assert_eq!(still["personalised"], true);
        let mut body = ask_driver(MEI);
        body["without_consents"] = without["without_consents"].clone();
        let refused = self.world.call(recommendation(&body)).await?;
        refused.assert_problem(422, "invalid_request");
        self.hide_what_others_left_out().await
    }

    /// What was seen on a platform is not told to a caller that does not act for it.
    async fn hide_what_others_left_out(&self) -> anyhow::Result<()> {
        if !self.world.checks_tokens() {
            return Ok(());
        }
        let inspect = json!({ "inspect": true, "target_domains": [AUTO_FINANCE] });
        let request = dry(ask_learner("0"), inspect).with_token(Token::covering(&[KNOWLEDGE]));
        assert_eq!(self.call(request).await?["inspection"], json!([]));
        let inspect = dry(ask_driver_for_all("0"), json!({ "inspect": true }));
        let own = self.call(inspect.with_token(Token::covering(&[AUTO_FINANCE]))).await?;
        let rules = own["inspection"][0]["left_out"].as_array().cloned().unwrap_or_default();
        assert!(rules.iter().any(|left_out| left_out["rule"] == "seen"), "{own}");
        Ok(())
    }

    /// What happened is told in numbers, to whoever acts for the domain.
    pub(super) async fn tell_how_everything_stands(&self) -> anyhow::Result<()> {
        let bad = json!({ "domain": KNOWLEDGE, "events": [{ "event_id": 7 }] });
        let (status, malformed) = until("activity in the status", WRITTEN_WITHIN, async || {
            self.call(ApiRequest::post(&["v1", "events"], &bad)).await?;
            self.call(recommendation(&ask_driver(MEI))).await?;
            let status = self.call(ApiRequest::get(&["v1", "status"])).await?;
            let days = status["activity"].as_array().cloned().unwrap_or_default();
            let served = days.iter().any(|day| day["slates"]["served"] != 0);
            // Others were refused before, such as an event of somebody who was erased.
            let refused = status["refused"].as_array().cloned().unwrap_or_default();
            let malformed = refused.into_iter().find(|own| own["code"] == "malformed_event");
            Ok(malformed.filter(|_| served).map(|malformed| (status, malformed)))
        })
        .await?;
        let detail = malformed["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("invalid type") && !detail.contains('7'), "{detail}");
        let names: Vec<&Value> =
            status["domains"].as_array().into_iter().flatten().map(|own| &own["domain"]).collect();
        assert_eq!(names, [AUTO_FINANCE, KNOWLEDGE]);
        assert_eq!(status["last_run"]["status"], "succeeded");
        assert_eq!(status["champion"]["training_run"], status["last_run"]["id"]);
        assert!(status["archive"]["people"].as_u64() > Some(10), "{status}");
        let needs = status["attention"].as_array().cloned().unwrap_or_default();
        assert!(needs.iter().any(|need| need["code"] == "refused"), "{status}");

        let runs =
            |query: &str| ApiRequest::get(&["v1", "training-runs"]).with_query("limit", query);
        let first = self.call(runs("1")).await?;
        assert_eq!(
            (&first["runs"][0]["id"], &first["next"]),
            (&status["last_run"]["id"], &status["last_run"]["id"])
        );
        let next = first["next"].as_str().unwrap_or_default();
        let second = self.call(runs("1").with_query("after", next)).await?;
        assert!(
            second["runs"][0]["requested_at"].as_str() < first["runs"][0]["requested_at"].as_str()
        );
        let next = second["next"].as_str().unwrap_or_default();
        let third = self.call(runs("1").with_query("after", next)).await?;
        assert_eq!(third.get("next"), None);
        self.world.call(runs("0")).await?.assert_problem(422, "invalid_request");
        if self.world.checks_tokens() {
            let own = Token::covering(&[AUTO_FINANCE]);
            let own = self.call(ApiRequest::get(&["v1", "status"]).with_token(own)).await?;
            let days = own["activity"].as_array().into_iter().flatten();
            let others = own["refused"].as_array().into_iter().flatten().chain(days);
            assert!(others.into_iter().all(|of| of["domain"] == AUTO_FINANCE), "{own}");
        }
        Ok(())
    }
}
