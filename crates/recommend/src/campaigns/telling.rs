//! One push, from its order to the platform that tells its user.
//!
//! Whether the user is to be told is asked when it is due, not when it was ordered: by the
//! campaign, the consents and what they were told of as these are then. Who is to be told is first
//! counted as told, and then it is handed over: so no race tells anybody more often than is
//! allowed, and a failure in between is tried again without being counted again. Whatever may have
//! been handed over counts, though nobody heard that it was.

use axum::http::HeaderMap;
use crossfold_core::entities::campaign::CampaignDefinition;
use crossfold_core::entities::definition::{Definitions, DomainDefinition};
use crossfold_core::entities::ids::{Pseudonym, PushOrderId, UserId};
use crossfold_core::entities::people::Declared;
use crossfold_core::entities::ports::{NoDefinition, StoreError, StoreResult};
use crossfold_core::entities::purpose::Purpose;
use crossfold_core::entities::push::{Caps, Claim, NotTold, Push, PushLog, PushOrder};
use crossfold_core::entities::retryable::Retryable;
use crossfold_core::entities::utc_offset::{UTC_OFFSET, parse_offset};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::problem::Problem;
use crossfold_storage::person_lookup::{Found, find};
use crossfold_storage::{pushes, records};
use jiff::{SignedDuration, Timestamp};

use crate::campaigns::Campaigns;
use crate::inputs::read_user;
use crate::request::RecommendationBody;
use crate::slates::{RecommendationView, prepare, slate};

/// How often handing a push over is tried: over three hours and ten minutes, by the pauses between.
const MAX_FAILURES: u32 = 8;

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// The platform was handed what to tell the user.
    Done,
    /// The user is not to be told.
    Not(NotTold),
    /// It is due later.
    Later,
}

/// What a slate must not lack to be told of: what may be shown, whom it is for, and what they saw.
pub(super) const NEEDED: [&str; 5] =
    ["no_catalogue", "no_profile", "no_history", "partial_history", "stale_definitions"];

/// An order, and whose it is.
struct Ordered<'a> {
    id: &'a PushOrderId,
    order: &'a PushOrder,
    /// The user, in the life in which they triggered it.
    user: Pseudonym,
    user_id: UserId,
    now: Timestamp,
}

/// An order that is to be carried out, and from when on.
struct Due<'a> {
    campaign: &'a CampaignDefinition,
    definition: &'a DomainDefinition,
    allowed_from: Timestamp,
}

/// Why a push was not handed over.
enum NotHanded {
    /// There is nothing to show.
    Empty,
    /// It could not be made.
    NotMade(StoreError),
    /// It was made, and may have been taken though nobody heard so.
    NotTaken(StoreError),
}

impl Campaigns {
    /// Carries out an order, and settles it unless it is due later.
    ///
    /// # Errors
    /// When a store fails; the order then stands, and is found again.
    pub(super) async fn tell(
        &self,
        (id, order): (&PushOrderId, PushOrder),
    ) -> StoreResult<Telling> {
        let now = self.state.machine.clock.now();
        if now < order.due_at {
            return Ok(Telling::Later);
        }
        let opened = self.state.pseudonymiser.open(&order.sealed_user, order.push_id.as_str());
        let Some(user_id) = opened else {
            let user = order.user.clone();
            return self.settle((id, &order), &user, NotTold::Undeliverable).await;
        };
        let own = self.state.pseudonymiser.pseudonym(&order.domain, &user_id);
        // With every form that they have while keys rotate.
        let user = own.in_life(order.user.life());
        let ordered = Ordered { id, order: &order, user, user_id, now };
        let told = self.tell_of(&ordered).await;
        match told {
            Err(error) if !error.is_worth_another_try() => {
                tracing::error!(%error, campaign = %order.campaign, "a push was not handed over");
                self.settle((id, &order), &ordered.user, NotTold::Undeliverable).await
            }
            told => told,
        }
    }

