//! Audiences by segment.

use crossfold_core::entities::ids::ModelId;
use crossfold_core::model::segments::{Fact, Habit};

use super::*;
use crate::test_models::{publish, segmented_model};

/// Courses of the platform, by category.
const COURSES: [(&str, &str); 6] = [
    ("c0", "cars"),
    ("c1", "cars"),
    ("c2", "cars"),
    ("f0", "food"),
    ("f1", "food"),
    ("f2", "food"),
];

/// Two campaigns, each of one segment.
fn of_segments(car: u32, second: u32) -> Value {
    let mut definition = definition();
    definition["campaigns"]["car"]["audience"] = json!({"segments": [car]});
    definition["campaigns"]["second"]["audience"] = json!({"segments": [second, 999]});
    definition
}

/// Serves a model in which who likes nothing but cars is of one segment, and everybody else of
/// another.
async fn serve(world: &World, likes_cars: (u32, Vec<Fact>), others: u32) -> ModelId {
    let model = segmented_model(&COURSES, [likes_cars, (others, Vec::new())]);
    publish(&*world.stores.objects, model, None).await
}

/// Somebody who did all courses of a category, and lets slates be made by it or not.
async fn did_all(world: &World, (name, category): (&str, &str), permits: bool) {
    world.register(name, true, &[]).await;
    for (course, _) in COURSES.iter().filter(|(_, of)| *of == category) {
        let done = Event {
            event_id: event_id(course),
            user: user(name),
            domain: domain("learn"),
            event_type: "complete".parse().unwrap(),
            item_id: course.parse().unwrap(),
            ..event_at(NOON - 60)
        };
        world.stores.events.append(&done).await.unwrap();
    }
    permit(world, name, permits).await;
}

async fn permit(world: &World, name: &str, granted: bool) {
    let entry = world.stores.people.get(&user(name)).await.unwrap().unwrap();
    let PeopleEntry::Person(mut person) = entry.entry else { panic!("{name}") };
    let recommendation = Purpose::Recommendation;
    person.consents.record(ConsentDecision { purpose: recommendation, ..decision(granted) });
    let (id, expected) = (entry.id, Some(entry.version));
    let write = PeopleWrite { id, entry: PeopleEntry::Person(person), expected };
    world.stores.people.commit(&[write]).await.unwrap();
}

/// Who was handed something by which campaign.
fn told_of(world: &World) -> Vec<(String, String)> {
    let handed = world.handed().into_iter();
    handed.map(|(_, push)| (push.user_id, push.campaign.to_string())).collect()
}

fn of(name: &str, campaign: &str) -> (String, String) {
    (name.to_owned(), campaign.to_owned())
}

#[tokio::test]
async fn who_is_of_a_segment_by_the_served_model_and_what_they_let_be_used_is_told() {
    let world = World::with(of_segments(3, 7), |stores| stores).await;
    did_all(&world, ("mei", "cars"), true).await;
    did_all(&world, ("lee", "food"), true).await;
    did_all(&world, ("kai", "cars"), false).await;
    world.register("new", true, &[]).await;
    permit(&world, "new", true).await;
    let order_all = async |event: &str| {
        for name in ["mei", "lee", "kai", "new"] {
            world.order(name, "car", event, NOON).await;
            world.order(name, "second", event, NOON).await;
        }
    };
    // Nobody is of any without a model, and of one that the model does not have.
    order_all("e1").await;
    assert_eq!(world.look().await, not_told(8));
    serve(&world, (1, Vec::new()), 2).await;
    order_all("e2").await;
    assert_eq!(world.look().await, not_told(8));
    serve(&world, (3, Vec::new()), 7).await;
    order_all("e3").await;
    assert_eq!(world.look().await, CarriedOut { told: 2, ..not_told(6) });
    let mut told = told_of(&world);
    told.sort();
    assert_eq!(told, [of("lee", "second"), of("mei", "car")]);
    world.campaigns.state.activity.write().await;
    let day = crossfold_core::entities::activity::day_of(Timestamp::UNIX_EPOCH);
    let activity = world.stores.activity.since(day).await.unwrap();
    let pushes = &activity.iter().find(|of| of.domain == domain("learn")).unwrap().activity.pushes;
    assert_eq!(pushes.not_told, [("not_in_audience".to_owned(), 22)].into());
}

#[tokio::test]
async fn of_which_segment_somebody_is_is_asked_at_every_try() {
    let world = World::with(of_segments(3, 7), |stores| stores).await;
    did_all(&world, ("mei", "cars"), true).await;
    serve(&world, (3, Vec::new()), 7).await;
    world.receiver.loses.store(1, Ordering::Relaxed);
    world.order("mei", "car", "e1", NOON).await;
    assert_eq!(world.look().await.later, 1);
    serve(&world, (4, Vec::new()), 7).await;
    world.set(NOON + 240);
    assert_eq!(world.look().await, not_told(1));
    // And of what may be used of them then.
    serve(&world, (3, Vec::new()), 7).await;
    world.receiver.loses.store(1, Ordering::Relaxed);
    world.order("mei", "car", "e2", NOON + 240).await;
    assert_eq!(world.look().await.later, 1);
    permit(&world, "mei", false).await;
    world.set(NOON + 480);
    assert_eq!(world.look().await, not_told(1));
    assert!(world.handed().is_empty());
}

#[tokio::test]
async fn a_segment_that_is_told_by_a_protected_ground_has_nobody_in_it() {
    let world = World::with(of_segments(3, 7), |stores| stores).await;
    did_all(&world, ("mei", "cars"), true).await;
    let prefers = |category: &str| {
        let category = category.to_owned();
        vec![Fact::Category { category, share: 0.9, lift: 2.0 }]
    };
    serve(&world, (3, prefers("cars")), 7).await;
    world.order("mei", "car", "e1", NOON).await;
    assert_eq!(world.look().await, told(1));
    // Behind what it is named by as well.
    for (event, ground) in [("e2", "Women's health"), ("e3", "宗教")] {
        let mut facts = prefers("cars");
        facts.extend([Fact::Habit { of: Habit::Days, here: 9.0, overall: 2.0 }]);
        facts.extend(prefers(ground));
        serve(&world, (3, facts), 7).await;
        world.order("mei", "car", event, NOON).await;
        assert_eq!(world.look().await, not_told(1), "{ground}");
    }
}

#[tokio::test]
async fn while_it_cannot_be_read_who_is_of_a_segment_nobody_is_told_and_nothing_is_given_up() {
    for failing in ["objects.get", "events.history"] {
        let is_down = Arc::new(AtomicU64::new(1));
        let down = is_down.clone();
        let plan = FaultPlan::from_fn(move |call| {
            let fails = call.method == failing && down.load(Ordering::Relaxed) > 0;
            if fails { Fault::Before } else { Fault::None }
        });
        let world = World::with(of_segments(3, 7), move |stores| faulty(stores, &plan)).await;
        did_all(&world, ("mei", "cars"), true).await;
        serve(&world, (3, Vec::new()), 7).await;
        world.order("mei", "car", "e1", NOON).await;
        let failed = CarriedOut { failed: 1, ..CarriedOut::default() };
        assert_eq!(world.look().await, failed, "{failing}");
        assert!(world.known("mei").await.is_empty());
        is_down.store(0, Ordering::Relaxed);
        assert_eq!(world.look().await, told(1), "{failing}");
    }
}
