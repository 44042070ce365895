//! The steps about domains as such, on one that nobody recommends from.

use serde_json::{Value, json};

use super::steps::Stage;
use crate::api::ApiRequest;
use crate::token::Token;

/// A third platform.
const TRAVEL: &str = "travel";

fn by_travel(request: ApiRequest) -> ApiRequest {
    request.with_token(Token::covering(&[TRAVEL]))
}

fn of_travel(request: fn(&[&str], &Value) -> ApiRequest, body: &Value) -> ApiRequest {
    by_travel(request(&["v1", "domains", TRAVEL], body))
}

fn definition() -> Value {
    json!({
        "name": "Travel", "currency": "EUR", "half_life_days": 30,
        "event_types": { "view": { "weight": 1 }, "book": { "weight": 3, "value_scale": 99.5 } },
    })
}

impl Stage<'_> {
    /// A domain is listed for who acts for it, changed in part, and defined anew
    /// with everything that falls back being told.
    pub(super) async fn manage_domains(&self) -> anyhow::Result<()> {
        let made = self.call(of_travel(ApiRequest::put, &definition())).await?;
        assert_eq!((&made["changed"], &made["reset"]), (&json!([]), &json!([])));
        assert_eq!(made["event_types"]["book"]["value_scale"], "99.5");
        let lake = json!({ "items": [{ "item_id": "lake", "title": "Lake", "price": 19.9 }] });
        let items = ["v1", "domains", TRAVEL, "items"];
        self.call(by_travel(ApiRequest::post(&items, &lake))).await?;
        let lake = ApiRequest::get(&["v1", "domains", TRAVEL, "items", "lake"]);
        assert_eq!(self.call(by_travel(lake)).await?["price"], "19.9");
        let listed = self.call(by_travel(ApiRequest::get(&["v1", "domains"]))).await?;
        let domains = listed["domains"].as_array().cloned().unwrap_or_default();
        let travel = domains.iter().find(|one| one["domain"] == TRAVEL);
        assert_eq!(travel.map(|one| &one["definition"]["half_life_days"]), Some(&json!(30.0)));
        if self.world.checks_tokens() {
            assert_eq!(domains.len(), 1, "{listed}");
        }

        let patch = json!({ "half_life_days": 60, "event_types": { "view": null } });
        let patched = self.call(of_travel(patch_json, &patch)).await?;
        assert_eq!(patched["changed"], json!(["event_types.view", "half_life_days"]));
        assert_eq!(patched["reset"], json!(["event_types.view"]));
        assert_eq!(patched["name"], "Travel");

        let mut shorter = definition();
        shorter.as_object_mut().map(|fields| fields.remove("half_life_days"));
        let put = self.call(of_travel(ApiRequest::put, &shorter)).await?;
        assert_eq!(put["changed"], json!(["event_types.view", "half_life_days"]));
        assert_eq!(put["reset"], json!(["half_life_days"]));
        assert_eq!(put["half_life_days"], 180.0);

        let wrong = of_travel(patch_json, &json!({ "half_life_days": 0 }));
        self.world.call(wrong).await?.assert_problem(422, "invalid_request");
        Ok(())
    }

    /// A sender without a token writes by a key, in the format of its own SDK, and a
    /// domain goes with all of it.
    pub(super) async fn take_the_wires_of_others(&self) -> anyhow::Result<()> {
        let keys = ["v1", "domains", TRAVEL, "keys"];
        let scopes = json!({ "name": "SDK", "scopes": ["events:write"] });
        let key = self.call(by_travel(ApiRequest::post(&keys, &scopes))).await?;
        let listed = self.call(by_travel(ApiRequest::get(&keys))).await?;
        assert_eq!(listed["keys"][0]["id"], key["id"]);
        let bearer = format!("Bearer {}", key["write_key"].as_str().unwrap_or_default());
        let message = json!({
            "type": "track", "event": "Product Viewed", "userId": "t", "messageId": "m",
            "properties": { "product_id": "lake" },
        });
        let batch = json!({ "batch": [message, { "type": "alias" }], "sentAt": null });
        let post = |path: &str, body: &Value| {
            let request = ApiRequest::post(&["v1", path], body).with_token(None);
            request.with_header("authorization", &bearer)
        };
        let taken = self.call(post("batch", &batch)).await?;
        assert_eq!((&taken["success"], &taken["accepted"]), (&json!(true), &json!(1)));
        assert_eq!(self.call(post("track", &message)).await?["duplicates"], 1);
        for kind in ["identify", "page", "screen", "group", "alias"] {
            let taken = self.call(post(kind, &json!({ "userId": "t" }))).await?;
            assert_eq!(taken["ignored"][0]["code"], "not_used", "{kind}");
        }
        let wrong = self.world.call(post("track", &json!({ "event": "view" }))).await?;
        assert_eq!((wrong.status, &wrong.json["success"]), (400, &json!(false)));
        for path in ["events", "items", "users"] {
            let unsigned = ApiRequest::post(&[path], &json!({})).with_token(None);
            assert_eq!(self.world.call(unsigned).await?.status, 403, "{path}");
        }
        let event = json!({
            "specversion": "1.0", "id": "1", "source": "/scenario", "type": "org.example.view",
            "subject": "lake", "data": { "user_id": "t" },
        });
        let events = || ApiRequest::new(hyper::Method::POST, &["v1", "events"]);
        let post_event = || {
            let single = events().with_body("application/cloudevents+json", event.to_string());
            by_travel(single.with_query("domain", TRAVEL))
        };
        assert_eq!(self.call(post_event()).await?["accepted"], 1);
        assert_eq!(self.call(post_event()).await?["duplicates"], 1);
        let id = key["id"].as_str().unwrap_or_default();
        let revoke = ApiRequest::delete(&["v1", "domains", TRAVEL, "keys", id]);
        self.call(by_travel(revoke)).await?;
        assert_eq!(self.world.call(post("track", &message)).await?.status, 401);
        let delete = || by_travel(ApiRequest::delete(&["v1", "domains", TRAVEL]));
        self.world.call(delete()).await?.assert_problem(422, "unconfirmed");
        let begun = self.call(delete().with_query("confirm", TRAVEL)).await?;
        assert_eq!((&begun["domain"], &begun["deleted"]["items"]), (&json!(TRAVEL), &json!(1)));
        Ok(())
    }
}

fn patch_json(segments: &[&str], body: &Value) -> ApiRequest {
    ApiRequest::new(hyper::Method::PATCH, segments)
        .with_body("application/merge-patch+json", body.to_string())
}
