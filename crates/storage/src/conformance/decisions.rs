use std::collections::{BTreeMap, BTreeSet};

use crossfold_core::entities::basis::{
    Basis, CalibrationBasis, EvidenceBasis, ExplorationBasis, ExploredPool, FatigueBasis,
    KeptBackBasis, PoolEnd, QuotaBasis, REVISION,
};
use crossfold_core::entities::catalogue::ChangeNumber;
use crossfold_core::entities::decision::{Decision, Outcome, OutcomeKind, SlateEntry};
use crossfold_core::entities::diversity::Calibration;
use crossfold_core::entities::exploration::ExplorationShare;
use crossfold_core::entities::ids::{
    DomainId, EventId, ItemId, ModelId, Placement, Pseudonym, RecommendationId,
};
use crossfold_core::entities::kept_back::KeptBackBy;
use crossfold_core::entities::ports::{Appended, Logged, Stores};
use jiff::Timestamp;

use super::{Broken, Held, checks, hold, id, together, unique, unique_user};

checks! { "decisions":
    a_decision_reads_back_as_it_was,
    a_decision_recorded_again_changes_nothing,
    an_outcome_is_stored_once,
    of_racing_outcomes_with_one_id_exactly_one_is_new,
    outcomes_belong_to_their_recommendation,
    what_is_logged_of_users_is_found_and_deleted,
}

fn recommendation() -> RecommendationId {
    id(RecommendationId::parse, &unique("r"))
}

fn decision(recommendation: &RecommendationId, user: Pseudonym) -> Decision {
    let domain = id(DomainId::parse, "knowledge");
    let entry = |index: usize| SlateEntry {
        domain: domain.clone(),
        item_id: id(ItemId::parse, &format!("课程 {index}")),
        score: 0.1 + index as f32,
        propensity: 1.0 / 3.0,
        promoted: index == 1,
    };
    Decision {
        recommendation_id: recommendation.clone(),
        user,
        domain: domain.clone(),
        placement: Some(id(Placement::parse, "checkout")),
        decided_at: Timestamp::now(),
        model: Some(id(ModelId::parse, &"a".repeat(64))),
        policy: "ranked/1".into(),
        variant: None,
        seed: u64::MAX,
        personalised: true,
        degraded: vec!["no_text_encoder".into()],
        slate: (0..10).map(entry).collect(),
        lives: BTreeMap::from([(domain.clone(), 3)]),
        basis: Some(basis(&domain)),
    }
}

fn basis(domain: &DomainId) -> Basis {
    let source = EvidenceBasis {
        domain: domain.clone(),
        targets: BTreeSet::from([domain.clone()]),
        events: 1_000,
        digest: "0123456789abcdef".into(),
        received_until: Timestamp::UNIX_EPOCH,
        definition: "fedcba9876543210".into(),
    };
    let item = id(ItemId::parse, "课程 11");
    let kept_back = |by| KeptBackBasis {
        by,
        targets: BTreeSet::from([domain.clone()]),
        items: 2_100,
        digest: "0123456789abcdef".into(),
    };
    Basis {
        revision: REVISION,
        limit: 10,
        targets: BTreeSet::from([domain.clone()]),
        excluded: [(domain.clone(), BTreeSet::from([item]))].into(),
        excluded_not_kept: 0,
        filters: Vec::new(),
        diversity: None,
        calibration: Calibration::try_from(0.3).ok().map(|share| CalibrationBasis {
            share,
            pools: BTreeMap::new(),
            interests: [(domain.clone(), "0123456789abcdef".into())].into(),
        }),
        quotas: vec![QuotaBasis {
            target: domain.clone(),
            filter: None,
            each_category: true,
            most: 2,
        }],
        fatigue: serde_json::from_str(r#"{"after": 3, "factor": 0.7, "days": 5}"#).ok().map(
            |rule| {
                let shown = [(domain.clone(), "0123456789abcdef".into())].into();
                FatigueBasis { rule, shown }
            },
        ),
        exploration: ExplorationShare::try_from(0.1).ok().map(|share| ExplorationBasis {
            share,
            places: 1,
            pools: [(domain.clone(), ExploredPool { known: Some(pool_end()), unknown: None })]
                .into(),
            items: 50,
            spared: Some((domain.clone(), id(ItemId::parse, "课程 12"))),
        }),
        with_words: true,
        with_applicant: true,
        eligibility: [(domain.clone(), "0123456789abcdef".into())].into(),
        listed: BTreeMap::new(),
        listed_not_kept: 501,
        impersonal: false,
        within_domains: true,
        reasons: Some("zh".into()),
        person_version: Some(u64::MAX),
        catalogues: [(domain.clone(), ChangeNumber(u64::MAX))].into(),
        described: [(domain.clone(), ChangeNumber(3))].into(),
        described_from: [(domain.clone(), ChangeNumber(2))].into(),
        sources: vec![source],
        kept_back: [KeptBackBy::Instruction, KeptBackBy::Platform(domain.clone())]
            .map(kept_back)
            .into(),
    }
}

fn pool_end() -> PoolEnd {
    PoolEnd { score: 0.1, since: Timestamp::UNIX_EPOCH, item_id: id(ItemId::parse, "课程 13") }
}

fn outcome(recommendation: &RecommendationId, user: &Pseudonym, feedback_id: &str) -> Outcome {
    Outcome {
        feedback_id: id(EventId::parse, feedback_id),
        recommendation_id: recommendation.clone(),
        user: user.clone(),
        kind: OutcomeKind::Click,
        domain: id(DomainId::parse, "knowledge"),
        item_id: id(ItemId::parse, "课程 1"),
        occurred_at: Timestamp::now(),
        received_at: Some(Timestamp::now()),
    }
}

