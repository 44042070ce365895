//! A platform's user id is any text: the same one in a path and in a body,
//! however it has to be written in either.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use crossfold_e2e::api::ApiRequest;
use crossfold_e2e::cloud::Cloud;
use crossfold_e2e::local::Local;
use crossfold_e2e::scenario::cast::{self, KNOWLEDGE};
use crossfold_e2e::world::World;
use jiff::Timestamp;
use serde_json::json;

/// Ids that a path cannot hold as they are.
const IDS: [&str; 8] =
    ["a b", "50%", "%41", "a#b", "a+b", "üser@example.com", "用户&x=1", "a;b,c:d"];

#[tokio::test(flavor = "multi_thread")]
async fn the_local_server_reads_any_user_id_from_a_path() {
    same_user_in_path_and_body(&Local::start().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_functions_read_any_user_id_from_a_path() {
    same_user_in_path_and_body(&Cloud::start().await.unwrap()).await;
}

async fn same_user_in_path_and_body(world: &dyn World) {
    let call = async |request: ApiRequest| world.call(request).await.unwrap().ok();
    let definition = &cast::definitions()[KNOWLEDGE];
    call(ApiRequest::put(&["v1", "domains", KNOWLEDGE], definition)).await;
    for id in IDS {
        let of_user = |request: ApiRequest| request.with_query("domain", KNOWLEDGE);
        let declared = json!({ "declared": { "note": id } });
        call(of_user(ApiRequest::put(&["v1", "users", id], &declared))).await;
        let read = call(of_user(ApiRequest::get(&["v1", "users", id]))).await;
        assert_eq!(read["declared"], declared["declared"], "{id}");

        let event = cast::event(&format!("of {id}"), id, "view", "course", Timestamp::now());
        let body = json!({ "domain": KNOWLEDGE, "events": [event] });
        assert_eq!(call(ApiRequest::post(&["v1", "events"], &body)).await["accepted"], 1, "{id}");
        let receipt = call(of_user(ApiRequest::delete(&["v1", "users", id]))).await;
        assert_eq!(receipt["deleted"]["events"], 1, "{id} in a path is another user");
    }
}
