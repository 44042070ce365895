//! The steps of the scenario, in order.

mod meaning;

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::ensure;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cast::{
    AUTO_FINANCE, CONSENTING, History, KNOWLEDGE, LINKED, TASTES, UNAVAILABLE, catalogue, consent,
    definitions, event, every_consent, item, items, title, user,
};
use super::{Outcome, Slate};
use crate::api::ApiRequest;
use crate::token::Token;
use crate::world::{World, archived_events, train, wait_until_archived};

/// Knows only courses and agreed to everything.
pub(super) const MEI: &str = "mei";
/// As Mei, until she withdraws.
const JUN: &str = "jun";
/// As Mei, until he is erased.
const DAN: &str = "dan";
/// Knows only courses, is linked, and decided nothing.
const KIM: &str = "kim";

/// Courses that each of these took.
const COURSES: usize = 5;
/// Events after the first training run: one that was posted, a dislike, and two clicks.
const AFTER_TRAINING: usize = 4;
/// Items on a slate, unless all are asked for.
const LIMIT: usize = 6;

pub(super) struct Stage<'a> {
    pub(super) world: &'a dyn World,
    history: History,
    pub(super) outcome: Outcome,
}

/// A slate with the answer it came in.
struct Served {
    answer: Value,
    slate: Slate,
}

impl Served {
    fn ids(&self) -> Vec<&str> {
        self.slate.iter().map(|(id, _)| id.as_str()).collect()
    }

    fn is_personalised(&self) -> bool {
        self.answer["personalised"] == true
    }

    fn id(&self) -> &Value {
        &self.answer["recommendation_id"]
    }
}

/// More factors than the two tastes need: with two, a fit may end in a worse place than the one
/// before it, by the order that pseudonyms have, and be refused.
fn fit_options() -> Value {
    json!({ "factors": 8, "iterations": 20, "regularisation": 0.05 })
}

/// What loans to a learner, shown by the learning platform.
pub(super) fn ask_learner(person: &str) -> Value {
    json!({
        "user_id": user(KNOWLEDGE, person), "domain": KNOWLEDGE,
        "target_domains": [AUTO_FINANCE], "placement": "course-completion", "limit": LIMIT,
    })
}

/// What loans to a driver, shown by the seller of loans.
pub(super) fn ask_driver(person: &str) -> Value {
    json!({ "user_id": user(AUTO_FINANCE, person), "domain": AUTO_FINANCE, "limit": LIMIT })
}

/// Every loan, ranked.
pub(super) fn ask_driver_for_all(person: &str) -> Value {
    let mut body = ask_driver(person);
    body["limit"] = 100.into();
    body
}

pub(super) fn recommendation(body: &Value) -> ApiRequest {
    ApiRequest::post(&["v1", "recommendations"], body)
}

pub(super) fn of_user(request: ApiRequest, domain: &str) -> ApiRequest {
    request.with_query("domain", domain)
}

impl<'a> Stage<'a> {
    pub(super) fn new(world: &'a dyn World) -> Self {
        let history = History::new(Timestamp::now());
        Self { world, history, outcome: Outcome::default() }
    }

    pub(super) async fn call(&self, request: ApiRequest) -> anyhow::Result<Value> {
        Ok(self.world.call(request).await?.ok())
    }

    async fn serve(&self, body: &Value) -> anyhow::Result<Served> {
        self.serve_request(recommendation(body)).await
    }

    async fn serve_request(&self, request: ApiRequest) -> anyhow::Result<Served> {
        let answer = self.call(request).await?;
        let entries = answer["items"].as_array().cloned().unwrap_or_default();
        let mut slate = Slate::new();
        for (at, entry) in entries.iter().enumerate() {
            assert_eq!(entry["rank"], at + 1);
            assert_eq!(entry["domain"], AUTO_FINANCE);
            let propensity = entry["propensity"].as_f64().unwrap_or_default();
            assert!(propensity > 0.0 && propensity <= 1.0, "{entry}");
            let id = entry["item_id"].as_str().unwrap_or_default().to_owned();
            slate.push((id, entry["score"].as_f64().unwrap_or(f64::NAN)));
        }
        Ok(Served { answer, slate })
    }

