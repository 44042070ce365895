//! What a person can and will spend: made of [`EconomicEvidence`] alone, so there is none of it
//! unless the person lets it be told to the platform that asks.
//!
//! Amounts are exact decimals: quantiles are amounts that were paid, never means of them. Of a
//! platform that is not the caller's nothing is told but a level of prices in a word.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

use crate::entities::consent::EconomicEvidence;
use crate::entities::definition::{Currency, Step};
use crate::entities::event::Event;
use crate::entities::ids::DomainId;
use crate::maths::small_samples::{
    FEWEST_FOR_MEDIAN, Usual, difference, level, median, median_places, share,
};
use crate::serving::catalogue_facts::is_discounted;
use crate::serving::profile::evidence::{DomainEvents, Done, Evidence, KnownItem, Line, Measured};
use crate::serving::profile::{ProfileInputs, text};
use crate::serving::reason::Locale;

/// What a platform declares of its user's income, in a word of its own.
pub const INCOME_BAND: &str = "income_band";
/// Longest band that is told, in characters.
const MAX_BAND_CHARS: usize = 100;
/// Fewest items that were paid for before a price band is told.
pub const FEWEST_PAID: usize = 3;
/// The same where the caller does not act.
pub const FEWEST_PAID_ELSEWHERE: usize = 10;
/// Items in the middle of the catalogue's prices that a level begins with.
const LEVEL_WEIGHT: f64 = 4.0;
/// Fewest purchases that can be held against what was looked at.
pub const FEWEST_COMPARED: usize = 6;
/// What was looked at within so long before a purchase is held against it.
pub const LOOKED_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Fewest other items that must have been looked at then.
pub const FEWEST_LOOKED: usize = 2;
/// The newest purchases, and the last looks before each, that are held against each other: what
/// anybody remembers, and at most 10,000 comparisons.
const MOST_COMPARED: usize = 200;
const MOST_LOOKS: usize = 50;
/// Fewest items on each side whose list price is known before anything is said of discounts.
pub const FEWEST_WITH_LIST_PRICE: usize = 5;

/// What a person can and will spend in one domain.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Spending {
    /// What they pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_band: Option<Line<PriceBand>>,
    /// What they pay beside what they look at; absent unless it is less, or more, beyond chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_choice: Option<Line<PriceChoice>>,
    /// How they take to discounts; absent unless they do, or shun them, beyond chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discounts: Option<Line<Discounts>>,
    /// What the platform declares of their income.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub income: Option<Line<IncomeBand>>,
}

/// Where in a catalogue's prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceLevel {
    /// In the lower half, beyond doubt.
    Lower,
    /// About the middle: in its half, beyond doubt.
    Middle,
    /// In the upper half, beyond doubt.
    Upper,
}

/// What a person pays for an item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriceBand {
    /// Where their prices stand in the catalogue's; absent where the catalogue has too few, or
    /// where it cannot be told yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<PriceLevel>,
    /// The mean place, 0 below all of the catalogue's prices to 1 above all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Measured>,
    /// In money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amounts: Option<Amounts>,
}

/// Amounts that were paid for one item, of which free ones are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Amounts {
    /// The domain's currency.
    pub currency: Currency,
    /// A quarter of the items cost up to this.
    pub lower_quartile: Decimal,
    /// A half of them.
    pub median: Decimal,
    /// Lower end of the median's 95% interval; absent of fewer than [`FEWEST_FOR_MEDIAN`] items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_low: Option<Decimal>,
    /// Upper end of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_high: Option<Decimal>,
    /// Three quarters of them.
    pub upper_quartile: Decimal,
    /// How many items were paid for.
    pub items: usize,
}

/// What a person pays beside the median price of what they looked at before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriceChoice {
    /// The share of purchases below it; what costs the same counts half.
    pub below: Measured,
    /// The median of what was paid over it.
    pub ratio: Measured,
    /// How many purchases could be held against it.
    pub compared: usize,
}

/// How a person takes to discounts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Discounts {
    /// Of what they acquired, the share that was below its list price.
    pub acquired: Measured,
    /// Of how many items.
    pub acquired_items: usize,
    /// How many of them were.
    pub acquired_below: usize,
    /// Of what they looked at and did not acquire.
    pub looked: Measured,
    /// Of how many items.
    pub looked_items: usize,
    /// How many of them were.
    pub looked_below: usize,
    /// The first less the second.
    pub difference: Measured,
}

/// What a platform declares of its user's income.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncomeBand {
    /// In the platform's word.
    pub band: String,
}

