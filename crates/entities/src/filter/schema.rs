//! What a filter may ask of an item: its fields, and of which type each is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Of which type a field or an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeType {
    /// A text.
    Text,
    /// A decimal number, exact; whole numbers are numbers as well.
    Number,
    /// True or false.
    Boolean,
    /// An instant.
    Time,
    /// Several texts, each once, in no order.
    TextSet,
}

impl AttributeType {
    /// The type as a noun with its article: `a number`.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Time => "a time",
            Self::TextSet => "a text set",
        }
    }
}

/// What a filter reads of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The identifier within the domain, a text.
    ItemId,
    /// The title, a text.
    Title,
    /// The categories, a set of texts.
    Categories,
    /// The price in the domain's currency, a number.
    Price,
    /// From when it may be recommended, a time.
    AvailableFrom,
    /// From when it may no longer be recommended, a time.
    AvailableUntil,
    /// An attribute that the domain declares.
    Attribute(String),
}

/// The fields that every domain has, by the names that filters call them.
const BUILT_IN: [(&str, Field, AttributeType); 6] = [
    ("item_id", Field::ItemId, AttributeType::Text),
    ("title", Field::Title, AttributeType::Text),
    ("categories", Field::Categories, AttributeType::TextSet),
    ("price", Field::Price, AttributeType::Number),
    ("available_from", Field::AvailableFrom, AttributeType::Time),
    ("available_until", Field::AvailableUntil, AttributeType::Time),
];

/// The fields that the filters of a domain may name.
///
/// ```
/// use crossfold_entities::filter::{AttributeType, Field, Schema};
/// let schema = Schema::new([("brand".into(), AttributeType::Text)].into());
/// assert_eq!(schema.type_of(&Field::Price), Some(AttributeType::Number));
/// assert_eq!(schema.type_of(&Field::Attribute("colour".into())), None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    attributes: BTreeMap<String, AttributeType>,
}

impl Schema {
    /// The built-in fields, and these declared attributes. An attribute that is called like a
    /// built-in field, or like a word of the language, is reached as `attributes.name` alone.
    #[must_use]
    pub fn new(attributes: BTreeMap<String, AttributeType>) -> Self {
        Self { attributes }
    }

    /// The declared attributes.
    #[must_use]
    pub fn attributes(&self) -> &BTreeMap<String, AttributeType> {
        &self.attributes
    }

    /// The type of a field; `None` for an attribute that is not declared.
    #[must_use]
    pub fn type_of(&self, field: &Field) -> Option<AttributeType> {
        match field {
            Field::Attribute(name) => self.attributes.get(name).copied(),
            field => BUILT_IN.iter().find(|(_, own, _)| own == field).map(|(_, _, of)| *of),
        }
    }

    /// What a bare name stands for: a built-in field, or else an attribute.
    pub(super) fn named(&self, name: &str) -> Option<(Field, AttributeType)> {
        let built_in = BUILT_IN.iter().find(|(own, _, _)| *own == name);
        built_in.map(|(_, field, of)| (field.clone(), *of)).or_else(|| self.attribute(name))
    }

    /// What `attributes.name` stands for.
    pub(super) fn attribute(&self, name: &str) -> Option<(Field, AttributeType)> {
        let of = self.attributes.get(name)?;
        Some((Field::Attribute(name.into()), *of))
    }

    /// Every name that may stand bare, the built-in ones first.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        let attributes = self.attributes.keys().map(String::as_str);
        BUILT_IN.iter().map(|(name, _, _)| *name).chain(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_in_name_wins_over_an_attribute_which_keeps_its_path() {
        let declared = [("price", AttributeType::Text), ("brand", AttributeType::Text)];
        let schema = Schema::new(declared.map(|(name, of)| (name.to_owned(), of)).into());
        assert_eq!(schema.named("price"), Some((Field::Price, AttributeType::Number)));
        let own = Field::Attribute("price".into());
        assert_eq!(schema.attribute("price"), Some((own, AttributeType::Text)));
        assert_eq!(schema.named("brand"), schema.attribute("brand"));
        assert_eq!(schema.attribute("title"), None);
    }

    #[test]
    fn types_are_written_in_snake_case() {
        let written = serde_json::to_string(&AttributeType::TextSet).unwrap();
        assert_eq!(written, "\"text_set\"");
        assert_eq!(
            serde_json::from_str::<AttributeType>(&written).unwrap(),
            AttributeType::TextSet
        );
    }
}
