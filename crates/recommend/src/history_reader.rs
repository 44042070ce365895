//! The histories of a person's users, as far as a request may use them.
//!
//! Evidence is the newest events alone. Where that is not all, and an item counts as seen
//! for longer than they reach back, older events are read on, for that alone: otherwise
//! whoever does much would be shown again what they have just seen. This too depends only
//! on what the platform that asks may know.
//!
//! What is made again is read by the same rule, and further back by as much as may have come
//! in since.

use crossfold_core::entities::consent::ConsentContext;
use crossfold_core::entities::history::History;
use crossfold_core::entities::ids::{DomainId, Pseudonym};
use crossfold_core::entities::ports::{PastRange, StoreResult};
use crossfold_core::serving::admit::may_use_evidence_of;
use crossfold_core::serving::request::{MAX_HISTORY, SlateRequest};
use jiff::{SignedDuration, Timestamp};

use crate::deadline::{Deadline, Stage};
use crate::state::RecommendState;

/// Events of each user that are read at all, at some 90 read units a thousand. Who did more
/// within the time that an item counts as seen may be shown one again, and the answer says
/// that it rests on a part.
const MAX_READ: usize = 10_000;

/// How many events of a user are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// The newest, as they are.
    newest: usize,
    /// Older ones, for what counts as seen.
    older: usize,
}

impl Reach {
    /// For a slate that is made.
    pub(crate) const SERVED: Self = Self { newest: MAX_HISTORY, older: MAX_READ - MAX_HISTORY };
    /// For a profile, which shows no item that was not seen, so that nothing is read for that.
    pub(crate) const PROFILED: Self = Self { newest: MAX_HISTORY, older: 0 };
    /// For one that is made again: ten times as many as are evidence, for newer ones may have
    /// come in since, and then as many as a slate can rest on in all. More does no harm: it is
    /// known when events arrived, and what was on the slate did not count as seen.
    pub(crate) const REPLAYED: Self = Self { newest: MAX_READ, older: MAX_READ };
}

/// Reads histories for one request.
#[derive(Clone, Copy)]
pub(crate) struct HistoryReader<'a> {
    pub(crate) state: &'a RecommendState,
    pub(crate) request: &'a SlateRequest,
    /// By which it is told what may be used, at the instant at which it is.
    pub(crate) context: ConsentContext<'a>,
    pub(crate) deadline: &'a Deadline,
    pub(crate) reach: Reach,
}

/// Why a history is not all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Something of it could not be read.
    Unread,
    /// There is more that would have mattered than is read.
    TooMuch,
}

/// A history, as far as it could be read.
pub(crate) struct HistoryRead {
    /// Evidence, and what else was read; `None` when not even that could be.
    pub(crate) history: Option<History>,
    /// Why it is not all that would have mattered, if so.
    pub(crate) missing: Option<Missing>,
}

impl HistoryReader<'_> {
    /// The history of a user of a domain; the newest events are read unless they are known.
    pub(crate) async fn read(
        self,
        (user, domain): (&Pseudonym, &DomainId),
        known: Option<History>,
    ) -> HistoryRead {
        let history = match known {
            Some(known) => Some(known),
            None => {
                let newest = self.state.stores.events.history(user, self.reach.newest);
                let newest = self.deadline.wait(Stage::FurtherReads, newest).await;
                answered("a history could not be read", newest)
            }
        };
        match history {
            Some(history) => self.read_on((user, domain), history).await,
            None => HistoryRead { history, missing: Some(Missing::Unread) },
        }
    }

    async fn read_on(
        self,
        (user, domain): (&Pseudonym, &DomainId),
        history: History,
    ) -> HistoryRead {
        let since = self.counts_as_seen_since(domain);
        let since = since.filter(|_| self.reach.older > 0);
        let cut = history.cut().zip(since).filter(|(cut, since)| cut.occurred_at >= *since);
        let Some((before, since)) = cut.map(|(cut, since)| (cut.clone(), since)) else {
            return HistoryRead { history: Some(history), missing: None };
        };
        let range = PastRange { before, since, limit: self.reach.older };
        let past = self.state.stores.events.past(user, &range);
        let past = self.deadline.wait(Stage::FurtherReads, past).await;
        match answered("older events could not be read", past) {
            Some(past) => {
                let history = Some(history.with_past(past.events));
                HistoryRead { history, missing: past.is_cut.then_some(Missing::TooMuch) }
            }
            None => HistoryRead { history: Some(history), missing: Some(Missing::Unread) },
        }
    }

    /// Since when events of a domain's user may keep its items from the slate; `None` when
    /// they do not by their definitions, or may not be used for it.
    fn counts_as_seen_since(self, domain: &DomainId) -> Option<Timestamp> {
        let request = self.request;
        let matters = request.personalised
            && request.targets.contains(domain)
            && may_use_evidence_of(domain, request, self.context);
        let definition = self.context.definitions.get(domain).filter(|_| matters);
        let days = definition?.longest_seen_days()?;
        let since = request.now.checked_sub(SignedDuration::from_hours(24 * i64::from(days)));
        Some(since.unwrap_or(Timestamp::MIN))
    }
}

/// What was answered in time.
pub(crate) fn answered<T>(failure: &'static str, answer: Option<StoreResult<T>>) -> Option<T> {
    match answer {
        Some(Ok(answer)) => return Some(answer),
        Some(Err(error)) => tracing::error!(%error, failure, "a read failed"),
        None => tracing::error!(failure, "a read took too long"),
    }
    None
}
