//! Which placements a definition may get, and by whom.

use crossfold_core::entities::placement::SlatePlace;
use crossfold_core::serving::request::MAX_LIMIT;
use crossfold_storage::faults::{Fault, FaultPlan};
use serde_json::{Value, json};

use crate::test_world::World;

const ROAD: (&str, &str) = ("PUT", "/v1/domains/road");
const PATCH_ROAD: (&str, &str) = ("PATCH", "/v1/domains/road");

/// A platform of roads, one of cars, and one of books.
async fn world() -> World {
    let world = World::new(&FaultPlan::from_fn(|_| Fault::None));
    for domain in ["auto", "books", "road"] {
        world.define(domain).await;
    }
    let brands = json!({"attributes": {"brand": "text"}});
    world.ok("PATCH", "/v1/domains/auto", brands).await;
    world
}

fn with_placements(placements: &Value) -> Value {
    json!({
        "name": "road", "currency": "EUR", "event_types": {"view": {"weight": 1}},
        "placements": placements,
    })
}

/// What is answered to placements, put or patched, by who acts for some domains.
async fn refusal(
    world: &World,
    domains: &[&str],
    (method, path): (&str, &str),
    placements: Value,
) -> (u16, String, String) {
    let body = match method {
        "PUT" => with_placements(&placements),
        _ => json!({ "placements": placements }),
    };
    let (status, problem) = world.call_for(domains, (method, path), &body).await;
    let text = |field: &str| problem[field].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("detail"))
}

