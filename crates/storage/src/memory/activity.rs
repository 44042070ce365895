//! Activity in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use crossfold_core::entities::activity::{Activity, DomainDay, INTAKES};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{ActivityStore, StoreResult};
use jiff::civil::Date;

use super::lock;

/// [`ActivityStore`] in memory.
#[derive(Default)]
pub struct MemoryActivity(Mutex<BTreeMap<(Date, DomainId), Activity>>);

#[async_trait]
impl ActivityStore for MemoryActivity {
    async fn add(&self, day: Date, domain: &DomainId, activity: &Activity) -> StoreResult<()> {
        let mut days = lock(&self.0);
        let sum = days.entry((day, domain.clone())).or_default();
        for kind in INTAKES {
            let replaces = activity.intake(kind).is_some_and(|new| !new.last_refused.is_empty());
            if let Some(intake) = sum.intake_mut(kind).filter(|_| replaces) {
                intake.last_refused.clear();
            }
        }
        sum.add(activity.clone());
        Ok(())
    }

    async fn since(&self, day: Date) -> StoreResult<Vec<DomainDay>> {
        let days = lock(&self.0);
        let later = days.iter().filter(|((of, _), _)| *of >= day);
        let read = |((day, domain), activity): (&(Date, DomainId), &Activity)| DomainDay {
            day: *day,
            domain: domain.clone(),
            activity: activity.clone(),
        };
        Ok(later.map(read).collect())
    }
}
