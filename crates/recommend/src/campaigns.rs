//! Campaigns at work: what events triggered and `crossfold_ingest` ordered is told to the platform
//! whose user it is for, once it is due.
//!
//! A table's stream tells of each new order at once; what is not due then, or could not be done,
//! is found by the look that a schedule takes from time to time. An order stands until it is
//! settled, so nothing hangs on the stream: it only makes it quick.

mod segments;
mod telling;

use std::sync::Arc;
use std::time::Duration;

use crossfold_core::entities::activity::{Activity, Pushes};
use crossfold_core::entities::ids::{DomainId, PushOrderId};
use crossfold_core::entities::ports::{PushChannel, StoreError, StoreResult};
use crossfold_core::entities::push::PushOrder;
use crossfold_storage::aws::changes::StreamRecord;
use crossfold_storage::pushes;
use crossfold_storage::records;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::campaigns::telling::Telling;
use crate::state::RecommendState;

/// Orders that are carried out at the same time.
const CONCURRENT_ORDERS: usize = 8;
/// Orders that are looked up at once.
const PAGE: usize = 100;
/// How long a look goes on to look for more: less than the function has, by what is under way then.
const TIME_OF_LOOK: Duration = Duration::from_secs(40);

/// What wakes the campaign function.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum CampaignCall {
    /// The stream of the table with the orders.
    Stream {
        /// Its records.
        #[serde(rename = "Records")]
        records: Vec<StreamRecord>,
    },
    /// The schedule.
    Schedule {
        /// What is to be done.
        trigger: CampaignWork,
    },
}

/// What a schedule may order of the campaign function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignWork {
    /// To carry out all that is due.
    Due,
}

/// What became of orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CarriedOut {
    /// Users who were told of something.
    pub told: usize,
    /// Orders of which it turned out that the user is not to be told.
    pub not_told: usize,
    /// Orders that are due later.
    pub later: usize,
    /// Orders that stand as they are, for a store failed.
    pub failed: usize,
    /// No record of a stream is to be told again: what failed is found by the next look.
    #[serde(rename = "batchItemFailures")]
    pub batch_item_failures: [(); 0],
}

/// Carries out what campaigns ordered.
#[derive(Clone)]
pub struct Campaigns {
    state: RecommendState,
    channel: Arc<dyn PushChannel>,
}

impl Campaigns {
    /// Over what slates are made with, handing pushes to a channel.
    #[must_use]
    pub fn new(state: RecommendState, channel: Arc<dyn PushChannel>) -> Self {
        Self { state, channel }
    }

    /// Does what a trigger asks for.
    ///
    /// # Errors
    /// When what is due cannot be looked up. What is found and cannot be carried out stands, and
    /// is found again.
    pub async fn handle(&self, trigger: CampaignCall) -> StoreResult<CarriedOut> {
        let done = match trigger {
            CampaignCall::Stream { records } => self.carry_out_new(&records).await,
            CampaignCall::Schedule { trigger: CampaignWork::Due } => self.carry_out_due().await?,
        };
        self.state.activity.write().await;
        if done.failed > 0 && done.told + done.not_told + done.later == 0 {
            // For the alarm of the function: nothing at all can be done.
            let why = format!("none of {} pushes could be carried out", done.failed);
            return Err(StoreError::Unavailable(why.into()));
        }
        Ok(done)
    }

    /// Carries out what a stream tells was ordered, as far as it is due.
    pub async fn carry_out_new(&self, new: &[StreamRecord]) -> CarriedOut {
        let mut orders = Vec::new();
        for record in new {
            match record.created::<PushOrder>() {
                Ok(Some(id)) => orders.push(id),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "an order of a push cannot be told"),
            }
        }
        self.carry_out(orders).await
    }

    /// Carries out all that is due, the first first, as far as there is time. What fails keeps
    /// nothing behind it from its turn.
    ///
    /// # Errors
    /// When it cannot be looked up.
    pub async fn carry_out_due(&self) -> StoreResult<CarriedOut> {
        let began = self.state.machine.stopwatch.read();
        let (mut all, mut after) = (CarriedOut::default(), None::<String>);
        loop {
            let now = self.state.machine.clock.now();
            let from = (after.as_deref(), now);
            let due = pushes::due(&*self.state.stores.records, from, PAGE).await?;
            let orders = due.orders.into_iter().map(|(id, _)| id).collect();
            all.add(self.carry_out(orders).await);
            after = due.next;
            let elapsed = self.state.machine.stopwatch.read().since(began);
            if after.is_none() || elapsed > TIME_OF_LOOK {
                return Ok(all);
            }
        }
    }

    /// Carries out orders; those of which there is no time to begin with stand.
    async fn carry_out(&self, orders: Vec<PushOrderId>) -> CarriedOut {
        let each: Vec<_> = orders.iter().map(|id| self.carry_out_one(id)).collect();
        let each = stream::iter(each).buffer_unordered(CONCURRENT_ORDERS);
        let each: Vec<CarriedOut> =
            each.take_until(tokio::time::sleep(TIME_OF_LOOK)).collect().await;
        let mut all = CarriedOut::default();
        each.into_iter().for_each(|done| all.add(done));
        all
    }

    async fn carry_out_one(&self, id: &PushOrderId) -> CarriedOut {
        let order = match records::get::<PushOrder>(&*self.state.stores.records, id).await {
            Ok(Some(order)) => order,
            // Somebody else carried it out, or its user was erased.
            Ok(None) => return CarriedOut::default(),
            Err(error) => return failed(&error),
        };
        let domain = order.domain.clone();
        // Several are under way at once, each as large as a request for a slate.
        match Box::pin(self.tell((id, order))).await {
            Ok(Telling::Done) => {
                self.count(&domain, Pushes { told: 1, ..Pushes::default() }).await;
                CarriedOut { told: 1, ..CarriedOut::default() }
            }
            Ok(Telling::Not(why)) => {
                let not_told = [(why.code().to_owned(), 1)].into();
                self.count(&domain, Pushes { not_told, ..Pushes::default() }).await;
                CarriedOut { not_told: 1, ..CarriedOut::default() }
            }
            Ok(Telling::Later) => CarriedOut { later: 1, ..CarriedOut::default() },
            Err(error) => failed(&error),
        }
    }

    async fn count(&self, domain: &DomainId, pushes: Pushes) {
        self.state.activity.note(domain, Activity { pushes, ..Activity::default() }).await;
    }
}

fn failed(error: &dyn std::fmt::Display) -> CarriedOut {
    tracing::error!(%error, "a push could not be carried out, and is tried again");
    CarriedOut { failed: 1, ..CarriedOut::default() }
}

impl CarriedOut {
    fn add(&mut self, other: Self) {
        self.told += other.told;
        self.not_told += other.not_told;
        self.later += other.later;
        self.failed += other.failed;
    }
}

#[cfg(test)]
mod tests;
