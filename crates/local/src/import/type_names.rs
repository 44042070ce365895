//! The names of event types: as the file has them, and as the domain knows them.

use std::collections::BTreeSet;

use crossfold_core::entities::ids::EventType;

/// Turns the file's names into event types.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeNames {
    /// Names that were given a type on the command line.
    pub(crate) given: Vec<(String, EventType)>,
    /// The types that the domain has; `None` while it is not defined.
    pub(crate) defined: Option<BTreeSet<EventType>>,
}

impl TypeNames {
    /// The type that a name of the file means.
    ///
    /// # Errors
    /// Why there is none, in words that name the option.
    pub(crate) fn of(&self, name: &str) -> Result<EventType, String> {
        let given = self.given.iter().find(|(from, _)| from.eq_ignore_ascii_case(name));
        let known = match (given, &self.defined) {
            (Some((_, event_type)), _) => event_type.clone(),
            (None, Some(defined)) => defined
                .iter()
                .find(|event_type| plain(event_type.as_str()) == plain(name))
                .cloned()
                .or_else(|| slug(name))
                .ok_or_else(|| unnamed(name))?,
            (None, None) => slug(name).ok_or_else(|| unnamed(name))?,
        };
        match &self.defined {
            Some(defined) if !defined.contains(&known) => Err(format!(
                "the domain has no event type {known}: define it (PATCH /v1/domains/{{domain}} with event_types), or name one it has with --event-type '{name}=TYPE'"
            )),
            _ => Ok(known),
        }
    }
}

fn unnamed(name: &str) -> String {
    format!(
        "is no name of an event type (a-z, 0-9, -, _): give it one with --event-type '{name}=TYPE'"
    )
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `Add to Cart`, `AddToCart` and `ADD_TO_CART` as names of types.
fn slug(name: &str) -> Option<EventType> {
    let mut slug = String::new();
    let mut before = ' ';
    for c in name.trim().chars() {
        if !c.is_ascii() {
            return None;
        }
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            slug.push('-');
        }
        if c.is_ascii_alphanumeric() || c == '_' {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
        before = c;
    }
    EventType::parse(slug.trim_end_matches('-')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_type(name: &str) -> EventType {
        EventType::parse(name).unwrap()
    }

    #[test]
    fn names_become_types_however_they_are_written() {
        let names = TypeNames::default();
        for (name, expected) in [
            ("view", "view"),
            ("Click", "click"),
            ("Add to Cart", "add-to-cart"),
            ("AddToCart", "add-to-cart"),
            ("ADD_TO_CART", "add_to_cart"),
            ("page/view!", "page-view"),
        ] {
            assert_eq!(names.of(name).unwrap().as_str(), expected);
        }
        for name in ["购买", "1", "!", ""] {
            assert!(names.of(name).unwrap_err().contains("--event-type"), "{name}");
        }
    }

    #[test]
    fn the_types_of_the_domain_hold_and_names_can_be_given() {
        let names = TypeNames {
            given: vec![("购买".into(), event_type("purchase"))],
            defined: Some([event_type("add_to_cart"), event_type("purchase")].into()),
        };
        assert_eq!(names.of("Add to Cart").unwrap().as_str(), "add_to_cart");
        assert_eq!(names.of("购买").unwrap().as_str(), "purchase");
        assert!(names.of("view").unwrap_err().contains("no event type view"));
    }
}
