use crossfold_storage::faults::{Fault, FaultPlan};
use serde_json::{Value, json};

use super::*;
use crate::test_world::World;

const ITEM: &str = "/v1/domains/films/items/i";

async fn world() -> World {
    let world = World::new(&FaultPlan::from_fn(|_| Fault::None));
    world.define("films").await;
    world
}

async fn changes_after(world: &World, since: ChangeNumber) -> Vec<Item> {
    let films = "films".parse().unwrap();
    let changes = world.stores.catalogue.changes(&films, since).await.unwrap();
    changes.into_iter().filter(|item| item.change > since).collect()
}

#[tokio::test]
async fn what_is_hidden_or_deleted_while_the_clock_is_set_back_is_so_for_every_reader() {
    let world = world().await;
    world.ok("PUT", ITEM, json!({"title": "t"})).await;
    let shown = changes_after(&world, ChangeNumber::default()).await[0].change;
    world.pass(-86_400);
    world.ok("PUT", ITEM, json!({"title": "t", "status": "hidden"})).await;
    assert_eq!(world.ok("GET", ITEM, Value::Null).await["status"], "hidden");
    let changes = changes_after(&world, shown).await;
    assert!(!changes[0].is_available(Timestamp::MAX), "{changes:?}");
    let hidden = changes[0].change;
    world.ok("DELETE", ITEM, Value::Null).await;
    assert_eq!(world.call("GET", ITEM, &Value::Null).await.0, 404);
    assert_eq!(changes_after(&world, hidden).await.len(), 1);
}

#[tokio::test]
async fn an_item_twice_in_a_batch_is_what_it_says_last_or_first_where_it_stays() {
    let world = world().await;
    for (keeps, stands) in [(false, "hidden"), (true, "active")] {
        let status = |status: &str| json!({"item_id": "i", "title": "t", "status": status});
        let items = json!({
            "items": [status("active"), status("out_of_stock"), status("hidden")],
            "keep_existing": keeps,
        });
        let answer = world.ok("POST", "/v1/domains/films/items", items).await;
        let counts = [&answer["upserted"], &answer["kept"]].map(|count| count.as_u64().unwrap());
        assert_eq!(counts, if keeps { [1, 2] } else { [3, 0] });
        assert_eq!(world.ok("GET", ITEM, Value::Null).await["status"], stands);
        world.ok("DELETE", "/v1/domains/films?confirm=films", Value::Null).await;
        world.pass(3_600);
        let deleted = world.ok("DELETE", "/v1/domains/films?confirm=films", Value::Null).await;
        assert_eq!(deleted["done"], true);
        world.define("films").await;
    }
}
