//! What the last slates say of a catalogue and of a filter, through the routes.

use crossfold_core::archive::decisions::encode_decisions;
use crossfold_core::archive::keys::{DECISIONS_PREFIX, batch_key};
use crossfold_core::entities::ports::PutCondition;
use crossfold_edge::caller::Scope;

use super::*;

/// Logs slates as the archive has them: of `knowledge`, with items of `auto`.
async fn archive(stores: &Stores, slates: &[&[&str]]) {
    let decisions: Vec<Decision> = slates
        .iter()
        .enumerate()
        .map(|(number, items)| {
            let entry = |id: &&str| {
                json!({"domain": "auto", "item_id": id, "score": 0.5, "propensity": 1.0})
            };
            let slate: Vec<Value> = items.iter().map(entry).collect();
            serde_json::from_value(json!({
                "recommendation_id": format!("r{number}"), "user": "v1_u", "domain": "knowledge",
                "policy": "p", "seed": 1, "personalised": false, "decided_at": noon(),
                "slate": slate,
            }))
            .unwrap()
        })
        .collect();
    let key = batch_key(DECISIONS_PREFIX, &domain("knowledge"), noon(), "1");
    let bytes = encode_decisions(&decisions).unwrap();
    stores.objects.put(&key, bytes, PutCondition::None).await.unwrap();
}

async fn call(
    stores: &Stores,
    caller: Caller,
    (method, path): (&str, &str),
    body: Value,
) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .extension(caller)
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = service(stores).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn a_filter_is_tried_on_what_a_platform_showed() {
    let stores = world().await;
    archive(&stores, &[&["i", "new"], &["i"], &["new"]]).await;
    let path = "/v1/domains/knowledge/filter-trial";
    let body = json!({"filter": "item_id != \"i\"", "target_domain": "auto"});
    let all = Caller::development();
    let (status, trial) = call(&stores, all.clone(), ("POST", path), body.clone()).await;
    assert_eq!(status, 200, "{trial}");
    assert_eq!(trial["served"]["slates"], 3);
    let told = ["shown", "removed", "slates_changed", "slates_emptied", "admitted"];
    let told: Vec<u64> = told.iter().map(|name| trial[name].as_u64().unwrap()).collect();
    assert_eq!(told, [4, 2, 2, 1, 1]);
    assert_eq!(trial["most_removed"][0]["title"], "i of auto");
    // What a platform that is not the caller's is like is not told.
    let own = Caller::with([domain("knowledge")], Scope::ALL);
    let (status, problem) = call(&stores, own, ("POST", path), body).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("domain_forbidden")));
    let wrong = json!({"filter": "prize = 1", "target_domain": "auto"});
    let (status, problem) = call(&stores, all.clone(), ("POST", path), wrong).await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("invalid_filter")));
    let elsewhere = json!({"filter": "price = 1", "target_domain": "auto", "placement": "p"});
    let (_, none) = call(&stores, all, ("POST", path), elsewhere).await;
    assert_eq!(none["served"], json!({"slates": 0, "since": null, "until": null}));
}

#[tokio::test]
async fn a_catalogue_is_told_with_its_coverage_to_who_acts_for_both() {
    let stores = world().await;
    archive(&stores, &[&["i"], &["i", "gone"]]).await;
    let path = "/v1/domains/auto/catalogue?platform=knowledge";
    let all = Caller::development();
    let (status, report) = call(&stores, all.clone(), ("GET", path), Value::Null).await;
    assert_eq!(status, 200, "{report}");
    assert_eq!((&report["items"], &report["available"]), (&json!(2), &json!(2)));
    assert_eq!((&report["shown"], &report["coverage"]), (&json!(1), &json!(0.5)));
    assert_eq!(report["most_shown"], json!([{"item_id": "i", "title": "i of auto", "times": 2}]));
    let (status, own) =
        call(&stores, all, ("GET", "/v1/domains/auto/catalogue"), Value::Null).await;
    assert_eq!((status, &own["served"]["slates"]), (200, &json!(0)), "{own}");
    for only in ["auto", "knowledge"] {
        let caller = Caller::with([domain(only)], Scope::ALL);
        let (status, _) = call(&stores, caller, ("GET", path), Value::Null).await;
        assert_eq!(status, 403, "{only}");
    }
}