    /// Remembers a slate under the step's name.
    fn keep(&mut self, step: &'static str, served: &Served) {
        self.outcome.slates.insert(step, served.slate.clone());
    }

    pub(super) async fn set_up(&self) -> anyhow::Result<()> {
        for (domain, definition) in definitions() {
            self.call(ApiRequest::put(&["v1", "domains", domain], &definition)).await?;
            let read = self.call(ApiRequest::get(&["v1", "domains", domain])).await?;
            assert_eq!(read["name"], definition["name"]);
            let (path, items) = (["v1", "domains", domain, "items"], catalogue(domain));
            let answer = self.call(ApiRequest::post(&path, &json!({ "items": items }))).await?;
            assert_eq!(answer, json!({ "upserted": items.len(), "kept": 0, "rejected": [] }));
            let named: Vec<Value> = items
                .iter()
                .map(|item| json!({"item_id": item["item_id"], "title": "?"}))
                .collect();
            let body = json!({ "items": named, "keep_existing": true });
            let answer = self.call(ApiRequest::post(&path, &body)).await?;
            assert_eq!(answer, json!({ "upserted": 0, "kept": items.len(), "rejected": [] }));
        }
        let loan = item(AUTO_FINANCE, TASTES[0], 1);
        let path = ["v1", "domains", AUTO_FINANCE, "items", &loan];
        let read = self.call(ApiRequest::get(&path)).await?;
        assert_eq!((&read["title"], &read["price"]), (&title(&loan).into(), &"199.00".into()));
        let changed = json!({ "title": title(&loan), "price": "189.90" });
        self.call(ApiRequest::put(&path, &changed)).await?;
        assert_eq!(self.call(ApiRequest::get(&path)).await?["price"], "189.90");
        Ok(())
    }

    pub(super) async fn serve_without_a_model(&self) -> anyhow::Result<()> {
        let served = self.serve(&ask_driver("newcomer")).await?;
        assert_eq!(served.answer["degraded"], json!(["no_model"]));
        assert_eq!(served.answer["model"], Value::Null);
        assert!(!served.is_personalised());
        assert_eq!(served.slate.len(), LIMIT);
        // The recommending function knows the catalogue now, and is made to forget.
        self.world.forget_what_is_cached().await
    }

    pub(super) async fn record_what_people_did(&mut self) -> anyhow::Result<()> {
        for person in 0..LINKED {
            let consents = if person < CONSENTING { every_consent() } else { Vec::new() };
            self.link(&person.to_string(), &consents).await?;
        }
        for (person, consents) in
            [(MEI, every_consent()), (JUN, every_consent()), (DAN, every_consent()), (KIM, vec![])]
        {
            self.link(person, &consents).await?;
            for number in 1..=COURSES {
                let (course, ago) = (item(KNOWLEDGE, TASTES[0], number), number as i64);
                let at = Timestamp::now() - SignedDuration::from_hours(24 * ago);
                self.history.add(KNOWLEDGE, person, "enrol", &course, at);
            }
        }
        for (domain, events) in &self.history.events {
            for batch in events.chunks(500) {
                let body = json!({ "domain": domain, "events": batch });
                let answer = self.call(ApiRequest::post(&["v1", "events"], &body)).await?;
                let all = json!({ "accepted": batch.len(), "duplicates": 0, "rejected": [] });
                assert_eq!(answer, all);
                // The caller lost the answer and sends the batch again.
                let again = self.call(ApiRequest::post(&["v1", "events"], &body)).await?;
                assert_eq!(again["duplicates"], batch.len());
            }
        }
        Ok(())
    }