fn said_of_auto(filter: &str) -> [(&'static str, Value); 3] {
    [
        ("filters", json!({"auto": filter})),
        ("boosts", json!([{"domain": "auto", "filter": filter, "factor": 2}])),
        ("promotions", json!([{"domain": "auto", "filter": filter, "slot": 1}])),
    ]
}

#[test]
fn as_many_places_may_be_named_as_a_slate_has() {
    assert_eq!(SlatePlace::MOST, MAX_LIMIT);
}

#[tokio::test]
async fn only_who_acts_for_a_domain_may_tell_its_items_apart_at_a_placement() {
    let world = world().await;
    for call in [ROAD, PATCH_ROAD] {
        for (field, said) in said_of_auto("price > 1") {
            let placements = json!({"checkout": {field: said}});
            let (status, code, detail) =
                refusal(&world, &["road", "books"], call, placements.clone()).await;
            assert_eq!((status, code.as_str()), (403, "domain_forbidden"), "{call:?} {field}");
            assert!(detail.starts_with("placements.checkout: the token does not cover auto"));
            let (status, _, detail) = refusal(&world, &["road", "auto"], call, placements).await;
            assert_eq!(status, 200, "{detail}");
            world.ok("PATCH", "/v1/domains/road", json!({"placements": null})).await;
        }
    }
    // Whether a foreign domain is there is not told either.
    let of_nobody = json!({"checkout": {"filters": {"nobody": "price > 1"}}});
    let (_, code, _) = refusal(&world, &["road"], ROAD, of_nobody).await;
    assert_eq!(code, "domain_forbidden");
    // Targets are for anyone to name, as in a request.
    let targets = json!({"checkout": {"target_domains": ["auto", "road"]}});
    assert_eq!(refusal(&world, &["road"], ROAD, targets).await.0, 200);
}

#[tokio::test]
async fn the_domains_of_a_placement_are_defined() {
    let world = world().await;
    for call in [ROAD, PATCH_ROAD] {
        for placement in [
            json!({"target_domains": ["auto", "nowhere"]}),
            json!({"filters": {"nowhere": "price > 1"}}),
        ] {
            let placements = json!({ "checkout": placement });
            let (status, code, detail) =
                refusal(&world, &["road", "nowhere"], call, placements).await;
            assert_eq!((status, code.as_str()), (404, "unknown_domain"));
            assert!(detail.contains("placements.checkout") && detail.contains("nowhere"));
        }
    }
    // One that is being defined is there for its own placements.
    let own = json!({"front": {"target_domains": ["new"], "filters": {"new": "price > 1"}}});
    world.ok("PUT", "/v1/domains/new", with_placements(&own)).await;
}

#[tokio::test]
async fn a_filter_of_a_placement_is_read_by_what_its_domain_declares() {
    let world = world().await;
    for call in [ROAD, PATCH_ROAD] {
        for (field, said) in said_of_auto("price > 1 and brend = \"BYD\"") {
            let placements = json!({"checkout": {field: said}});
            let (status, code, detail) = refusal(&world, &["road", "auto"], call, placements).await;
            assert_eq!((status, code.as_str()), (422, "invalid_filter"), "{detail}");
            let place = if field == "filters" { "" } else { "[0]" };
            let begin = format!("placements.checkout.{field}{place} of auto: line 1, column 15: ");
            assert!(detail.starts_with(&begin) && detail.contains("`brand`"), "{detail}");
        }
        for (field, said) in said_of_auto("brand = \"BYD\"") {
            let placements = json!({"checkout": {field: said}});
            assert_eq!(refusal(&world, &["road", "auto"], call, placements).await.0, 200);
        }
    }
    let wrong = json!({"checkout": {"filters": {"books": "brand = \"BYD\""}}});
    let (_, code, detail) = refusal(&world, &["road", "books"], ROAD, wrong).await;
    assert_eq!(code, "invalid_filter");
    assert!(detail.starts_with("placements.checkout.filters of books: line 1, column 1: "));
}

#[tokio::test]
async fn the_filters_of_the_domain_itself_go_by_the_definition_that_is_put() {
    let world = world().await;
    let filtered = json!({"checkout": {"filters": {"road": "lanes > 2"}}});
    let (_, code, _) = refusal(&world, &["road"], PATCH_ROAD, filtered.clone()).await;
    assert_eq!(code, "invalid_filter");
    let both = json!({"placements": filtered, "attributes": {"lanes": "number"}});
    world.ok("PATCH", "/v1/domains/road", both).await;
    // The attributes that stand are left out of this one, and fall away.
    let another = json!({"front": {"filters": {"road": "lanes > 3"}}});
    let (_, code, _) = refusal(&world, &["road"], ROAD, another).await;
    assert_eq!(code, "invalid_filter");
}

#[tokio::test]
async fn a_placement_that_is_wrong_in_itself_is_an_invalid_request() {
    let world = world().await;
    for call in [ROAD, PATCH_ROAD] {
        let inverted = json!({"checkout": {"limit": 9, "max_limit": 4}});
        let (status, code, detail) = refusal(&world, &["road"], call, inverted).await;
        assert_eq!((status, code.as_str()), (422, "invalid_request"));
        assert!(detail.contains("placements.checkout.limit must be at most"), "{detail}");
        let elsewhere =
            json!({"checkout": {"target_domains": ["road"], "filters": {"auto": "price > 1"}}});
        let (_, code, detail) = refusal(&world, &["road", "auto"], call, elsewhere).await;
        assert_eq!(code, "invalid_request");
        assert!(detail.contains("none of target_domains"), "{detail}");
    }
}

#[tokio::test]
async fn what_stands_is_not_checked_again_and_what_changes_is() {
    let world = world().await;
    let checkout = json!({
        "filters": {"auto": "brand = \"BYD\""},
        "boosts": [{"domain": "auto", "filter": "price < 9", "factor": 1.3}],
        "diversity": 0.1, "exploration": 0.1,
    });
    let body = with_placements(&json!({ "checkout": checkout }));
    world.ok("PUT", "/v1/domains/road", body.clone()).await;
    // Neither who changes something else, nor an attribute that went away, is in its way.
    world.ok("PATCH", "/v1/domains/auto", json!({"attributes": null})).await;
    for (call, body) in [
        (PATCH_ROAD, json!({"name": "Roads"})),
        (PATCH_ROAD, json!({"placements": {"front": {"limit": 3}}})),
        (ROAD, body),
    ] {
        let (status, answer) = world.call_for(&["road"], call, &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let longer = json!({"checkout": {"limit": 5}});
    let (status, code, _) = refusal(&world, &["road"], PATCH_ROAD, longer.clone()).await;
    assert_eq!((status, code.as_str()), (403, "domain_forbidden"));
    let (status, code, _) = refusal(&world, &["road", "auto"], PATCH_ROAD, longer).await;
    assert_eq!((status, code.as_str()), (422, "invalid_filter"));
    // Under another name it is another one.
    let renamed = json!({ "till": checkout });
    assert_eq!(refusal(&world, &["road"], ROAD, renamed).await.0, 403);
    // Taking one away says nothing of anyone's items.
    let (status, _, _) = refusal(&world, &["road"], PATCH_ROAD, json!({"checkout": null})).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn the_answer_tells_which_fields_of_placements_changed_and_which_fell_away() {
    let world = world().await;
    let first = json!({"checkout": {"limit": 3, "max_limit": 9, "diversity": 0.1}});
    world.ok("PUT", "/v1/domains/road", with_placements(&first)).await;
    let patch = json!({"placements": {"checkout": {"limit": 4, "diversity": null}}});
    let answer = world.ok("PATCH", "/v1/domains/road", patch).await;
    assert_eq!(answer["placements"], json!({"checkout": {"limit": 4, "max_limit": 9}}));
    let changed = json!(["placements.checkout.diversity", "placements.checkout.limit"]);
    assert_eq!(answer["changed"], changed);
    assert_eq!(answer["reset"], json!(["placements.checkout.diversity"]));
    let second = json!({"checkout": {"limit": 4, "exploration": 0.25}});
    let answer = world.ok("PUT", "/v1/domains/road", with_placements(&second)).await;
    let changed = json!(["placements.checkout.exploration", "placements.checkout.max_limit"]);
    assert_eq!(answer["changed"], changed);
    assert_eq!(answer["reset"], json!(["placements.checkout.max_limit"]));
    let answer = world.ok("PATCH", "/v1/domains/road", json!({"placements": null})).await;
    assert_eq!(answer["changed"], json!(["placements"]));
    assert!(answer.get("placements").is_none());
    let read = world.ok("GET", "/v1/domains/road", Value::Null).await;
    assert!(read.get("placements").is_none());
}