async fn a_decision_reads_back_as_it_was(stores: &Stores) -> Held {
    let recommendation = recommendation();
    let absent = stores.decisions.get(&recommendation).await?;
    hold!(absent.is_none(), "an unknown decision is there");
    let decision = decision(&recommendation, unique_user());
    stores.decisions.record(&decision).await?;
    let found = stores.decisions.get(&recommendation).await?;
    hold!(found == Some(decision.clone()), "{decision:?} came back as {found:?}");
    let outcomes = stores.decisions.outcomes(&recommendation).await?;
    hold!(outcomes.is_empty(), "a decision without outcomes has {outcomes:?}");
    Ok(())
}

async fn a_decision_recorded_again_changes_nothing(stores: &Stores) -> Held {
    let recommendation = recommendation();
    let first = decision(&recommendation, unique_user());
    stores.decisions.record(&first).await?;
    let other = Decision { seed: 1, ..first.clone() };
    for again in [&first, &other] {
        stores.decisions.record(again).await?;
    }
    let found = stores.decisions.get(&recommendation).await?;
    hold!(found == Some(first), "recording again left {found:?}");
    Ok(())
}

async fn an_outcome_is_stored_once(stores: &Stores) -> Held {
    let (recommendation, user) = (recommendation(), unique_user());
    let outcome = outcome(&recommendation, &user, "f #1/ü");
    let first = stores.decisions.append_outcome(&outcome).await?;
    hold!(first == Appended::New, "the first append answered {first:?}");
    let second = stores.decisions.append_outcome(&outcome).await?;
    hold!(second == Appended::Duplicate, "the second append answered {second:?}");
    let found = stores.decisions.outcomes(&recommendation).await?;
    hold!(found == [outcome.clone()], "{outcome:?} came back as {found:?}");
    let found = stores.decisions.outcome(&recommendation, &outcome.feedback_id).await?;
    hold!(found == Some(outcome.clone()), "{outcome:?} alone came back as {found:?}");
    let absent = stores.decisions.outcome(&recommendation, &id(EventId::parse, "g")).await?;
    hold!(absent.is_none(), "an unknown outcome is {absent:?}");
    let decision = stores.decisions.get(&recommendation).await?;
    hold!(decision.is_none(), "an outcome made a decision");
    Ok(())
}

async fn of_racing_outcomes_with_one_id_exactly_one_is_new(stores: &Stores) -> Held {
    const RACERS: usize = 32;
    let outcome = outcome(&recommendation(), &unique_user(), "f");
    let calls = (0..RACERS).map(|_| {
        let (store, outcome) = (stores.decisions.clone(), outcome.clone());
        async move { store.append_outcome(&outcome).await }
    });
    let answers = together(calls).await?;
    let new = answers.iter().filter(|answer| **answer == Appended::New).count();
    hold!(new == 1, "{new} of {RACERS} racing outcomes were new");
    Ok(())
}

async fn outcomes_belong_to_their_recommendation(stores: &Stores) -> Held {
    let (one, user) = (recommendation(), unique_user());
    let other = id(RecommendationId::parse, &format!("{one}2"));
    for (recommendation, feedback_id) in [(&one, "f1"), (&one, "f2"), (&other, "f1")] {
        let outcome = outcome(recommendation, &user, feedback_id);
        let answer = stores.decisions.append_outcome(&outcome).await?;
        hold!(answer == Appended::New, "{outcome:?} was called a duplicate");
    }
    stores.decisions.record(&decision(&one, user)).await?;
    for (recommendation, count) in [(&one, 2), (&other, 1)] {
        let found = stores.decisions.outcomes(recommendation).await?;
        hold!(found.len() == count, "{count} outcomes became {found:?}");
        let is_own = found.iter().all(|outcome| outcome.recommendation_id == *recommendation);
        hold!(is_own, "another recommendation's outcomes are seen: {found:?}");
    }
    Ok(())
}

async fn logged_of(
    stores: &Stores,
    users: &BTreeSet<Pseudonym>,
) -> Result<BTreeSet<Logged>, Broken> {
    let (mut found, mut after) = (BTreeSet::new(), None);
    loop {
        let page = stores.decisions.logged_of(users, after).await?;
        found.extend(page.entries);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

async fn what_is_logged_of_users_is_found_and_deleted(stores: &Stores) -> Held {
    let [gone, stays] = [(), ()].map(|()| unique_user());
    let mut expected = BTreeSet::new();
    for user in [&gone, &stays] {
        let made = decision(&recommendation(), user.clone());
        stores.decisions.record(&made).await?;
        let clicked = outcome(&made.recommendation_id, user, "f#1");
        stores.decisions.append_outcome(&clicked).await?;
        for feedback in [None, Some(clicked.feedback_id)] {
            let recommendation = made.recommendation_id.clone();
            expected.insert(Logged { user: user.clone(), recommendation, feedback });
        }
    }
    let (gone, both) = (BTreeSet::from([gone.clone()]), BTreeSet::from([gone, stays]));
    let found = logged_of(stores, &both).await?;
    hold!(found == expected, "of {expected:?}, {found:?} was found");
    let of_gone: Vec<Logged> = logged_of(stores, &gone).await?.into_iter().collect();
    hold!(of_gone.len() == 2, "of one of two users, {of_gone:?} was found");
    for _ in 0..2 {
        stores.decisions.delete(&of_gone).await?;
    }
    let left = logged_of(stores, &both).await?;
    let expected = expected.into_iter().filter(|one| !gone.contains(&one.user)).collect();
    hold!(left == expected, "{left:?} is left, not {expected:?}");
    let decision = stores.decisions.get(&of_gone[0].recommendation).await?;
    hold!(decision.is_none(), "a deleted decision is there");
    Ok(())
}