    async fn tell_of(&self, ordered: &Ordered<'_>) -> StoreResult<Telling> {
        let Ordered { id, order, user, now, .. } = ordered;
        let definitions = match self.state.definitions.with(&order.domain).await {
            Ok(definitions) => definitions,
            Err(NoDefinition::Unknown(_)) => {
                return self.settle((id, order), user, NotTold::CampaignOver).await;
            }
            Err(NoDefinition::Store(error)) => return Err(error),
        };
        let due = match self.admit(ordered, &definitions).await? {
            Ok(due) => due,
            Err(why) => return self.settle((id, order), user, why).await,
        };
        if due.allowed_from > *now {
            let later = (*order).clone().put_off(due.allowed_from);
            pushes::put_off(&*self.state.stores.records, user, (id, &later)).await?;
            return Ok(Telling::Later);
        }
        let audience = &due.campaign.audience;
        if !self.is_in_segments((user, &order.domain), audience, &definitions).await? {
            return self.settle((id, order), user, NotTold::NotInAudience).await;
        }
        match self.claim(ordered, &due).await? {
            None => self.settle((id, order), user, NotTold::Erased).await,
            Some(Claim::Refused) => self.settle((id, order), user, NotTold::Capped).await,
            Some(Claim::Settled) => {
                // Whoever settled it did not come to delete it.
                records::delete::<PushOrder>(&*self.state.stores.records, id).await?;
                Ok(Telling::Later)
            }
            Some(claim @ (Claim::New | Claim::Standing)) => {
                let handed = self.hand_over(ordered, due.campaign).await;
                self.conclude(ordered, (claim, handed)).await
            }
        }
    }

    /// What follows from an attempt to hand a push over.
    async fn conclude(
        &self,
        Ordered { id, order, user, .. }: &Ordered<'_>,
        (claim, handed): (Claim, Result<(), NotHanded>),
    ) -> StoreResult<Telling> {
        let store = &*self.state.stores.records;
        let now = self.state.machine.clock.now();
        if claim == Claim::New && matches!(handed, Err(NotHanded::Empty | NotHanded::NotMade(_))) {
            // Nobody was handed anything, and surely so.
            pushes::change_log(store, user, |log| log.release(&order.push_id)).await?;
        }
        match handed {
            Ok(()) => {
                pushes::settle(store, user, (id, order), (true, now)).await?;
                Ok(Telling::Done)
            }
            Err(NotHanded::Empty) => self.settle((id, order), user, NotTold::NothingToShow).await,
            Err(NotHanded::NotMade(error) | NotHanded::NotTaken(error)) => {
                self.try_again((id, order), user, error).await
            }
        }
    }

    async fn settle(
        &self,
        order: (&PushOrderId, &PushOrder),
        user: &Pseudonym,
        why: NotTold,
    ) -> StoreResult<Telling> {
        let (store, now) = (&*self.state.stores.records, self.state.machine.clock.now());
        pushes::settle(store, user, order, (false, now)).await?;
        if why == NotTold::Erased {
            // What was on its way when they were.
            pushes::erase(store, user).await?;
        }
        Ok(Telling::Not(why))
    }

