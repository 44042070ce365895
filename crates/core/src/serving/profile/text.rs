//! Lines of a profile in words.

use crate::entities::counted;
use crate::serving::profile::active_times::{ActiveHours, ActiveWeekdays};
use crate::serving::profile::completion::Completion;
use crate::serving::profile::described::{SegmentOfPerson, TopicOfPerson};
use crate::serving::profile::evidence::Evidence;
use crate::serving::profile::expected::Expected;
use crate::serving::profile::interests::{CategoryInterest, ItemInterest, PreferredFormat};
use crate::serving::profile::sessions::{Pace, Sessions};
use crate::serving::profile::spending::{
    Discounts, IncomeBand, PriceBand, PriceChoice, PriceLevel,
};
use crate::serving::reason::Locale;

/// A share in whole percent.
fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

/// A number to one decimal.
fn tenths(number: f64) -> String {
    format!("{number:.1}")
}

/// The clock, where it is not the user's own.
fn clock(utc_offset: &str, locale: Locale) -> String {
    match (utc_offset, locale) {
        ("+00:00", Locale::English) => " (UTC)".to_owned(),
        ("+00:00", Locale::Chinese) => "（UTC）".to_owned(),
        _ => String::new(),
    }
}

pub(super) fn category(finding: &CategoryInterest, locale: Locale) -> String {
    let CategoryInterest { category, catalogue_share, items, of_items, .. } = finding;
    let usual = percent(*catalogue_share);
    match locale {
        Locale::English => format!(
            "Turns to “{category}”: {items} of the {} that they chose, {usual} of the catalogue",
            counted::of(*of_items as u64, "item")
        ),
        Locale::Chinese => {
            format!("关注“{category}”：所选{of_items}项中占{items}项，占目录的{usual}")
        }
    }
}

pub(super) fn item(finding: &ItemInterest, evidence: &Evidence, locale: Locale) -> String {
    let (title, events) = (&finding.title, evidence.events.unwrap_or_default());
    match locale {
        Locale::English => {
            format!("Turned to “{title}”: {}", counted::of(events as u64, "event"))
        }
        Locale::Chinese => format!("关注过《{title}》：{events}次行为"),
    }
}

pub(super) fn format(finding: &PreferredFormat, locale: Locale) -> String {
    let PreferredFormat { format, catalogue_share, items, with_it, .. } = finding;
    let usual = percent(*catalogue_share);
    match locale {
        Locale::English => format!(
            "Prefers “{format}”: {with_it} of the {} that they chose, {usual} of the catalogue",
            counted::of(*items as u64, "item")
        ),
        Locale::Chinese => {
            format!("偏好“{format}”形式：所选{items}项中占{with_it}项，占目录的{usual}")
        }
    }
}

pub(super) fn segment(finding: &SegmentOfPerson, locale: Locale) -> String {
    let SegmentOfPerson { name, share, .. } = finding;
    let share = percent(*share);
    match locale {
        Locale::English => format!("Behaves like {share} of people here: {name}"),
        Locale::Chinese => format!("与本平台{share}的用户行为相似：{name}"),
    }
}

pub(super) fn topic(finding: &TopicOfPerson, locale: Locale) -> String {
    let TopicOfPerson { name, share, .. } = finding;
    let share = percent(*share);
    match locale {
        Locale::English => {
            format!("The model puts {share} of what they like under the topic {name}")
        }
        Locale::Chinese => format!("模型将其喜好的{share}归入主题：{name}"),
    }
}

pub(super) fn expected(finding: &Expected, locale: Locale) -> String {
    let Expected { category, share, catalogue_share, .. } = finding;
    let (share, usual) = (percent(*share), percent(*catalogue_share));
    match locale {
        Locale::English => format!(
            "Likely to turn to “{category}”: {share} of what the model rates highest for them, \
             {usual} of the catalogue"
        ),
        Locale::Chinese => {
            format!("可能关注“{category}”：占模型评分最高内容的{share}，占目录的{usual}")
        }
    }
}

pub(super) fn active_hours(finding: &ActiveHours, locale: Locale) -> String {
    let ActiveHours { from_hour, until_hour, within, sessions, utc_offset, .. } = finding;
    let clock = clock(utc_offset, locale);
    match locale {
        Locale::English => format!(
            "Mostly active from {from_hour}:00 to {until_hour}:00{clock}: {within} of {sessions} \
             sessions"
        ),
        Locale::Chinese => {
            format!(
                "多在{from_hour}:00至{until_hour}:00活跃{clock}：{sessions}次会话中的{within}次"
            )
        }
    }
}

const DAYS: [&str; 7] =
    ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"];
const DAYS_IN_CHINESE: [&str; 7] = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];

pub(super) fn active_weekdays(finding: &ActiveWeekdays, locale: Locale) -> String {
    let ActiveWeekdays { weekdays, weekend, days, weekend_days, utc_offset } = finding;
    let clock = clock(utc_offset, locale);
    let named = |names: [&'static str; 7], between: &str| {
        let name = |day: &u8| names.get(usize::from(*day).wrapping_sub(1)).copied();
        weekdays.iter().filter_map(name).collect::<Vec<_>>().join(between)
    };
    let is_weekend = weekend.low > 2.0 / 7.0;
    match (locale, weekdays.is_empty()) {
        (Locale::English, false) => {
            format!("Mostly active on {}{clock}, of {days} days", named(DAYS, " and "))
        }
        (Locale::English, true) => {
            let when = if is_weekend { "at weekends" } else { "on working days" };
            format!("Mostly active {when}{clock}: {weekend_days} of {days} days are at weekends")
        }
        (Locale::Chinese, false) => {
            format!("多在{}活跃{clock}（共{days}天）", named(DAYS_IN_CHINESE, "、"))
        }
        (Locale::Chinese, true) => {
            let when = if is_weekend { "周末" } else { "工作日" };
            format!("多在{when}活跃{clock}：{days}天中{weekend_days}天为周末")
        }
    }
}