    async fn link(&self, person: &str, consents: &[Value]) -> anyhow::Result<()> {
        let (learner, driver) = (user(KNOWLEDGE, person), user(AUTO_FINANCE, person));
        let declared = json!({ "declared": { "city": "Chengdu" } });
        let path = ["v1", "users", &learner];
        self.call(of_user(ApiRequest::put(&path, &declared), KNOWLEDGE)).await?;
        let link = json!({ "domain": AUTO_FINANCE, "user_id": driver });
        let path = ["v1", "users", &learner, "links"];
        let linked = self.call(of_user(ApiRequest::put(&path, &link), KNOWLEDGE)).await?;
        assert_eq!(linked["linked_domains"], json!([AUTO_FINANCE]));
        assert_eq!(linked["declared"], declared["declared"]);
        if !consents.is_empty() {
            let path = ["v1", "users", &learner, "consents"];
            let body = json!({ "consents": consents });
            let view = self.call(of_user(ApiRequest::put(&path, &body), KNOWLEDGE)).await?;
            assert_eq!(view["consents"].as_array().map(Vec::len), Some(consents.len()));
        }
        Ok(())
    }

    pub(super) async fn train(&self) -> anyhow::Result<()> {
        let archived = wait_until_archived(self.world, self.history.len()).await?;
        assert_eq!(archived.len(), self.history.len());
        let run = train(self.world, &fit_options()).await?;
        assert_eq!(run["status"], "succeeded", "{run}");
        let report = &run["report"];
        assert_eq!(report["cleaning"]["read"], self.history.len());
        assert_eq!(report["cleaning"]["kept"], self.history.len());
        // Who decided nothing counts as one row on each platform.
        let (both, one) = (LINKED - CONSENTING, self.history.items.len() - 2 * LINKED);
        assert_eq!(report["rows"], CONSENTING + 2 * both + one);
        Ok(())
    }

    /// Someone who only ever took courses is offered the loans of their taste.
    pub(super) async fn serve_across_domains(&mut self) -> anyhow::Result<()> {
        let to_learner = self.serve(&ask_learner(MEI)).await?;
        let to_driver = self.serve(&ask_driver(MEI)).await?;
        let liked: BTreeSet<String> = items(AUTO_FINANCE, TASTES[0]).into_iter().collect();
        for served in [&to_learner, &to_driver] {
            assert_eq!(served.answer["degraded"], json!([]));
            assert!(served.is_personalised());
            assert_eq!(served.slate.len(), LIMIT);
            assert!(served.ids().iter().all(|id| liked.contains(*id)), "{:?}", served.slate);
        }
        for entry in to_learner.answer["items"].as_array().into_iter().flatten() {
            let first = check_evidence(entry, &self.history.items[&user(KNOWLEDGE, MEI)]);
            assert_eq!(entry["reason"]["text"], format!("Because of “{}”", title(&first)));
        }
        self.keep("to a learner", &to_learner);
        self.keep("to a driver", &to_driver);
        Ok(())
    }

    /// Without evidence that may be used, everyone is served what is popular.
    pub(super) async fn serve_without_evidence(&mut self) -> anyhow::Result<()> {
        let newcomer = self.serve(&ask_driver("newcomer")).await?;
        let popular = self.history.most_popular_loans();
        assert_eq!(newcomer.ids(), popular[..LIMIT].iter().map(String::as_str).collect::<Vec<_>>());
        for entry in newcomer.answer["items"].as_array().into_iter().flatten() {
            assert_eq!(entry["reason"]["code"], "popular");
            assert_eq!(entry["reason"]["text"], "Popular on Auto Credit");
        }
        let undecided = self.serve(&ask_driver(KIM)).await?;
        let signal = recommendation(&ask_learner(MEI)).with_header("Sec-GPC", "1");
        let signalled = self.serve_request(signal).await?;
        let mut plain = ask_learner(MEI);
        plain["personalised"] = false.into();
        let declined = self.serve(&plain).await?;
        for served in [&newcomer, &undecided, &signalled, &declined] {
            assert!(!served.is_personalised(), "{}", served.answer);
            assert_eq!(served.ids(), newcomer.ids());
        }
        self.keep("to a newcomer", &newcomer);
        Ok(())
    }

