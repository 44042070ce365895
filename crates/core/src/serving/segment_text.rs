//! Segments and topics in words, made from the facts that set them apart.

use super::reason::Locale;
use crate::entities::ids::ItemId;
use crate::model::segments::{Fact, Habit, NAMED_BY, Segment};
use crate::model::topics::{Topic, Word};

/// The title of an item, if the reader may see it.
pub type Titles<'a> = dyn Fn(&ItemId) -> Option<String> + 'a;

/// Words that a topic's name is made of.
const NAMED_BY_WORDS: usize = 3;

/// A segment's name: what sets it apart first. It stays from model to model as long as that
/// holds. One that only items set apart is called by these; `title` as of
/// [`segment_sentences`]. A segment of which nothing may be told is called by its number.
///
/// ```
/// use crossfold_core::model::segments::{Fact, Habit, Segment};
/// use crossfold_core::serving::reason::Locale;
/// use crossfold_core::serving::segment_text::segment_name;
///
/// let facts = vec![
///     Fact::Category { category: "露营".to_owned(), share: 0.62, lift: 3.1 },
///     Fact::Habit { of: Habit::Events, here: 14.0, overall: 5.0 },
/// ];
/// let segment = Segment { id: 3, share: 0.2, centroid: vec![], facts };
/// assert_eq!(segment_name(&segment, Locale::Chinese, &|_| None), "偏好“露营” · 活跃");
/// assert_eq!(segment_name(&segment, Locale::English, &|_| None), "Prefers “露营” · active");
/// ```
#[must_use]
pub fn segment_name(segment: &Segment, locale: Locale, title: &Titles<'_>) -> String {
    let told = segment.facts.iter().filter_map(|fact| in_short(fact, locale));
    let mut parts: Vec<String> = told.take(NAMED_BY).collect();
    if parts.is_empty() {
        let items = segment.facts.iter().filter_map(|fact| match fact {
            Fact::Item { item, .. } => title(item),
            _ => None,
        });
        parts = items.take(1).map(|title| around(&title, locale)).collect();
    }
    let number = segment.id + 1;
    let name = match locale {
        _ if !parts.is_empty() => parts.join(" · "),
        Locale::English => format!("group {number}"),
        Locale::Chinese => format!("第{number}类用户"),
    };
    let mut characters = name.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => name,
    }
}

/// What sets a segment apart, a sentence a fact, with its numbers. `title` gives an item's
/// title, if the reader may see it: items without one are left out.
#[must_use]
pub fn segment_sentences(segment: &Segment, locale: Locale, title: &Titles<'_>) -> Vec<String> {
    segment.facts.iter().filter_map(|fact| sentence(fact, locale, title)).collect()
}

/// A topic's name: the words that tell most of it. `title` as of [`segment_sentences`]: a topic
/// of items alone is called by these.
#[must_use]
pub fn topic_name(topic: &Topic, locale: Locale, title: &Titles<'_>) -> String {
    let words = topic.words.iter().filter_map(|word| match word {
        Word::Category(word) | Word::Text(word) => Some(word.clone()),
        Word::Item(_) => None,
    });
    let mut parts: Vec<String> = words.take(NAMED_BY_WORDS).collect();
    if parts.is_empty() {
        parts = topic.items.iter().filter_map(title).take(2).collect();
    }
    let number = topic.id + 1;
    match locale {
        Locale::English if parts.is_empty() => format!("Topic {number}"),
        Locale::Chinese if parts.is_empty() => format!("主题{number}"),
        Locale::English => parts.join(", "),
        Locale::Chinese => parts.join("、"),
    }
}

/// What a segment is named by: what items set it apart has no part in a name beside something else.
fn in_short(fact: &Fact, locale: Locale) -> Option<String> {
    match (fact, locale) {
        (Fact::Category { category, .. }, Locale::English) => Some(format!("prefers “{category}”")),
        (Fact::Category { category, .. }, Locale::Chinese) => Some(format!("偏好“{category}”")),
        (Fact::Habit { of, here, overall }, _) => {
            Some(habit(*of, here > overall, locale).to_owned())
        }
        (Fact::Item { .. }, _) => None,
    }
}

/// Not every one of them likes it.
fn around(title: &str, locale: Locale) -> String {
    match locale {
        Locale::English => format!("around “{title}”"),
        Locale::Chinese => format!("以《{title}》为代表"),
    }
}

fn habit(of: Habit, is_more: bool, locale: Locale) -> &'static str {
    match (locale, of, is_more) {
        (Locale::English, Habit::Events, true) => "active",
        (Locale::English, Habit::Events, false) => "rarely active",
        (Locale::English, Habit::Items, true) => "many interests",
        (Locale::English, Habit::Items, false) => "few items",
        (Locale::English, Habit::Days, true) => "comes often",
        (Locale::English, Habit::Days, false) => "comes seldom",
        (Locale::English, Habit::Quiet, true) => "not seen of late",
        (Locale::English, Habit::Quiet, false) => "here of late",
        (Locale::Chinese, Habit::Events, true) => "活跃",
        (Locale::Chinese, Habit::Events, false) => "不活跃",
        (Locale::Chinese, Habit::Items, true) => "涉猎广",
        (Locale::Chinese, Habit::Items, false) => "涉猎少",
        (Locale::Chinese, Habit::Days, true) => "常来",
        (Locale::Chinese, Habit::Days, false) => "偶尔来",
        (Locale::Chinese, Habit::Quiet, true) => "近期未到访",
        (Locale::Chinese, Habit::Quiet, false) => "近期到访",
    }
}

