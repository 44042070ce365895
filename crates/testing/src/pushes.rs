//! Pushes of campaigns.

use std::collections::BTreeMap;

use crossfold_entities::event::Event;
use crossfold_entities::ids::{CampaignId, UserId};
use crossfold_entities::pseudonym::Pseudonymiser;
use crossfold_entities::push::{PushId, PushOrder};

/// The keys of the tenant `t`, of which there is one version.
///
/// # Panics
/// Never: the keys are fixed.
#[must_use]
pub fn keys() -> Pseudonymiser {
    let of_version = BTreeMap::from([(1, vec![7; 32].into_boxed_slice())]);
    Pseudonymiser::new("t", 1, of_version).expect("keys")
}

/// The order of a push by a campaign after an event of a user, whom their platform knows by a
/// name: sealed with [`keys`], due when the event happened, and not tried yet.
///
/// # Panics
/// When a text is not a valid campaign or user.
#[must_use]
pub fn push_order(campaign: &str, name: &str, event: &Event) -> PushOrder {
    let campaign = CampaignId::parse(campaign).expect("a campaign");
    let push_id = PushId::of(&campaign, event);
    let user_id = UserId::parse(name).expect("a user's own id");
    PushOrder {
        sealed_user: keys().seal(&user_id, push_id.as_str()),
        push_id,
        user: event.user.clone(),
        domain: event.domain.clone(),
        domain_life: event.domain_life,
        campaign,
        event: event.into(),
        due_at: event.occurred_at,
        first_due_at: event.occurred_at,
        failures: 0,
    }
}
