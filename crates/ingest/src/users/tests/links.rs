//! What makes one person of two, and who is told so.

use super::*;

async fn link_for(
    world: &World,
    acts_for: &[&str],
    ((user, domain), (other, of)): ((&str, &str), (&str, &str)),
    merge: Option<bool>,
) -> (u16, Value) {
    let mut body = json!({"domain": of, "user_id": other});
    if let Some(merge) = merge {
        body["merge"] = merge.into();
    }
    let path = format!("/v1/users/{user}/links?domain={domain}");
    world.call_for(acts_for, ("PUT", &path), &body).await
}

#[tokio::test]
async fn two_users_of_one_platform_become_one_person_only_when_that_is_asked_for() {
    let (world, both) = (world().await, ["films", "travel"]);
    for number in ["0", "1"] {
        let [su, cu] = ["su", "cu"].map(|name| format!("{name}{number}"));
        let pair = ((su.as_str(), "films"), (cu.as_str(), "travel"));
        assert_eq!(link_for(&world, &both, pair, None).await.0, 200);
    }
    let before = world.stores.people.scan(None).await.unwrap().entries;
    let crossed = (("su1", "films"), ("cu0", "travel"));
    for merge in [None, Some(false)] {
        let (status, problem) = link_for(&world, &both, crossed, merge).await;
        assert_eq!((status, &problem["code"]), (409, &json!("would_merge")), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("films") && detail.contains("travel"), "{detail}");
    }
    assert_eq!(world.stores.people.scan(None).await.unwrap().entries, before);
    let direct = (("su0", "films"), ("su1", "films"));
    assert_eq!(link_for(&world, &both, direct, None).await.0, 409);
    let again = (("su0", "films"), ("cu0", "travel"));
    assert_eq!(link_for(&world, &both, again, None).await.0, 200, "they are one already");
    let (status, view) = link_for(&world, &both, crossed, Some(true)).await;
    assert_eq!((status, &view["linked_domains"]), (200, &json!(["films", "travel"])), "{view}");
    assert_eq!(link_for(&world, &both, crossed, None).await.0, 200);
}

#[tokio::test]
async fn users_of_platforms_that_the_caller_does_not_act_for_show_in_no_answer_to_a_link() {
    let world = world().await;
    for domain in ["games", "music"] {
        world.define(domain).await;
    }
    for number in ["0", "1"] {
        let [film, trip] = ["f", "t"].map(|name| format!("{name}{number}"));
        let pair = ((film.as_str(), "films"), (trip.as_str(), "travel"));
        assert_eq!(link_for(&world, &["films", "travel"], pair, None).await.0, 200);
    }
    // Both have users of films and travel; who acts for games and travel is told of travel.
    let pair = (("t0", "travel"), ("t1", "travel"));
    let (status, problem) = link_for(&world, &["travel", "games"], pair, None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("would_merge")));
    assert!(!problem.to_string().contains("films"), "{problem}");
    // Two users of films make one person here, which who acts for neither is not told.
    for (film, (other, domain)) in [("f8", ("g", "games")), ("f9", ("m", "music"))] {
        let pair = ((film, "films"), (other, domain));
        assert_eq!(link_for(&world, &["films", domain], pair, None).await.0, 200);
    }
    let pair = (("g", "games"), ("m", "music"));
    let (status, view) = link_for(&world, &["games", "music"], pair, None).await;
    assert_eq!((status, &view["linked_domains"]), (200, &json!(["music"])), "{view}");
}

#[tokio::test]
async fn a_domain_of_several_linked_users_is_named_once() {
    let world = world().await;
    for trip in ["t0", "t1"] {
        let pair = (("f", "films"), (trip, "travel"));
        let merge = (trip == "t1").then_some(true);
        let (status, view) = link_for(&world, &["films", "travel"], pair, merge).await;
        assert_eq!((status, &view["linked_domains"]), (200, &json!(["travel"])), "{view}");
    }
}