    pub(super) async fn keep_out_what_is_not_eligible(&mut self) -> anyhow::Result<()> {
        for person in ["0", "1", "newcomer", MEI] {
            let all = self.serve(&ask_driver_for_all(person)).await?;
            let seen = self.history.items.get(&user(AUTO_FINANCE, person));
            let seen = seen.cloned().unwrap_or_default();
            let unavailable = UNAVAILABLE.map(str::to_owned);
            let out = |id: &&str| seen.contains(*id) || unavailable.iter().any(|out| out == id);
            assert_eq!(all.ids().iter().filter(|id| out(id)).count(), 0, "{person}");
            let eligible =
                items(AUTO_FINANCE, TASTES[0]).into_iter().chain(items(AUTO_FINANCE, TASTES[1]));
            assert_eq!(all.slate.len(), eligible.filter(|id| !seen.contains(id)).count());
            if person == "0" {
                self.keep("everything for a driver", &all);
            }
        }
        let before = self.serve(&ask_learner(MEI)).await?;
        let mut body = ask_learner(MEI);
        body["exclude"] = json!([{ "domain": AUTO_FINANCE, "item_id": before.ids()[0] }]);
        let after = self.serve(&body).await?;
        assert_eq!(after.ids()[..LIMIT - 1], before.ids()[1..]);
        Ok(())
    }

    /// What a person did a moment ago changes the next answer, by the same model.
    pub(super) async fn learn_from_an_event_at_once(&mut self) -> anyhow::Result<()> {
        let before = self.serve(&ask_driver_for_all(MEI)).await?;
        let (driver, loan) = (user(AUTO_FINANCE, MEI), item(AUTO_FINANCE, TASTES[1], 1));
        let event = event("just-now", &driver, "apply", &loan, Timestamp::now());
        let body = json!({ "domain": AUTO_FINANCE, "events": [event] });
        let answer = self.call(ApiRequest::post(&["v1", "events"], &body)).await?;
        assert_eq!(answer["accepted"], 1);
        let after = self.serve(&ask_driver_for_all(MEI)).await?;
        assert_eq!(after.answer["model"], before.answer["model"]);
        assert!(!after.ids().contains(&loan.as_str()), "what was just applied for is seen");
        let of_the_taste = |served: &Served| -> f64 {
            let taste =
                served.slate.iter().filter(|(id, _)| id.starts_with(TASTES[1]) && *id != loan);
            taste.map(|(_, score)| score).sum()
        };
        assert!(of_the_taste(&after) > of_the_taste(&before) + 0.1);
        self.keep("after an event", &after);
        Ok(())
    }

