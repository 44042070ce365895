//! Why an item is on a slate, as a code, as evidence, and in words.

use serde::{Deserialize, Serialize};

use crate::entities::ids::{DomainId, ItemId};

/// Languages that reasons are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Locale {
    /// The closest language to a BCP 47 tag: Chinese for `zh` and its variants, else English.
    #[must_use]
    pub fn closest(tag: &str) -> Self {
        match tag.split(['-', '_']).next() {
            Some(primary) if primary.eq_ignore_ascii_case("zh") => Self::Chinese,
            _ => Self::English,
        }
    }

    /// Its BCP 47 tag, of which [`Locale::closest`] makes it again.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }
}

/// The kind of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The person's own history led here.
    History,
    /// Many people of the domain chose it.
    Popular,
    /// It is new, and its description is like that of what the person's history, or that of many,
    /// led to.
    Description,
    /// It is tried: its description is like that of what the person's history holds elsewhere, and
    /// too few people are known on both platforms to tell whether that helps.
    Tentative,
    /// Its platform promotes it: it is there whatever its score.
    Promoted,
    /// It has words of what was asked for.
    Query,
    /// It has words of what somebody reads or talks about, and that counts most.
    Context,
    /// It is new: nobody had a chance to choose it before the model was made.
    New,
}

/// One past item's part in a recommendation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// The domain of the past item.
    pub domain: DomainId,
    /// The past item; absent when it happened on a platform the caller does not act for,
    /// or may not be shown: hidden, deleted, not offered, or not known to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<ItemId>,
    /// Its share of the positive contributions to the score, 0 to 1; where a sequence model has a
    /// part in the score, what that would lose without the item counts as one.
    pub share: f32,
}

/// Why an item is on a slate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// The kind of reason.
    pub code: ReasonCode,
    /// The reason in the caller's language.
    pub text: String,
    /// The past items that count most, the largest share first.
    pub evidence: Vec<Evidence>,
}

/// What a reason's text speaks of.
#[derive(Debug, Clone, Copy)]
pub enum Because<'a> {
    /// A past item whose title the caller may see.
    Item(&'a str),
    /// The item itself, which the person knows.
    Itself,
    /// Something on a platform, by the platform's name.
    Domain(&'a str),
    /// What others did on a platform, by the platform's name.
    Others(&'a str),
    /// That it is new on a platform, by the platform's name.
    Newness(&'a str),
    /// That its platform promotes it, by the platform's name.
    Promotion(&'a str),
    /// That it has words of what was asked for, as it was asked.
    Query(&'a str),
    /// That it has words of what somebody reads or talks about.
    Context,
    /// That its description is like that of a known item, by that one's title.
    Likeness(&'a str),
    /// That its description is like those of known items of a platform, by the platform's name.
    LikenessOnDomain(&'a str),
    /// That it is tried for its description, like that of a past item, by its title where the
    /// caller may see it.
    TriedLikeness(Option<&'a str>),
}

/// The reason in words.
#[must_use]
pub fn text(because: Because<'_>, locale: Locale) -> String {
    match (locale, because) {
        (Locale::English, Because::Item(title)) => format!("Because of “{title}”"),
        (Locale::English, Because::Itself) => "You know it from before".to_owned(),
        (Locale::English, Because::Domain(name)) => format!("Because of what you did on {name}"),
        (Locale::English, Because::Others(name)) => format!("Popular on {name}"),
        (Locale::English, Because::Newness(name)) => format!("New on {name}"),
        (Locale::English, Because::Promotion(name)) => format!("Promoted by {name}"),
        (Locale::English, Because::Query(query)) => format!("Found for “{query}”"),
        (Locale::English, Because::Context) => "Fits what this is about".to_owned(),
        (Locale::Chinese, Because::Query(query)) => format!("与“{query}”相符"),
        (Locale::Chinese, Because::Context) => "与当前内容相关".to_owned(),
        (Locale::English, Because::Likeness(title)) => {
            format!("New: by its description, like “{title}”")
        }
        (Locale::English, Because::LikenessOnDomain(name)) => {
            format!("New on {name}: by its description")
        }
        (Locale::English, Because::TriedLikeness(Some(title))) => {
            format!("Worth a try: by its description, like “{title}”")
        }
        (Locale::English, Because::TriedLikeness(None)) => {
            "Worth a try: by its description, like what you did elsewhere".to_owned()
        }
        (Locale::Chinese, Because::TriedLikeness(Some(title))) => {
            format!("不妨一试：简介与《{title}》相近")
        }
        (Locale::Chinese, Because::TriedLikeness(None)) => {
            "不妨一试：简介与您在其他平台的活动相近".to_owned()
        }
        (Locale::Chinese, Because::Likeness(title)) => format!("新上架，简介与《{title}》相近"),
        (Locale::Chinese, Because::LikenessOnDomain(name)) => {
            format!("{name}新上架，根据其简介推荐")
        }
        (Locale::Chinese, Because::Item(title)) => format!("因为您关注过《{title}》"),
        (Locale::Chinese, Because::Itself) => "您之前关注过".to_owned(),
        (Locale::Chinese, Because::Domain(name)) => format!("根据您在{name}的活动推荐"),
        (Locale::Chinese, Because::Others(name)) => format!("{name}热门"),
        (Locale::Chinese, Because::Newness(name)) => format!("{name}新上架"),
        (Locale::Chinese, Because::Promotion(name)) => format!("{name}推广"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_follows_the_primary_tag() {
        assert_eq!(Locale::closest("zh-Hans-CN"), Locale::Chinese);
        assert_eq!(Locale::closest("ZH"), Locale::Chinese);
        assert_eq!(Locale::closest("en-GB"), Locale::English);
        assert_eq!(Locale::closest("zhx"), Locale::English);
        assert_eq!(Locale::closest(""), Locale::English);
        for locale in [Locale::English, Locale::Chinese] {
            assert_eq!(Locale::closest(locale.tag()), locale);
        }
    }
}
