//! Items that are posted after training, served by their text through the routes, without a new
//! model.

use crossfold_core::model::Artefact;
use crossfold_text::lexical::{Lexical, LexicalOptions, fit};

use super::replays::{assert_same, assert_told, replayed};
use super::*;
use crate::test_models::described_model;

/// Item, title and taste. The person viewed `i`.
const KNOWN: [(&str, &str, usize); 8] = [
    ("i", "first car loan", 0),
    ("car2", "used car loan", 0),
    ("car3", "electric car loan", 0),
    ("car4", "car loan with a low rate", 0),
    ("piano1", "piano lessons for beginners", 1),
    ("piano2", "piano lessons in practice", 1),
    ("piano3", "advanced piano lessons", 1),
    ("piano4", "jazz piano lessons", 1),
];

pub(super) fn titled(id: &str, title: &str) -> Item {
    let details = serde_json::from_value(json!({ "title": title })).unwrap();
    Item { details: Some(details), ..item(&domain("knowledge"), id) }
}

/// The model, and whether it holds its own encoder.
pub(super) fn model(holds_encoder: bool) -> Artefact {
    let texts = KNOWN.map(|(_, title, _)| title);
    let artefact = fit(&texts, &LexicalOptions::default().check().unwrap()).unwrap();
    let encoder = Lexical::from_artefact(&artefact).unwrap();
    described_model(&KNOWN, (&encoder, holds_encoder.then(|| artefact.into())))
}

pub(super) async fn world_with(model: Artefact) -> Stores {
    let stores = world().await;
    for (id, title, _) in KNOWN {
        stores.catalogue.put(&titled(id, title)).await.unwrap();
    }
    let mut hidden = item(&domain("knowledge"), "new");
    hidden.details = None;
    stores.catalogue.put(&hidden).await.unwrap();
    publish(&*stores.objects, model, None).await;
    stores
}

pub(super) async fn post_new_items(stores: &Stores) {
    stores.catalogue.put(&titled("fresh-piano", "new piano lessons")).await.unwrap();
    stores.catalogue.put(&titled("fresh-car", "new electric car loan")).await.unwrap();
}

fn place(answer: &Value, id: &str) -> usize {
    let items = answer["items"].as_array().unwrap();
    items.iter().position(|item| item["item_id"] == id).unwrap()
}

fn asked() -> Value {
    json!({ "limit": 20, "explain": true })
}

#[tokio::test]
async fn an_item_that_is_posted_after_training_is_served_by_its_text_without_a_new_model() {
    let stores = world_with(model(true)).await;
    let service = service(&stores);
    let before = answer(&service, asked()).await;
    post_new_items(&stores).await;
    let after = answer(&service, asked()).await;
    assert_eq!(after["model"], before["model"]);
    assert_eq!(after["degraded"], json!([]));
    for piano in ["piano1", "piano2", "piano3", "piano4", "fresh-piano"] {
        assert!(place(&after, "fresh-car") < place(&after, piano), "{after}");
    }
    let reason = &after["items"][place(&after, "fresh-car")]["reason"];
    assert_eq!(reason["code"], "description");
    let text = reason["text"].as_str().unwrap();
    assert!(text.contains("by its description, like") && text.contains("car loan"), "{text}");
    assert_eq!(reason["evidence"][0]["item_id"], "i");
    // Both slates are made again, with the new items there and without.
    for slate in [&before, &after] {
        assert_same(&replayed(&service, &slate["recommendation_id"]).await);
    }
    // What is changed of a new item since is told.
    stores.catalogue.put(&titled("fresh-car", "violin lessons")).await.unwrap();
    let id = &after["recommendation_id"];
    let again = replayed(&service, id).await;
    assert_eq!(again["findings"][0]["code"], "catalogue_changed", "{again}");
}

#[tokio::test]
async fn of_more_new_items_than_are_described_a_replay_describes_the_same() {
    let stores = world_with(model(true)).await;
    // What the person would like best is older than the newest that are described.
    stores.catalogue.put(&titled("older", "first car loan, electric car loan")).await.unwrap();
    for number in 0..crossfold_core::serving::snapshot::MOST_DESCRIBED {
        let id = format!("newer{number:03}");
        stores.catalogue.put(&titled(&id, "advanced piano lessons")).await.unwrap();
    }
    let service = service(&stores);
    let slate = answer(&service, asked()).await;
    let items = slate["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["item_id"] != "older"), "{slate}");
    assert_same(&replayed(&service, &slate["recommendation_id"]).await);
    // One that is on no slate changes: the older one is not described in its place.
    let shown: Vec<&str> = items.iter().filter_map(|item| item["item_id"].as_str()).collect();
    let others = (0..500).map(|number| format!("newer{number:03}"));
    let changed = others.into_iter().find(|id| !shown.contains(&id.as_str())).unwrap();
    stores.catalogue.put(&titled(&changed, "violin lessons")).await.unwrap();
    assert_same(&replayed(&service, &slate["recommendation_id"]).await);
}

#[tokio::test]
async fn without_its_encoder_new_items_come_last_and_the_answer_says_so() {
    let stores = world_with(model(false)).await;
    post_new_items(&stores).await;
    let answer = answer(&service(&stores), asked()).await;
    assert_eq!(answer["degraded"], json!(["no_encoder"]));
    let items = answer["items"].as_array().unwrap();
    let last: Vec<&Value> = items[items.len() - 2..].iter().collect();
    assert!(last.iter().all(|item| item["reason"]["code"] == "new"), "{last:?}");
}

#[tokio::test]
async fn a_slate_whose_encoder_is_gone_is_said_to_be_so() {
    let stores = world_with(model(false)).await;
    let texts = KNOWN.map(|(_, title, _)| title);
    let artefact = fit(&texts, &LexicalOptions::default().check().unwrap()).unwrap();
    let objects = &*stores.objects;
    let installed = crossfold_registry::encoders::install(objects, artefact.into(), noon()).await;
    let name = installed.unwrap().pointer().identity.sha256.clone();
    post_new_items(&stores).await;
    let slate = answer(&service(&stores), asked()).await;
    assert_eq!(slate["degraded"], json!([]));
    assert_eq!(slate["items"][place(&slate, "fresh-car")]["reason"]["code"], "description");
    let id = &slate["recommendation_id"];
    assert_same(&replayed(&service(&stores), id).await);
    objects.delete(&crossfold_core::archive::keys::encoder_key(&name)).await.unwrap();
    // Another process, which has not read it.
    assert_told(&replayed(&service(&stores), id).await, json!([{ "code": "encoder_gone" }]));
}
