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
use crossfold_core::entities::utc_offset::{UTC_OFFSET, parse_offset};
use crossfold_edge::caller::{Caller, Scope};
use crossfold_edge::problem::Problem;
use crossfold_storage::person_lookup::{Found, find};
use crossfold_storage::pushes;
use jiff::{SignedDuration, Timestamp};

use crate::campaigns::Campaigns;
use crate::inputs::read_user;
use crate::request::RecommendationBody;
use crate::slates::{RecommendationView, prepare, slate};

/// How often handing a push over is tried: over some two hours, by the pauses between.
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

/// What is known when an order is due.
struct Due<'a> {
    order: &'a PushOrder,
    campaign: &'a CampaignDefinition,
    definition: &'a DomainDefinition,
    user: Pseudonym,
    user_id: UserId,
    now: Timestamp,
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
        let definitions = match self.state.definitions.with(&order.domain).await {
            Ok(definitions) => definitions,
            Err(NoDefinition::Unknown(_)) => {
                return self.settle((id, &order), NotTold::CampaignOver).await;
            }
            Err(NoDefinition::Store(error)) => return Err(error),
        };
        let due = match self.admit(&order, &definitions, now).await? {
            Ok(due) => due,
            Err(why) => return self.settle((id, &order), why).await,
        };
        if due.allowed_from > now {
            let later = order.clone().put_off(due.allowed_from);
            pushes::put_off(&*self.state.stores.records, (id, &later)).await?;
            return Ok(Telling::Later);
        }
        let Some(claim) = self.claim(&due.due).await? else {
            return self.settle((id, &order), NotTold::Erased).await;
        };
        if claim == Claim::Refused {
            return self.settle((id, &order), NotTold::Capped).await;
        }
        match self.hand_over(&due.due).await {
            Ok(true) => {
                pushes::settle(&*self.state.stores.records, (id, &order), now).await?;
                Ok(Telling::Done)
            }
            Ok(false) => {
                if claim == Claim::New {
                    let release = |log: &mut PushLog| log.release(&order);
                    pushes::change_log(&*self.state.stores.records, &order.user, release).await?;
                }
                self.settle((id, &order), NotTold::NothingToShow).await
            }
            Err(error) => self.try_again((id, order), &error).await,
        }
    }

    async fn settle(
        &self,
        order: (&PushOrderId, &PushOrder),
        why: NotTold,
    ) -> StoreResult<Telling> {
        let (store, now) = (&*self.state.stores.records, self.state.machine.clock.now());
        pushes::settle(store, order, now).await?;
        if why == NotTold::Erased {
            // What was on its way when they were.
            pushes::erase(store, &order.1.user).await?;
        }
        Ok(Telling::Not(why))
    }

    /// Whether an order is to be carried out, and from when on.
    async fn admit<'a>(
        &self,
        order: &'a PushOrder,
        definitions: &'a Definitions,
        now: Timestamp,
    ) -> StoreResult<Result<Admitted<'a>, NotTold>> {
        let definition = definitions.get(&order.domain);
        let definition = definition.filter(|of| of.life == order.domain_life);
        let campaign = definition.and_then(|of| of.campaigns.get(&order.campaign));
        let Some((definition, campaign)) =
            definition.zip(campaign.filter(|campaign| campaign.is_on(now)))
        else {
            return Ok(Err(NotTold::CampaignOver));
        };
        if order.is_too_late(now) {
            return Ok(Err(NotTold::TooLate));
        }
        let opened = self.state.pseudonymiser.open(&order.sealed_user, order.push_id.as_str());
        let Some(user_id) = opened else { return Ok(Err(NotTold::Undeliverable)) };
        let user = self.state.pseudonymiser.pseudonym(&order.domain, &user_id);
        let person = match find(&*self.state.stores.people, &user).await? {
            Found::Person(person) => person,
            Found::Nobody => return Ok(Err(NotTold::NoConsent)),
            Found::Erased { .. } => return Ok(Err(NotTold::Erased)),
        };
        let in_life = person.person.member(&user).map(|member| &member.user);
        if in_life != Some(&self.state.pseudonymiser.forward(&order.user)) {
            return Ok(Err(NotTold::Erased));
        }
        let (own, consents) = (&order.domain, &person.person.consents);
        if !consents.permits(own, own, Purpose::Contact, definitions, now) {
            return Ok(Err(NotTold::NoConsent));
        }
        let declared = person.declared(&user);
        if !campaign.audience.has(&declared) {
            return Ok(Err(NotTold::NotInAudience));
        }
        let allowed_from = allowed_from(definition, &declared, now);
        let due = Due { order, campaign, definition, user, user_id, now };
        Ok(Ok(Admitted { due, allowed_from }))
    }

    /// Counts the user as told, where that is within the bounds; `None` of one who was erased.
    async fn claim(&self, due: &Due<'_>) -> StoreResult<Option<Claim>> {
        let caps = Caps {
            of_all: due.definition.contact.frequency_cap,
            of_campaign: due.campaign.frequency_cap,
        };
        let claim = |log: &mut PushLog| log.claim(due.order, caps, due.now);
        pushes::change_log(&*self.state.stores.records, &due.order.user, claim).await
    }

    /// Makes the slate and hands it over; says so unless there is nothing to show.
    async fn hand_over(&self, due: &Due<'_>) -> StoreResult<bool> {
        let view = self
            .slate(due)
            .await
            .map_err(|problem| StoreError::unavailable("a slate for a push", problem.detail))?;
        if view.is_empty() {
            return Ok(false);
        }
        let recommendation = serde_json::to_value(view)
            .map_err(|error| StoreError::refused("a slate cannot be written", error))?;
        let push = Push {
            push_id: due.order.push_id.clone(),
            campaign: due.order.campaign.clone(),
            domain: due.order.domain.clone(),
            user_id: due.user_id.for_own_platform().to_owned(),
            trigger: due.order.event.clone(),
            recommendation,
        };
        self.channel.deliver(&push).await?;
        Ok(true)
    }

    /// The slate of the campaign's placement, as the platform itself would be answered.
    async fn slate(&self, due: &Due<'_>) -> Result<RecommendationView, Problem> {
        let Due { order, campaign, user, .. } = due;
        let of_place = (order.domain.clone(), campaign.placement.clone());
        let body = RecommendationBody::of_placement(of_place, campaign.locale.clone());
        let caller = Caller::with([order.domain.clone()], [Scope::RecommendationsRead]);
        let deadline = self.state.deadlines.begin();
        let asked = (&caller, &HeaderMap::new());
        let prepared = prepare(&self.state, asked, body, &deadline).await?;
        let read = read_user(&self.state, user, &deadline).await;
        Ok(slate(&self.state, (&prepared, &prepared.request), (user, read), &deadline).await)
    }

    /// Puts off what could not be handed over, longer each time, or gives it up.
    async fn try_again(
        &self,
        (id, order): (&PushOrderId, PushOrder),
        error: &StoreError,
    ) -> StoreResult<Telling> {
        let failures = order.failures + 1;
        tracing::error!(%error, failures, campaign = %order.campaign, "a push was not handed over");
        if failures >= MAX_FAILURES {
            return self.settle((id, &order), NotTold::Undeliverable).await;
        }
        let pause = SignedDuration::from_mins(1i64 << failures.min(6));
        let until = self.state.machine.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX);
        let later = PushOrder { failures, ..order }.put_off(until);
        pushes::put_off(&*self.state.stores.records, (id, &later)).await?;
        Ok(Telling::Later)
    }
}

/// An order that is to be carried out, and from when on.
struct Admitted<'a> {
    due: Due<'a>,
    allowed_from: Timestamp,
}

/// From when on the user may be told, by their own clock where it is known.
fn allowed_from(definition: &DomainDefinition, declared: &Declared, now: Timestamp) -> Timestamp {
    let offset = declared.get(UTC_OFFSET).and_then(|offset| parse_offset(offset));
    definition.contact.allowed_from(now, offset)
}
