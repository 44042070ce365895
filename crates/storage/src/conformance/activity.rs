use crossfold_core::entities::activity::{Activity, RefusedElement, Slates};
use crossfold_core::entities::ids::DomainId;
use crossfold_core::entities::ports::{StoreError, Stores};
use jiff::Timestamp;
use jiff::civil::{Date, date};

use super::{Held, checks, hold, together, unique_domain};

checks! { "activity":
    racing_additions_all_count,
    the_last_refusals_replace_those_of_their_kind,
    days_are_told_in_order_from_a_day_on,
}

const DAY: Date = date(2026, 6, 1);

async fn of_domain(
    stores: &Stores,
    domain: &DomainId,
    since: Date,
) -> Result<Vec<(Date, Activity)>, StoreError> {
    let days = stores.activity.since(since).await?.into_iter();
    Ok(days.filter(|day| day.domain == *domain).map(|day| (day.day, day.activity)).collect())
}

fn refused(index: usize, code: &str) -> RefusedElement {
    RefusedElement::new(Timestamp::UNIX_EPOCH, index, code, "为什么 \"x\"")
}

async fn racing_additions_all_count(stores: &Stores) -> Held {
    const RACERS: u64 = 16;
    let domain = unique_domain();
    let calls = (0..RACERS).map(|_| {
        let (store, domain) = (stores.activity.clone(), domain.clone());
        async move {
            let mut one = Activity::default();
            one.events.accepted = 3;
            one.events.refuse(refused(1, "invalid_id"));
            one.slates = Slates {
                served: 2,
                degraded: [("no_model".to_owned(), 1)].into(),
                ..Slates::default()
            };
            store.add(DAY, &domain, &one).await
        }
    });
    together(calls).await?;
    let days = of_domain(stores, &domain, DAY).await?;
    hold!(days.len() == 1, "{} days were told", days.len());
    let (_, sum) = &days[0];
    hold!(sum.events.accepted == 3 * RACERS, "{} events", sum.events.accepted);
    let invalid = sum.events.refused.get("invalid_id");
    hold!(invalid == Some(&RACERS), "{invalid:?} refused");
    hold!(sum.slates.served == 2 * RACERS, "{} slates", sum.slates.served);
    let degraded = sum.slates.degraded.get("no_model");
    hold!(degraded == Some(&RACERS), "{degraded:?} degraded");
    Ok(())
}

async fn the_last_refusals_replace_those_of_their_kind(stores: &Stores) -> Held {
    let domain = unique_domain();
    let mut first = Activity::default();
    first.events.refuse(refused(1, "invalid_id"));
    first.items.refuse(refused(2, "invalid_item"));
    stores.activity.add(DAY, &domain, &first).await?;
    let mut second = Activity::default();
    second.events.refuse(refused(3, "invalid_value"));
    stores.activity.add(DAY, &domain, &second).await?;
    // Counts alone replace nothing.
    let mut third = Activity::default();
    third.items.accepted = 1;
    stores.activity.add(DAY, &domain, &third).await?;
    let days = of_domain(stores, &domain, DAY).await?;
    hold!(days.len() == 1, "{} days were told", days.len());
    let (_, sum) = &days[0];
    hold!(sum.events.last_refused == second.events.last_refused, "{:?}", sum.events.last_refused);
    hold!(sum.items.last_refused == first.items.last_refused, "{:?}", sum.items.last_refused);
    let both: u64 = sum.events.refused.values().sum();
    hold!(both == 2, "{both} events were refused");
    Ok(())
}

async fn days_are_told_in_order_from_a_day_on(stores: &Stores) -> Held {
    let domain = unique_domain();
    let mut one = Activity::default();
    one.slates.served = 1;
    for day in [date(2026, 6, 10), date(2026, 6, 2), date(2026, 5, 31)] {
        stores.activity.add(day, &domain, &one).await?;
    }
    let days: Vec<Date> = of_domain(stores, &domain, date(2026, 6, 1))
        .await?
        .into_iter()
        .map(|(day, _)| day)
        .collect();
    hold!(days == [date(2026, 6, 2), date(2026, 6, 10)], "told were {days:?}");
    Ok(())
}