pub(super) fn sessions(finding: &Sessions, locale: Locale) -> String {
    let Sessions { minutes, measured, .. } = finding;
    let minutes = tenths(minutes.value);
    match locale {
        Locale::English => {
            let sessions = counted::of(*measured as u64, "session");
            format!("Half of the {sessions} whose length is known last up to {minutes} minutes")
        }
        Locale::Chinese => format!("时长已知的{measured}次会话中，一半不超过{minutes}分钟"),
    }
}

pub(super) fn pace(finding: &Pace, locale: Locale) -> String {
    let comes = how_often(finding.sessions_per_week.value, locale);
    let days = finding.days_to_complete.map(|days| tenths(days.value));
    match (locale, days) {
        (_, None) => comes,
        (Locale::English, Some(days)) => format!("{comes} and finishes in {days} days"),
        (Locale::Chinese, Some(days)) => format!("{comes}，通常{days}天完成"),
    }
}

/// In the unit of time in which there is something to count.
fn how_often(a_week: f64, locale: Locale) -> String {
    let a_year = a_week * 365.25 / 7.0;
    match (locale, a_week >= 0.5, a_year >= 0.5) {
        (Locale::English, true, _) => format!("Comes {} times a week", tenths(a_week)),
        (Locale::English, false, true) => format!("Comes {} times a year", tenths(a_year)),
        (Locale::English, false, false) => "Comes less than once in two years".to_owned(),
        (Locale::Chinese, true, _) => format!("每周活跃{}次", tenths(a_week)),
        (Locale::Chinese, false, true) => format!("每年活跃{}次", tenths(a_year)),
        (Locale::Chinese, false, false) => "两年内活跃不到一次".to_owned(),
    }
}

pub(super) fn completion(finding: &Completion, locale: Locale) -> String {
    let Completion { completed, started, open, .. } = finding;
    match (locale, open) {
        (Locale::English, 0) => format!("Finished {completed} of {started} started"),
        (Locale::English, open) => {
            format!("Finished {completed} of {started} started; {open} more open")
        }
        (Locale::Chinese, 0) => format!("开始的{started}项中完成了{completed}项"),
        (Locale::Chinese, open) => {
            format!("开始的{started}项中完成了{completed}项，另有{open}项进行中")
        }
    }
}

pub(super) fn price_band(finding: &PriceBand, locale: Locale) -> String {
    let level = finding.level.map(|level| match (locale, level) {
        (Locale::English, PriceLevel::Lower) => "Pays prices in the lower half of the catalogue",
        (Locale::English, PriceLevel::Middle) => "Pays prices about the middle of the catalogue",
        (Locale::English, PriceLevel::Upper) => "Pays prices in the upper half of the catalogue",
        (Locale::Chinese, PriceLevel::Lower) => "消费处于目录价格的下半部分",
        (Locale::Chinese, PriceLevel::Middle) => "消费处于目录价格的中间水平",
        (Locale::Chinese, PriceLevel::Upper) => "消费处于目录价格的上半部分",
    });
    let amounts = finding.amounts.as_ref().map(|amounts| {
        let (low, high) = (amounts.lower_quartile, amounts.upper_quartile);
        let (currency, items) = (amounts.currency, amounts.items);
        match locale {
            Locale::English => {
                format!("half of what they bought cost {currency} {low} to {high} ({items} items)")
            }
            Locale::Chinese => {
                format!("购买的一半在{currency} {low}至{high}之间（共{items}项）")
            }
        }
    });
    let parts: Vec<String> = level.map(str::to_owned).into_iter().chain(amounts).collect();
    let text = parts.join(if locale == Locale::English { "; " } else { "；" });
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

pub(super) fn price_choice(finding: &PriceChoice, locale: Locale) -> String {
    let PriceChoice { below, compared, .. } = finding;
    match (locale, below.low > 0.5) {
        (Locale::English, is_below) => {
            let side = if is_below { "below" } else { "above" };
            format!("Pays {side} what they look at ({compared} purchases)")
        }
        (Locale::Chinese, is_below) => {
            let side = if is_below { "低于" } else { "高于" };
            format!("支付价格{side}其浏览商品的中位价（{compared}次购买）")
        }
    }
}

pub(super) fn discounts(finding: &Discounts, locale: Locale) -> String {
    let Discounts { acquired_items: bought, acquired_below: below, .. } = finding;
    let Discounts { looked_items: looked, looked_below, difference, .. } = finding;
    match (locale, difference.value > 0.0) {
        (Locale::English, is_more) => {
            let verb = if is_more { "Takes to" } else { "Does without" };
            format!(
                "{verb} discounts: {below} of the {bought} items that they bought had one, \
                 {looked_below} of the {looked} that they only looked at"
            )
        }
        (Locale::Chinese, is_more) => {
            let verb = if is_more { "青睐" } else { "不看重" };
            format!(
                "{verb}折扣：购买的{bought}项中{below}项有折扣，仅浏览的{looked}项中{looked_below}项有折扣"
            )
        }
    }
}

pub(super) fn income(finding: &IncomeBand, locale: Locale) -> String {
    match locale {
        Locale::English => format!("Declared income: {}", finding.band),
        Locale::Chinese => format!("申报收入：{}", finding.band),
    }
}