    pub(super) async fn take_feedback(&mut self) -> anyhow::Result<()> {
        let served = self.serve(&ask_driver("3")).await?;
        let ids = served.ids();
        let feedback = |number: usize, kind: &str, item: &str| {
            json!({
                "feedback_id": format!("feedback-{number}"), "kind": kind, "domain": AUTO_FINANCE,
                "item_id": item, "occurred_at": Timestamp::now().to_string(),
            })
        };
        let body = json!({
            "recommendation_id": served.id(), "user_id": user(AUTO_FINANCE, "3"),
            "domain": AUTO_FINANCE,
            "feedback": [
                feedback(1, "click", ids[0]), feedback(2, "dismiss", ids[1]),
                feedback(3, "convert", UNAVAILABLE[0]),
            ],
        });
        let post = |body: &Value| ApiRequest::post(&["v1", "feedback"], body);
        let answer = self.call(post(&body)).await?;
        assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(2), &json!(0)));
        assert_eq!(answer["rejected"][0]["index"], 2);
        assert_eq!(answer["rejected"][0]["code"], "item_not_served");
        let again = self.call(post(&body)).await?;
        assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(2)));

        let mut of_another = body.clone();
        of_another["user_id"] = user(AUTO_FINANCE, "5").into();
        let refused = self.world.call(post(&of_another)).await?;
        refused.assert_problem(404, "unknown_recommendation");

        let after = self.serve(&ask_driver_for_all("3")).await?;
        assert!(after.ids().contains(&ids[0]), "a click is no purchase");
        assert!(!after.ids().contains(&ids[1]), "a dismissed item does not come back");
        self.keep("after feedback", &after);
        Ok(())
    }

    pub(super) async fn respect_a_withdrawal(&mut self) -> anyhow::Result<()> {
        let before = self.serve(&ask_driver(JUN)).await?;
        assert!(before.is_personalised());
        let withdrawn = consent(KNOWLEDGE, AUTO_FINANCE, "recommendation", false);
        let learner = user(KNOWLEDGE, JUN);
        let path = ["v1", "users", &learner, "consents"];
        let body = json!({ "consents": [withdrawn] });
        self.call(of_user(ApiRequest::put(&path, &body), KNOWLEDGE)).await?;
        for body in [ask_driver(JUN), ask_learner(JUN)] {
            let after = self.serve(&body).await?;
            assert!(!after.is_personalised(), "a withdrawal holds from the next request");
            let popular: Vec<_> =
                self.outcome.slates["to a newcomer"].iter().map(|(id, _)| id).collect();
            assert_eq!(after.ids(), popular);
        }
        Ok(())
    }

    /// Only where callers have tokens.
    pub(super) async fn tell_callers_apart(&self) -> anyhow::Result<()> {
        if !self.world.checks_tokens() {
            return Ok(());
        }
        let request = || recommendation(&ask_driver(MEI));
        let all = || Token::covering(&[AUTO_FINANCE]);
        let answer = self.world.call(request().with_token(None)).await?;
        assert_eq!(answer.status, 401);
        let lacking = request().with_token(all().without_scope("recommendations:read"));
        self.world.call(lacking).await?.assert_problem(403, "scope_missing");
        let elsewhere = request().with_token(Token::covering(&[KNOWLEDGE]));
        self.world.call(elsewhere).await?.assert_problem(403, "domain_forbidden");

        // A seller of loans learns that courses count, not which ones.
        let served = self.serve_request(request().with_token(all())).await?;
        let entries = served.answer["items"].as_array();
        let evidence = entries
            .into_iter()
            .flatten()
            .flat_map(|entry| entry["reason"]["evidence"].as_array().cloned().unwrap_or_default());
        let foreign: Vec<Value> = evidence.filter(|past| past["domain"] == KNOWLEDGE).collect();
        ensure!(!foreign.is_empty(), "no evidence of the other domain: {}", served.answer);
        assert!(foreign.iter().all(|past| past.get("item_id").is_none()), "{foreign:?}");
        assert!(!served.answer.to_string().contains("course"), "{}", served.answer);

        // Nor whom the user is elsewhere, nor what was decided there.
        let driver = user(AUTO_FINANCE, MEI);
        let read = of_user(ApiRequest::get(&["v1", "users", &driver]), AUTO_FINANCE);
        let view = self.call(read.with_token(all())).await?;
        assert_eq!(view["linked_domains"], json!([]));
        let decisions = view["consents"].as_array().cloned().unwrap_or_default();
        assert!(decisions.iter().all(|decision| decision["from"] == AUTO_FINANCE), "{view}");

        // And may not decide for the platform where evidence arose.
        let path = ["v1", "users", &driver, "consents"];
        let granted = json!({ "consents": [consent(KNOWLEDGE, AUTO_FINANCE, "training", true)] });
        let request = of_user(ApiRequest::put(&path, &granted), AUTO_FINANCE).with_token(all());
        self.world.call(request).await?.assert_problem(403, "domain_forbidden");
        Ok(())
    }

    pub(super) async fn erase_a_user(&mut self) -> anyhow::Result<()> {
        let before = self.serve(&ask_driver(DAN)).await?;
        assert!(before.is_personalised());
        wait_until_archived(self.world, self.history.len() + AFTER_TRAINING).await?;
        let learner = user(KNOWLEDGE, DAN);
        let path = ["v1", "users", &learner];
        let receipt = self.call(of_user(ApiRequest::delete(&path), KNOWLEDGE)).await?;
        assert_eq!(receipt["deleted"]["events"], COURSES);
        let pseudonym = receipt["pseudonym"].as_str().unwrap_or_default().to_owned();
        let rows = async || -> anyhow::Result<usize> {
            let events = archived_events(self.world).await?;
            Ok(events.iter().filter(|event| event.user.as_str() == pseudonym).count())
        };
        assert_eq!(rows().await?, COURSES, "the archive still has them");

        for body in [ask_driver(DAN), ask_learner(DAN)] {
            assert!(!self.serve(&body).await?.is_personalised());
        }
        let read = of_user(ApiRequest::get(&path), KNOWLEDGE);
        self.world.call(read).await?.assert_problem(404, "unknown_user");
        let again = self.call(of_user(ApiRequest::delete(&path), KNOWLEDGE)).await?;
        assert_eq!(again, receipt, "sent again, it is the same erasure");
        // Who posts the past again says so, and nothing of it comes back.
        let past = json!({
            "domain": KNOWLEDGE, "refuse_erased": [learner],
            "events": [event("again", &learner, "view", &item(KNOWLEDGE, TASTES[0], 1), Timestamp::now())],
        });
        let answer = self.call(ApiRequest::post(&["v1", "events"], &past)).await?;
        assert_eq!(answer["accepted"], 0, "{answer}");
        assert_eq!(answer["rejected"][0]["code"], "erased_user");

        let run = train(self.world, &fit_options()).await?;
        assert_eq!(run["status"], "succeeded", "{run}");
        assert_eq!(rows().await?, 0, "the archive forgets at the next run");
        let kept = archived_events(self.world).await?.len();
        let others = self.history.len() + AFTER_TRAINING - COURSES;
        assert_eq!(kept, others, "nobody else's events went");
        let erasure = of_user(ApiRequest::get(&["v1", "erasures", &pseudonym]), KNOWLEDGE);
        let receipt = self.call(erasure).await?;
        assert_eq!(receipt["left"], json!([]), "{receipt}");
        assert_eq!(receipt["deleted"]["archived_events"], COURSES);
        assert!(receipt["signature"].is_string(), "{receipt}");
        let foreign = of_user(ApiRequest::get(&["v1", "erasures", &pseudonym]), AUTO_FINANCE);
        self.world
            .call(foreign.with_token(Token::covering(&[AUTO_FINANCE])))
            .await?
            .assert_problem(404, "unknown_erasure");

        // The new model serves the others as well as the old one did.
        let served = self.serve(&ask_learner(MEI)).await?;
        assert_eq!(served.answer["model"], run["model"]);
        assert!(served.is_personalised());
        self.keep("by the next model", &served);
        Ok(())
    }

    /// What knows someone who was erased serves no more.
    async fn refuse_the_model_of_before_the_erasure(&self) -> anyhow::Result<()> {
        let listed = self.call(ApiRequest::get(&["v1", "models"])).await?;
        let older = listed["models"][1]["id"].as_str().unwrap_or_default();
        let promote = ApiRequest::post(&["v1", "models", older, "promote"], &json!({}));
        self.world.call(promote).await?.assert_problem(409, "model_knows_erased_people");
        let run = train(self.world, &fit_options()).await?;
        assert_eq!(run["status"], "succeeded", "{run}");
        Ok(())
    }

    /// Models are listed, and the one before serves again with one call.
    pub(super) async fn go_back_to_the_model_before(&mut self) -> anyhow::Result<()> {
        self.refuse_the_model_of_before_the_erasure().await?;
        let listed = self.call(ApiRequest::get(&["v1", "models"])).await?;
        let models = listed["models"].as_array().cloned().unwrap_or_default();
        let states: Vec<&Value> = models.iter().map(|model| &model["state"]).collect();
        assert_eq!(states, ["champion", "previous", "candidate"], "{listed}");
        for model in &models {
            assert_eq!(model["verdict"]["passed"], true, "{model}");
            assert_eq!(model["domains"].as_array().map(Vec::len), Some(2));
        }
        let id = |at: usize| models[at]["id"].as_str().unwrap_or_default().to_owned();
        let (champion, previous) = (id(0), id(1));
        assert_eq!(models[0]["verdict"]["champion"], *previous);
        let pages = ApiRequest::get(&["v1", "models"]).with_query("limit", "1");
        let first = self.call(pages.clone()).await?;
        assert_eq!(
            (&first["models"][0]["id"], &first["next"]),
            (&models[0]["id"], &models[0]["id"])
        );
        let second = self.call(pages.with_query("after", &champion)).await?;
        assert_eq!(
            (&second["models"][0]["id"], &second["next"]),
            (&models[1]["id"], &models[1]["id"])
        );

        let promote = |id: &str, expected: Option<&str>| {
            let body = json!({ "expected_champion": expected });
            ApiRequest::post(&["v1", "models", id, "promote"], &body)
        };
        self.refuse_promotions(&promote, &previous).await?;
        let started = Instant::now();
        let rolled_back = self.call(promote(&previous, Some(&champion))).await?;
        eprintln!("rolled back in {:?}", started.elapsed());
        assert_eq!(
            (&rolled_back["id"], &rolled_back["state"]),
            (&models[1]["id"], &"champion".into())
        );
        self.world.forget_what_is_cached().await?;
        let served = self.serve(&ask_learner(MEI)).await?;
        assert_eq!(served.answer["model"], *previous);
        assert_eq!(served.answer["degraded"], json!([]));
        self.keep("by the model before", &served);

        let shown = self.call(ApiRequest::get(&["v1", "models", &previous])).await?;
        assert_eq!(shown["manifest"]["training_run"], shown["training_run"]);
        // The next run compared what came in with what this model was made from.
        assert_eq!(shown["drift"]["model"], *previous, "{shown}");
        let promotions = shown["promotions"].as_array().cloned().unwrap_or_default();
        let by: Vec<&Value> = promotions.iter().map(|promotion| &promotion["by"]["kind"]).collect();
        assert_eq!(by, ["caller", "training_run", "training_run"], "{promotions:?}");
        let shown = self.call(ApiRequest::get(&["v1", "models", &champion])).await?;
        assert_eq!(shown["state"], "previous");
        self.call(promote(&champion, None)).await?;
        Ok(())
    }

    async fn refuse_promotions(
        &self,
        promote: &dyn Fn(&str, Option<&str>) -> ApiRequest,
        previous: &str,
    ) -> anyhow::Result<()> {
        let elsewhere = promote(previous, Some(previous));
        self.world.call(elsewhere).await?.assert_problem(409, "conflict");
        let nothing = "0".repeat(64);
        for request in [promote(&nothing, None), ApiRequest::get(&["v1", "models", &nothing])] {
            self.world.call(request).await?.assert_problem(404, "unknown_model");
        }
        let after = ApiRequest::get(&["v1", "models"]).with_query("after", &nothing);
        self.world.call(after).await?.assert_problem(404, "unknown_model");
        if self.world.checks_tokens() {
            let reader = Token::covering(&[KNOWLEDGE]).without_scope("training:write");
            let request = promote(previous, None).with_token(reader);
            self.world.call(request).await?.assert_problem(403, "scope_missing");
        }
        Ok(())
    }
}

/// Checks an entry's reason against what the person really did, and gives the
/// item that counts most.
fn check_evidence(entry: &Value, past: &BTreeSet<String>) -> String {
    let reason = &entry["reason"];
    assert_eq!(reason["code"], "history");
    let evidence = reason["evidence"].as_array().cloned().unwrap_or_default();
    assert!(!evidence.is_empty(), "{entry}");
    let mut shares = Vec::new();
    for past_item in &evidence {
        assert_eq!(past_item["domain"], KNOWLEDGE);
        let id = past_item["item_id"].as_str().unwrap_or_default();
        assert!(past.contains(id), "{id} was never touched");
        shares.push(past_item["share"].as_f64().unwrap_or(f64::NAN));
    }
    assert!(shares.iter().all(|share| *share > 0.0), "{shares:?}");
    assert!(shares.iter().sum::<f64>() < 1.001, "{shares:?}");
    assert!(shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
    evidence[0]["item_id"].as_str().unwrap_or_default().to_owned()
}
