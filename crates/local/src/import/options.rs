//! The command line's options, as the import works with them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use crossfold_core::entities::ids::EventType;
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::dialect::separator_named;
use super::encoding;
use super::ratings::{RatingRule, middle};
use super::reading::ReadingOptions;
use super::survey::{EventFigures, RowOptions};
use super::times::{DateOrder, zone_named};
use crate::args::{DateOrderArg, ImportArgs};

/// The event type of rows that name none.
const DEFAULT_TYPE: &str = "interaction";
/// The type of a rating that tells for its item.
const LIKE: &str = "like";
/// The type of a rating that tells against its item.
const DISLIKE: &str = "dislike";
/// What `--rating-below` says for passing low ratings over.
const PASSED_OVER: &str = "none";

/// The options.
pub(crate) struct Options {
    /// How files and rows are read.
    pub(crate) rows: RowOptions,
    /// The zone of times without one, as it was named.
    pub(crate) zone_name: String,
    /// Types for names of the file.
    pub(crate) type_names: Vec<(String, EventType)>,
    /// The type of rows that name none.
    pub(crate) default_type: EventType,
    /// The least rating that tells for an item; `None`: the middle of the file's scale.
    rating_min: Option<Decimal>,
    /// What a lower rating is an event of, if it is said.
    rating_below: Option<EventType>,
    /// Whether the rows' type was said, so that ratings do not decide it.
    is_type_said: bool,
    /// Where refused rows go, if it is said.
    pub(crate) refused: Option<PathBuf>,
    /// What of the options decides which events a row becomes.
    pub(crate) fingerprint: String,
}

impl Options {
    /// Reads the options.
    ///
    /// # Errors
    /// When one of them cannot be understood.
    pub(crate) fn of(args: &ImportArgs, now: Timestamp) -> Result<Self> {
        let count = args.files.len() + args.interactions.len() + args.items.len();
        if count > 1 && args.refused.is_some() {
            bail!(
                "--refused names one file, and refused rows of several files are of several shapes; leave it out, and they go beside each file"
            );
        }
        let rows = row_options(args, now)?;
        let zone = args.timezone.as_str();
        let type_names = pairs("--event-type", &args.event_type)?
            .into_iter()
            .map(|(name, to)| Ok((name, EventType::parse(&to)?)))
            .collect::<Result<Vec<_>>>()?;
        let default_type = match &args.type_name {
            Some(name) => name.clone(),
            None => default_type()?,
        };
        Ok(Self {
            fingerprint: format!(
                "{:?}",
                (
                    &rows.reading,
                    zone,
                    args.date_order,
                    args.default_time.as_deref(),
                    &type_names,
                    &args.type_name,
                    args.rating_min,
                    &args.rating_below,
                    &args.domain
                )
            ),
            rows,
            zone_name: zone.to_owned(),
            type_names,
            default_type,
            rating_min: args.rating_min,
            rating_below: args.rating_below.clone(),
            is_type_said: args.type_name.is_some(),
            refused: args.refused.clone(),
        })
    }

    /// The types that rows of a file get which name none.
    pub(crate) fn own_types(
        &self,
        events: &EventFigures,
        defined: Option<&BTreeSet<EventType>>,
    ) -> Vec<EventType> {
        match self.rating_rule(events, defined) {
            Some(rule) => [rule.above].into_iter().chain(rule.below).collect(),
            None if events.are_typed() => Vec::new(),
            None => vec![self.default_type.clone()],
        }
    }

    /// What the ratings of a file are evidence of, if it has ratings and no types.
    pub(crate) fn rating_rule(
        &self,
        events: &EventFigures,
        defined: Option<&BTreeSet<EventType>>,
    ) -> Option<RatingRule> {
        let (low, high) = (events.ratings.first_key_value()?.0, events.ratings.last_key_value()?.0);
        if !events.types.is_empty() {
            return None;
        }
        let min = self.rating_min.unwrap_or_else(|| middle(*low, *high));
        let like = EventType::parse(LIKE).ok()?;
        // A domain that was defined before files had ratings has the type of other rows.
        let is_known = defined.is_none_or(|defined| defined.contains(&like));
        let above = if self.is_type_said || !is_known { self.default_type.clone() } else { like };
        let dislike = EventType::parse(DISLIKE).ok()?;
        let below = match &self.rating_below {
            Some(name) if name.as_str() == PASSED_OVER => None,
            Some(name) => Some(name.clone()),
            // As it will be defined, or is: else a low rating would count as liking.
            None => defined.is_none_or(|defined| defined.contains(&dislike)).then_some(dislike),
        };
        Some(RatingRule { min, above, below })
    }
}

/// The event type of rows that name none, unless another is said.
///
/// # Errors
/// None that can be met.
pub(crate) fn default_type() -> Result<EventType> {
    Ok(EventType::parse(DEFAULT_TYPE)?)
}

/// How files and rows are read.
fn row_options(args: &ImportArgs, now: Timestamp) -> Result<RowOptions> {
    let quote = match args.quote.as_deref() {
        None => None,
        Some("none") => Some(None),
        Some(one) if one.len() == 1 => Some(Some(one.as_bytes()[0])),
        Some(_) => bail!("--quote takes one character, or none"),
    };
    let reading = ReadingOptions {
        entry: args.entry.clone(),
        encoding: args.encoding.as_deref().map(encoding::named).transpose()?,
        separator: args.separator.as_deref().map(separator_named).transpose()?,
        quote,
        columns: args.columns.as_deref().map(columns),
        map: pairs("--map", &args.map)?,
    };
    let default_time = args.default_time.as_deref().map(|text| {
        text.parse().with_context(|| format!("--default-time {text} is no RFC 3339 time"))
    });
    Ok(RowOptions {
        reading,
        zone: zone_named(&args.timezone)?,
        order: args.date_order.map(|order| match order {
            DateOrderArg::Dmy => DateOrder::DayFirst,
            DateOrderArg::Mdy => DateOrder::MonthFirst,
        }),
        default_time: default_time.transpose()?,
        now,
    })
}

fn columns(text: &str) -> Vec<String> {
    let names = text.split(',').map(|name| name.trim());
    // A column that is left out has no name.
    names.map(|name| if name == "-" { String::new() } else { name.to_owned() }).collect()
}

/// `a=b`, some times.
fn pairs(option: &str, texts: &[String]) -> Result<Vec<(String, String)>> {
    texts
        .iter()
        .map(|text| {
            let (left, right) = text
                .rsplit_once('=')
                .filter(|(left, right)| !left.is_empty() && !right.is_empty())
                .with_context(|| format!("{option} {text} is not like NAME=NAME"))?;
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect()
}