/// What may be told, by domain, where there is something.
pub(super) fn by_domain<'a>(
    economic: &EconomicEvidence<'a>,
    inputs: &ProfileInputs<'a>,
) -> Vec<(&'a DomainId, Spending)> {
    let by_domain =
        DomainEvents::by_domain(economic.events(), inputs.definitions, inputs.catalogues);
    let locale = inputs.locale;
    let of = |events: &DomainEvents<'a>| match inputs.visible.contains(events.domain) {
        true => {
            let paid = paid(events);
            let price_choice = price_choice(events, &paid, locale);
            let (price_band, discounts) = (band(events, &paid, locale), discounts(events, locale));
            Spending { price_band, price_choice, discounts, income: None }
        }
        false => Spending { price_band: level_elsewhere(events, locale), ..Spending::default() },
    };
    let mut told: BTreeMap<&DomainId, Spending> =
        by_domain.iter().map(|events| (events.domain, of(events))).collect();
    if let Some(band) = economic.declared(INCOME_BAND).and_then(readable) {
        let finding = IncomeBand { band: band.to_owned() };
        let text = text::income(&finding, locale);
        let evidence = Evidence::of(inputs.display, []);
        told.entry(inputs.display).or_default().income = Some(Line { text, finding, evidence });
    }
    told.retain(|_, spending| *spending != Spending::default());
    told.into_iter().collect()
}

fn readable(band: &str) -> Option<&str> {
    let band = band.trim();
    (!band.is_empty() && band.chars().count() <= MAX_BAND_CHARS).then_some(band)
}

/// What was paid for something.
struct Paid<'a> {
    event: &'a Event,
    /// Its number.
    item: usize,
    amount: Decimal,
    category: Option<&'a str>,
}

/// What was paid, oldest first, of each item the last: what the event says, else what the item
/// costs now. What is free tells nothing of paying.
fn paid<'a>(events: &DomainEvents<'a>) -> Vec<Paid<'a>> {
    let mut last: Vec<Option<(usize, Paid<'a>)>> = Vec::new();
    last.resize_with(events.items.len(), || None);
    for (at, done) in events.done.iter().enumerate() {
        if !done.kind.is(Step::Acquired) {
            continue;
        }
        let named = done.event.value.filter(|_| done.kind.is_paid());
        let amount = named.or_else(|| done.details?.price).filter(|amount| *amount > Decimal::ZERO);
        if let Some(amount) = amount {
            let (event, item, category) = (done.event, done.item, first_category(done));
            last[item] = Some((at, Paid { event, item, amount, category }));
        }
    }
    let mut paid: Vec<(usize, Paid<'a>)> = last.into_iter().flatten().collect();
    paid.sort_unstable_by_key(|(at, _)| *at);
    paid.into_iter().map(|(_, paid)| paid).collect()
}

fn first_category<'a>(done: &Done<'a>) -> Option<&'a str> {
    done.details?.categories.first().map(String::as_str)
}

fn band(events: &DomainEvents<'_>, paid: &[Paid<'_>], locale: Locale) -> Option<Line<PriceBand>> {
    if paid.len() < FEWEST_PAID {
        return None;
    }
    let place = place(events, paid);
    let level = place.and_then(level_of);
    let currency = events.definition.currency;
    let finding = PriceBand { level, place, amounts: amounts(paid, currency) };
    let evidence = Evidence::of(events.domain, paid.iter().map(|paid| paid.event));
    Some(Line { text: text::price_band(&finding, locale), finding, evidence })
}

/// What is told of a platform that is not the caller's.
fn level_elsewhere(events: &DomainEvents<'_>, locale: Locale) -> Option<Line<PriceBand>> {
    let paid = paid(events);
    if paid.len() < FEWEST_PAID_ELSEWHERE {
        return None;
    }
    let level = level_of(place(events, &paid)?)?;
    let finding = PriceBand { level: Some(level), place: None, amounts: None };
    let evidence = Evidence::elsewhere(vec![events.domain.clone()]);
    let text = text::price_band(&finding, locale);
    Some(Line { text, finding, evidence })
}

fn place(events: &DomainEvents<'_>, paid: &[Paid<'_>]) -> Option<Measured> {
    let facts = events.catalogue?.facts();
    let places = paid.iter().map(|paid| facts.price_level(paid.amount));
    let places: Vec<f64> = places.collect::<Option<_>>()?;
    level(&places, LEVEL_WEIGHT).map(Measured::from)
}

fn level_of(place: Measured) -> Option<PriceLevel> {
    match place {
        place if place.high < 0.5 => Some(PriceLevel::Lower),
        place if place.low > 0.5 => Some(PriceLevel::Upper),
        place if place.low >= 0.25 && place.high <= 0.75 => Some(PriceLevel::Middle),
        _ => None,
    }
}

fn amounts(paid: &[Paid<'_>], currency: Currency) -> Option<Amounts> {
    let mut amounts: Vec<Decimal> = paid.iter().map(|paid| paid.amount).collect();
    amounts.sort_unstable();
    let [low, middle, high] = median_places(amounts.len())?;
    let is_enough = amounts.len() >= FEWEST_FOR_MEDIAN;
    // The nearest rank: an amount that was paid.
    let quartile = |quarters: usize| (amounts.len() * quarters).div_ceil(4).saturating_sub(1);
    Some(Amounts {
        currency,
        lower_quartile: amounts[quartile(1)],
        median: amounts[middle],
        median_low: is_enough.then(|| amounts[low]),
        median_high: is_enough.then(|| amounts[high]),
        upper_quartile: amounts[quartile(3)],
        items: amounts.len(),
    })
}

/// An item with a price that was looked at.
struct Look<'a> {
    at: Timestamp,
    /// The item's number.
    item: usize,
    price: Decimal,
    category: Option<&'a str>,
}