    /// Whether an order is to be carried out, and from when on; but for the segments of its audience,
    /// which take more to tell, and are asked once it is time.
    async fn admit<'a>(
        &self,
        Ordered { order, user, now, .. }: &Ordered<'_>,
        definitions: &'a Definitions,
    ) -> StoreResult<Result<Due<'a>, NotTold>> {
        let definition = definitions.get(&order.domain);
        let definition = definition.filter(|of| of.life == order.domain_life);
        let campaign = definition.and_then(|of| of.campaigns.get(&order.campaign));
        let Some((definition, campaign)) =
            definition.zip(campaign.filter(|campaign| campaign.is_on(*now)))
        else {
            return Ok(Err(NotTold::CampaignOver));
        };
        if order.is_too_late(*now) {
            return Ok(Err(NotTold::TooLate));
        }
        let person = match find(&*self.state.stores.people, user).await? {
            Found::Person(person) => person,
            Found::Nobody => return Ok(Err(NotTold::NoConsent)),
            Found::Erased { .. } => return Ok(Err(NotTold::Erased)),
        };
        if person.person.member(user).is_none_or(|member| member.user.life() != user.life()) {
            return Ok(Err(NotTold::Erased));
        }
        let (own, consents) = (&order.domain, &person.person.consents);
        if !consents.permits(own, own, Purpose::Contact, definitions, *now) {
            return Ok(Err(NotTold::NoConsent));
        }
        let declared = person.declared(user);
        if !campaign.audience.has_declared(&declared) {
            return Ok(Err(NotTold::NotInAudience));
        }
        let allowed_from = allowed_from(definition, &declared, *now);
        Ok(Ok(Due { campaign, definition, allowed_from }))
    }

    /// Counts the user as told, where that is within the bounds; `None` of one who was erased.
    async fn claim(
        &self,
        Ordered { order, user, now, .. }: &Ordered<'_>,
        due: &Due<'_>,
    ) -> StoreResult<Option<Claim>> {
        let caps = Caps {
            of_all: due.definition.contact.frequency_cap,
            of_campaign: due.campaign.frequency_cap,
        };
        let claim = |log: &mut PushLog| log.claim(order, caps, *now);
        pushes::change_log(&*self.state.stores.records, user, claim).await
    }

    /// Makes the slate and hands it over.
    async fn hand_over(
        &self,
        ordered: &Ordered<'_>,
        campaign: &CampaignDefinition,
    ) -> Result<(), NotHanded> {
        let order = ordered.order;
        let view = self.slate(ordered, campaign).await.map_err(|problem| {
            NotHanded::NotMade(StoreError::unavailable("a slate for a push", problem.detail))
        })?;
        if let Some(missing) = view.degraded.iter().find(|code| NEEDED.contains(&code.as_str())) {
            // Nobody waits for it: it is made once it can be made well.
            let missing = StoreError::unavailable("a slate for a push", missing.as_str());
            return Err(NotHanded::NotMade(missing));
        }
        if view.is_empty() {
            return Err(NotHanded::Empty);
        }
        let recommendation = serde_json::to_value(view).map_err(|error| {
            NotHanded::NotMade(StoreError::refused("a slate cannot be written", error))
        })?;
        let push = Push {
            push_id: order.push_id.clone(),
            campaign: order.campaign.clone(),
            domain: order.domain.clone(),
            user_id: ordered.user_id.for_own_platform().to_owned(),
            trigger: order.event.clone(),
            recommendation,
        };
        self.channel.deliver(&push).await.map_err(NotHanded::NotTaken)
    }

    /// The slate of the campaign's placement, as the platform itself would be answered.
    async fn slate(
        &self,
        Ordered { order, user, user_id, .. }: &Ordered<'_>,
        campaign: &CampaignDefinition,
    ) -> Result<RecommendationView, Problem> {
        let of_place = (order.domain.clone(), campaign.placement.clone());
        let body = RecommendationBody::of_placement(of_place, campaign.locale.clone())
            .for_user(user_id.clone());
        let caller = Caller::with([order.domain.clone()], [Scope::RecommendationsRead]);
        let deadline = self.state.deadlines.begin();
        let asked = (&caller, &HeaderMap::new());
        let prepared = prepare(&self.state, asked, body, &deadline).await?;
        let user = &user.own();
        let read = read_user(&self.state, user, &deadline).await;
        Ok(slate(&self.state, (&prepared, &prepared.request), (user, read), &deadline).await)
    }

    /// Puts off what could not be handed over, longer each time, or gives it up.
    async fn try_again(
        &self,
        (id, order): (&PushOrderId, &PushOrder),
        user: &Pseudonym,
        error: StoreError,
    ) -> StoreResult<Telling> {
        if !error.is_worth_another_try() {
            return Err(error);
        }
        let failures = order.failures + 1;
        tracing::error!(%error, failures, campaign = %order.campaign, "a push was not handed over");
        if failures >= MAX_FAILURES {
            return self.settle((id, order), user, NotTold::Undeliverable).await;
        }
        let pause = SignedDuration::from_mins(1i64 << failures.min(6));
        let until = self.state.machine.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX);
        let later = PushOrder { failures, ..order.clone() }.put_off(until);
        pushes::put_off(&*self.state.stores.records, user, (id, &later)).await?;
        Ok(Telling::Later)
    }
}

/// From when on the user may be told, by their own clock where it is known.
fn allowed_from(definition: &DomainDefinition, declared: &Declared, now: Timestamp) -> Timestamp {
    let offset = declared.get(UTC_OFFSET).and_then(|offset| parse_offset(offset));
    definition.contact.allowed_from(now, offset)
}
