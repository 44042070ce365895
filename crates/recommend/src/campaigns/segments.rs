//! Whether a user is of the segments that a campaign's audience names: by what their profile on the
//! platform would tell at that moment, so by the model that is served, and by evidence that may be
//! used for slates there.

use std::sync::Arc;

use axum::http::HeaderMap;
use crossfold_core::entities::campaign::{Audience, is_protected_ground};
use crossfold_core::entities::definition::Definitions;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::ports::{StoreError, StoreResult};
use crossfold_core::model::segments::{Fact, Segment};
use crossfold_core::serving::profile::{ProfileInputs, own_segment};
use crossfold_core::serving::reason::Locale;
use crossfold_core::serving::snapshot::Catalogues;
use crossfold_edge::caller::{Caller, Scope};
use crossfold_storage::definition_reader::KnownDefinitions;
use futures::future::join;

use crate::campaigns::Campaigns;
use crate::campaigns::telling::NEEDED;
use crate::deadline::Stage;
use crate::inputs::read_user;
use crate::profile::{as_slate, profiled};
use crate::shortfall::Degraded;

impl Campaigns {
    /// Whether a user of a platform is of one of the segments of an audience, where it names any.
    /// Nobody is without a model, and of a segment that the model does not have.
    ///
    /// # Errors
    /// When the model, the user's consents or their history cannot be read: nothing is known then.
    pub(super) async fn is_in_segments(
        &self,
        (user, domain): (&Pseudonym, &DomainId),
        audience: &Audience,
        definitions: &Arc<Definitions>,
    ) -> StoreResult<bool> {
        if audience.segments.is_none() {
            return Ok(true);
        }
        let segment = self.segment_of((user, domain), definitions).await?;
        Ok(audience.has_segment(segment))
    }

    /// The segment that the profile of a user on a platform would tell, by its number.
    async fn segment_of(
        &self,
        (user, domain): (&Pseudonym, &DomainId),
        definitions: &Arc<Definitions>,
    ) -> StoreResult<Option<u32>> {
        let (state, deadline) = (&self.state, self.state.deadlines.begin());
        let user = &user.own();
        let (served, read) = join(
            state.models.served(deadline.left(Stage::FirstReads)),
            read_user(state, user, &deadline),
        )
        .await;
        if served.is_unread() {
            return Err(StoreError::Unavailable("the model of a segment cannot be read".into()));
        }
        let known = KnownDefinitions { definitions: definitions.clone(), is_stale: false };
        let caller = Caller::with([domain.clone()], [Scope::UsersRead]);
        let asked = (&caller, &HeaderMap::new());
        let request = as_slate(state, asked, (domain, Locale::English), &known);
        let mut degraded = Degraded::default();
        let person = read.person(user, domain, definitions, &mut degraded);
        let basis = (&request, &**definitions);
        let history = profiled(state, &person, basis, (&deadline, &mut degraded)).await;
        if let Some(missing) = degraded.codes().into_iter().find(|code| NEEDED.contains(code)) {
            return Err(StoreError::unavailable("a user's segment", missing));
        }
        let no_catalogues = Catalogues::new();
        let segment = own_segment(&ProfileInputs {
            display: domain,
            visible: &request.visible,
            history: &history,
            economic: None,
            declared: &person.declared,
            definitions,
            catalogues: &no_catalogues,
            model: served.model.as_deref(),
            now: request.now,
            locale: request.locale,
        });
        let segment = segment.filter(|segment| !hangs_on_protected_ground(segment));
        Ok(segment.map(|segment| segment.id))
    }
}

/// Whether it is told of a segment that its people prefer what is called by the name of a protected
/// ground: its number would stand for that ground.
fn hangs_on_protected_ground(segment: &Segment) -> bool {
    let is_of_one = |fact: &Fact| match fact {
        Fact::Category { category, .. } => is_protected_ground(category),
        Fact::Habit { .. } | Fact::Item { .. } => false,
    };
    segment.facts.iter().any(is_of_one)
}