fn looks<'a>(events: &DomainEvents<'a>) -> Vec<Look<'a>> {
    let looked = events.done.iter().filter(|done| done.kind.is(Step::Looked));
    let look = |done: &Done<'a>| {
        let price = done.details?.price.filter(|price| *price > Decimal::ZERO)?;
        let (at, item) = (done.event.occurred_at, done.item);
        Some(Look { at, item, price, category: first_category(done) })
    };
    looked.filter_map(look).collect()
}

/// The median price of the other items of its category that were looked at before a purchase; of
/// an even number the lower one in the middle, which was a price.
fn looked_at(paid: &Paid<'_>, looks: &[Look<'_>]) -> Option<Decimal> {
    let until = looks.partition_point(|look| look.at <= paid.event.occurred_at);
    let since = paid.event.occurred_at.checked_sub(LOOKED_WITHIN).unwrap_or(Timestamp::MIN);
    let recent = looks[..until].iter().rev().take_while(|look| look.at >= since).take(MOST_LOOKS);
    let mut items = Vec::with_capacity(MOST_LOOKS);
    let mut prices: Vec<Decimal> = Vec::with_capacity(MOST_LOOKS);
    for look in recent {
        let is_like_it = paid.category.is_none() || look.category == paid.category;
        if look.item != paid.item && !items.contains(&look.item) && is_like_it {
            items.push(look.item);
            prices.push(look.price);
        }
    }
    prices.sort_unstable();
    (prices.len() >= FEWEST_LOOKED).then(|| prices[(prices.len() - 1) / 2])
}

fn price_choice(
    events: &DomainEvents<'_>,
    paid: &[Paid<'_>],
    locale: Locale,
) -> Option<Line<PriceChoice>> {
    let looks = looks(events);
    let (mut below, mut ratios, mut compared) = (0.0, Vec::new(), Vec::new());
    for paid in paid.iter().rev().take(MOST_COMPARED) {
        let Some(usual) = looked_at(paid, &looks) else { continue };
        let Some(ratio) = paid.amount.checked_div(usual).and_then(|ratio| ratio.to_f64()) else {
            continue;
        };
        below += match paid.amount.cmp(&usual) {
            std::cmp::Ordering::Less => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Greater => 0.0,
        };
        ratios.push(ratio);
        compared.push(paid.event);
    }
    if compared.len() < FEWEST_COMPARED {
        return None;
    }
    let usual = Usual { share: 0.5, weight: 2.0 };
    let below = share(below, compared.len() as f64, usual);
    if (below.low..=below.high).contains(&0.5) {
        return None;
    }
    let finding = PriceChoice {
        below: below.into(),
        ratio: median(&mut ratios)?.into(),
        compared: compared.len(),
    };
    let evidence = Evidence::of(events.domain, compared);
    Some(Line { text: text::price_choice(&finding, locale), finding, evidence })
}

fn discounts(events: &DomainEvents<'_>, locale: Locale) -> Option<Line<Discounts>> {
    let below = |(_, details): &KnownItem<'_>| details.and_then(is_discounted);
    let below: Vec<Option<bool>> = events.items.iter().map(below).collect();
    // Of each item: whether it was acquired, where it counts.
    let mut known: Vec<Option<bool>> = vec![None; below.len()];
    let is_held = |done: &&Done<'_>| done.kind.is(Step::Acquired) || done.kind.is(Step::Looked);
    for done in events.done.iter().filter(is_held) {
        if below[done.item].is_some() {
            *known[done.item].get_or_insert(false) |= done.kind.is(Step::Acquired);
        }
    }
    let of = |acquired: bool| {
        let side = known.iter().zip(&below).filter(|(known, _)| **known == Some(acquired));
        let items = side.clone().count();
        let below = side.filter(|(_, is_below)| **is_below == Some(true)).count();
        let spread = || share(below as f64, items as f64, Usual::UNKNOWN);
        (items >= FEWEST_WITH_LIST_PRICE).then(|| (spread(), items, below))
    };
    let (acquired, acquired_items, acquired_below) = of(true)?;
    let (looked, looked_items, looked_below) = of(false)?;
    let gap = difference(acquired, looked);
    if gap.low <= 0.0 && gap.high >= 0.0 {
        return None;
    }
    let finding = Discounts {
        acquired: acquired.into(),
        acquired_items,
        acquired_below,
        looked: looked.into(),
        looked_items,
        looked_below,
        difference: gap.into(),
    };
    let held = events.done.iter().filter(is_held).map(|done| done.event);
    let evidence = Evidence::of(events.domain, held);
    Some(Line { text: text::discounts(&finding, locale), finding, evidence })
}
