//! Lines of a profile in words.

use crate::entities::counted;
use crate::serving::profile::active_times::{ActiveHours, ActiveWeekdays};
use crate::serving::profile::completion::Completion;
use crate::serving::profile::described::{SegmentOfPerson, TopicOfPerson};
use crate::serving::profile::evidence::{Evidence, Measured};
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
    let CategoryInterest { category, share, catalogue_share, items } = finding;
    let (share, usual) = (percent(share.value), percent(*catalogue_share));
    match locale {
        Locale::English => format!(
            "Turns to “{category}”: {share} of what they choose ({}), {usual} of the catalogue",
            counted::of(*items as u64, "item")
        ),
        Locale::Chinese => {
            format!("关注“{category}”：占其选择的{share}（{items}项），占目录的{usual}")
        }
    }
}

pub(super) fn item(finding: &ItemInterest, evidence: &Evidence, locale: Locale) -> String {
    let (title, events) = (&finding.title, evidence.events);
    match locale {
        Locale::English => {
            format!("Turned to “{title}”: {}", counted::of(events as u64, "event"))
        }
        Locale::Chinese => format!("关注过《{title}》：{events}次行为"),
    }
}

pub(super) fn format(finding: &PreferredFormat, locale: Locale) -> String {
    let PreferredFormat { format, share, catalogue_share, .. } = finding;
    let (share, usual) = (percent(share.value), percent(*catalogue_share));
    match locale {
        Locale::English => {
            format!("Prefers “{format}”: {share} of what they choose, {usual} of the catalogue")
        }
        Locale::Chinese => format!("偏好“{format}”形式：占其选择的{share}，占目录的{usual}"),
    }
}

pub(super) fn segment(finding: &SegmentOfPerson, locale: Locale) -> String {
    let SegmentOfPerson { name, share, .. } = finding;
    let share = percent(*share);
    match locale {
        Locale::English => format!("One of the {share} of people here called “{name}”"),
        Locale::Chinese => format!("属于“{name}”用户群（占本平台用户的{share}）"),
    }
}

pub(super) fn topic(finding: &TopicOfPerson, locale: Locale) -> String {
    let TopicOfPerson { name, share, .. } = finding;
    let share = percent(*share);
    match locale {
        Locale::English => format!("Likes the topic “{name}”: {share} of their items"),
        Locale::Chinese => format!("喜欢主题“{name}”：占其内容的{share}"),
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
    let ActiveHours { from_hour, until_hour, share, sessions, utc_offset, .. } = finding;
    let (share, clock) = (percent(share.value), clock(utc_offset, locale));
    match locale {
        Locale::English => format!(
            "Mostly active from {from_hour}:00 to {until_hour}:00{clock}: {share} of {sessions} \
             sessions"
        ),
        Locale::Chinese => {
            format!("多在{from_hour}:00至{until_hour}:00活跃{clock}：占{sessions}次会话的{share}")
        }
    }
}

const DAYS: [&str; 7] =
    ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"];
const DAYS_IN_CHINESE: [&str; 7] = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];

pub(super) fn active_weekdays(finding: &ActiveWeekdays, locale: Locale) -> String {
    let ActiveWeekdays { weekdays, weekend, days, utc_offset } = finding;
    let (share, clock) = (percent(weekend.value), clock(utc_offset, locale));
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
            format!("Mostly active {when}{clock}: {share} of {days} days are at weekends")
        }
        (Locale::Chinese, false) => {
            format!("多在{}活跃{clock}（共{days}天）", named(DAYS_IN_CHINESE, "、"))
        }
        (Locale::Chinese, true) => {
            let when = if is_weekend { "周末" } else { "工作日" };
            format!("多在{when}活跃{clock}：{days}天中{share}为周末")
        }
    }
}

pub(super) fn sessions(finding: &Sessions, locale: Locale) -> String {
    let Sessions { minutes, sessions, .. } = finding;
    let minutes = tenths(minutes.value);
    match locale {
        Locale::English => {
            let sessions = counted::of(*sessions as u64, "session");
            format!("Half of their {sessions} last up to {minutes} minutes")
        }
        Locale::Chinese => format!("{sessions}次会话中，一半不超过{minutes}分钟"),
    }
}

pub(super) fn pace(finding: &Pace, locale: Locale) -> String {
    let sessions = tenths(finding.sessions_per_week.value);
    let days = finding.days_to_complete.map(|days| tenths(days.value));
    match (locale, days) {
        (Locale::English, None) => format!("Comes {sessions} times a week"),
        (Locale::English, Some(days)) => {
            format!("Comes {sessions} times a week and finishes in {days} days")
        }
        (Locale::Chinese, None) => format!("每周活跃{sessions}次"),
        (Locale::Chinese, Some(days)) => format!("每周活跃{sessions}次，通常{days}天完成"),
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
    match (locale, side(below)) {
        (Locale::English, side) => {
            let side = ["below", "about as much as", "above"][side];
            format!("Pays {side} what they look at ({compared} purchases)")
        }
        (Locale::Chinese, side) => {
            let side = ["低于", "接近", "高于"][side];
            format!("支付价格{side}其浏览商品的中位价（{compared}次购买）")
        }
    }
}

/// 0 where most lies below, 2 where most lies above, 1 where that cannot be told.
fn side(below: &Measured) -> usize {
    if below.low > 0.5 {
        0
    } else if below.high < 0.5 {
        2
    } else {
        1
    }
}

pub(super) fn discounts(finding: &Discounts, locale: Locale) -> String {
    let Discounts { acquired, looked, difference } = finding;
    let (acquired, looked) = (percent(acquired.value), percent(looked.value));
    match (locale, difference.value > 0.0) {
        (Locale::English, is_more) => {
            let verb = if is_more { "Takes to" } else { "Does without" };
            format!(
                "{verb} discounts: {acquired} of what they bought had one, {looked} of what they \
                 only looked at"
            )
        }
        (Locale::Chinese, is_more) => {
            let verb = if is_more { "青睐" } else { "不看重" };
            format!("{verb}折扣：购买的{acquired}有折扣，仅浏览的{looked}有折扣")
        }
    }
}

pub(super) fn income(finding: &IncomeBand, locale: Locale) -> String {
    match locale {
        Locale::English => format!("Declared income: {}", finding.band),
        Locale::Chinese => format!("申报收入：{}", finding.band),
    }
}