fn sentence(fact: &Fact, locale: Locale, title: &Titles<'_>) -> Option<String> {
    let percent = |share: f32| format!("{:.0}%", share * 100.0);
    Some(match (fact, locale) {
        (Fact::Category { category, share, lift }, Locale::English) => {
            format!(
                "{} of what they like is “{category}”, {lift:.1} times as usual",
                percent(*share)
            )
        }
        (Fact::Category { category, share, lift }, Locale::Chinese) => {
            format!("喜欢的内容中“{category}”占{}，为平均的{lift:.1}倍", percent(*share))
        }
        (Fact::Item { item, share, lift }, Locale::English) => {
            format!("{} like “{}”, {lift:.1} times as usual", percent(*share), title(item)?)
        }
        (Fact::Item { item, share, lift }, Locale::Chinese) => {
            format!("{}的人喜欢《{}》，为平均的{lift:.1}倍", percent(*share), title(item)?)
        }
        (Fact::Habit { of, here, overall }, _) => measured(*of, (*here, *overall), locale),
    })
}

fn measured(of: Habit, (here, overall): (f32, f32), locale: Locale) -> String {
    match (locale, of) {
        (Locale::English, Habit::Events) => {
            format!("{here:.0} events at the median; {overall:.0} for all")
        }
        (Locale::English, Habit::Items) => {
            format!("{here:.0} items liked at the median; {overall:.0} for all")
        }
        (Locale::English, Habit::Days) => {
            format!("here on {here:.0} days at the median; {overall:.0} for all")
        }
        (Locale::English, Habit::Quiet) => {
            format!("last here {here:.0} days ago at the median; {overall:.0} for all")
        }
        (Locale::Chinese, Habit::Events) => {
            format!("事件数中位数{here:.0}，全体{overall:.0}")
        }
        (Locale::Chinese, Habit::Items) => {
            format!("喜欢的内容数中位数{here:.0}，全体{overall:.0}")
        }
        (Locale::Chinese, Habit::Days) => {
            format!("到访天数中位数{here:.0}，全体{overall:.0}")
        }
        (Locale::Chinese, Habit::Quiet) => {
            format!("距上次到访天数中位数{here:.0}，全体{overall:.0}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> Segment {
        let item =
            |id: &str| Fact::Item { item: ItemId::parse(id).unwrap(), share: 0.4, lift: 2.5 };
        let facts = vec![
            Fact::Habit { of: Habit::Events, here: 90.0, overall: 250.0 },
            item("hidden"),
            item("shown"),
        ];
        Segment { id: 4, share: 0.1, centroid: vec![], facts }
    }

    #[test]
    fn an_item_whose_title_may_not_be_seen_is_not_told() {
        let title = |item: &ItemId| (item.as_str() == "shown").then(|| "Camping".to_owned());
        for (locale, expected) in [
            (Locale::English, "40% like “Camping”, 2.5 times as usual"),
            (Locale::Chinese, "40%的人喜欢《Camping》，为平均的2.5倍"),
        ] {
            let told = segment_sentences(&segment(), locale, &title);
            assert_eq!(told.len(), 2);
            assert_eq!(told[1], expected);
            assert!(told[0].contains("90") && told[0].contains("250"));
        }
    }

    #[test]
    fn names_are_made_of_what_may_be_told() {
        let title = |item: &ItemId| (item.as_str() == "shown").then(|| "Camping".to_owned());
        assert_eq!(segment_name(&segment(), Locale::English, &title), "Rarely active");
        let mut of_items = segment();
        of_items.facts.remove(0);
        assert_eq!(segment_name(&of_items, Locale::English, &title), "Around “Camping”");
        assert_eq!(segment_name(&of_items, Locale::Chinese, &title), "以《Camping》为代表");
        assert_eq!(segment_name(&of_items, Locale::English, &|_| None), "Group 5");
        let nothing = Segment { facts: vec![], ..segment() };
        assert_eq!(segment_name(&nothing, Locale::English, &title), "Group 5");
        assert_eq!(segment_name(&nothing, Locale::Chinese, &title), "第5类用户");
    }

    #[test]
    fn a_topic_is_called_by_its_words_or_else_by_its_items() {
        let words = vec![Word::Category("露营".to_owned()), Word::Text("tent".to_owned())];
        let items = vec![ItemId::parse("i1").unwrap()];
        let topic = Topic { id: 0, share: 0.3, coherence: 0.4, words, items };
        let title = |_: &ItemId| Some("Tents".to_owned());
        assert_eq!(topic_name(&topic, Locale::Chinese, &title), "露营、tent");
        let of_items = Topic { words: vec![], ..topic };
        assert_eq!(topic_name(&of_items, Locale::English, &title), "Tents");
        assert_eq!(topic_name(&of_items, Locale::English, &|_| None), "Topic 1");
    }
}
