//! The examples do what they say.

#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

#[path = "../../../examples/call_the_api.rs"]
#[allow(unreachable_pub, dead_code)]
mod call_the_api;
#[path = "../../../examples/read_a_model.rs"]
#[allow(unreachable_pub, dead_code)]
mod read_a_model;
#[path = "../../../examples/train_and_recommend.rs"]
#[allow(unreachable_pub, dead_code)]
mod train_and_recommend;

use crossfold_testing::model::{artefact, model_parts};

#[test]
fn a_gardener_is_recommended_gardening_and_the_score_comes_apart() {
    let recommended = train_and_recommend::recommend(3).unwrap();
    assert_eq!(recommended.len(), 3);
    for course in recommended {
        assert!(course.course.as_str().starts_with("garden-"), "{}", course.course);
        let sum: f32 = course.because.iter().map(|(_, share)| share).sum();
        assert!((sum - course.score).abs() < 1e-5, "{sum} {}", course.score);
    }
}

#[test]
fn a_stored_model_is_read_by_anyone() {
    let bucket = tempfile::tempdir().unwrap();
    let stored = artefact(&model_parts());
    let manifest: serde_json::Value = serde_json::from_slice(&stored.manifest).unwrap();
    let pointer = serde_json::json!({"model": stored.id}).to_string();
    let objects = [
        ("current.json".to_owned(), pointer.into_bytes()),
        (format!("{}/manifest.json", stored.id), stored.manifest.to_vec()),
        (
            format!("{}/model.safetensors", manifest["blob"]["sha256"].as_str().unwrap()),
            stored.blob.to_vec(),
        ),
    ];
    for (key, bytes) in objects {
        let path = bucket.path().join("models").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let lines = read_a_model::describe(bucket.path()).unwrap();
    for line in [
        "\"knowledge\": 3 items",
        "item_factors F32 [5, 3]",
        "item_popularity F32 [5]",
        "k1: 100% of the people of its domain",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line}: {lines:#?}");
    }
}

#[tokio::test]
async fn a_world_in_this_process_answers_with_a_personal_slate() {
    let slate = call_the_api::slate_of_a_new_world().await.unwrap();
    assert_eq!(
        (&slate["personalised"], &slate["degraded"]),
        (&true.into(), &serde_json::json!([]))
    );
    let items = slate["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    // The first person takes even courses.
    assert!(matches!(items[0]["item_id"].as_str(), Some("c8" | "c10")), "{slate:#}");
    assert!(items.iter().all(|item| item["reason"]["text"].is_string()));
}
