//! What events and outcomes of feedback mean, as their domain's definition says.

use super::*;

impl Stage<'_> {
    /// A dislike keeps its item away and lowers similar ones, at once.
    pub(in crate::scenario) async fn heed_a_dislike(&mut self) -> anyhow::Result<()> {
        const DRIVER: &str = "7";
        let before = self.serve(&ask_driver_for_all(DRIVER)).await?;
        let best = before.ids()[0].to_owned();
        let driver = user(AUTO_FINANCE, DRIVER);
        let event = event("not-for-me", &driver, "dislike", &best, Timestamp::now());
        let body = json!({ "domain": AUTO_FINANCE, "events": [event] });
        let answer = self.call(ApiRequest::post(&["v1", "events"], &body)).await?;
        assert_eq!(answer["accepted"], 1);
        let after = self.serve(&ask_driver_for_all(DRIVER)).await?;
        assert!(!after.ids().contains(&best.as_str()), "what is disliked counts as seen");
        let taste = TASTES.iter().find(|taste| best.starts_with(**taste)).copied();
        let of_the_taste = |served: &Served| -> f64 {
            let is_similar =
                |id: &str| *id != *best && taste.is_some_and(|taste| id.starts_with(taste));
            served.slate.iter().filter(|(id, _)| is_similar(id)).map(|(_, score)| score).sum()
        };
        let (before, after) = (of_the_taste(&before), of_the_taste(&after));
        assert!(after < before - 0.1, "{before} {after}");
        Ok(())
    }

    /// A converted item counts as seen, and a click is the event that the definition
    /// names: once, however often its feedback is sent.
    pub(in crate::scenario) async fn learn_from_outcomes(&mut self) -> anyhow::Result<()> {
        const DRIVER: &str = "passer-by";
        let before = self.serve(&ask_driver_for_all(DRIVER)).await?;
        let (bought, clicked) = (before.ids()[0].to_owned(), before.ids()[1].to_owned());
        let feedback = |id: &str, kind: &str, item: &str| {
            json!({
                "feedback_id": id, "kind": kind, "domain": AUTO_FINANCE, "item_id": item,
                "occurred_at": Timestamp::now().to_string(),
            })
        };
        let post = |outcomes: Vec<Value>| {
            let body = json!({
                "recommendation_id": before.id(), "user_id": user(AUTO_FINANCE, DRIVER),
                "domain": AUTO_FINANCE, "feedback": outcomes,
            });
            ApiRequest::post(&["v1", "feedback"], &body)
        };
        let answer = self.call(post(vec![feedback("bought", "convert", &bought)])).await?;
        assert_eq!(answer["accepted"], 1);
        let converted = self.serve(&ask_driver_for_all(DRIVER)).await?;
        assert!(!converted.ids().contains(&bought.as_str()), "it was bought");
        assert!(!converted.is_personalised(), "of what is not named nothing else is known");

        let click = || post(vec![feedback("opened", "click", &clicked)]);
        assert_eq!(self.call(click()).await?["accepted"], 1);
        let once = self.serve(&ask_driver_for_all(DRIVER)).await?;
        assert!(once.is_personalised(), "a click is an event");
        assert!(once.ids().contains(&clicked.as_str()), "what was opened may be shown again");
        // Sent again, it names another time.
        assert_eq!(self.call(click()).await?["duplicates"], 1);
        let twice = self.serve(&ask_driver_for_all(DRIVER)).await?;
        assert_eq!(twice.ids(), once.ids());
        for ((_, score), (_, again)) in once.slate.iter().zip(&twice.slate) {
            assert!((score - again).abs() < 1e-4, "{score} {again}");
        }
        Ok(())
    }
}
