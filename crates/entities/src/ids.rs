//! Identifiers, each its own type so that they cannot be mixed up.
//!
//! ```
//! use crossfold_entities::ids::{DomainId, ItemId};
//!
//! let domain = DomainId::parse("auto-finance").unwrap();
//! assert_eq!(domain.as_str(), "auto-finance");
//! assert!(ItemId::parse("课程 #1").is_ok());
//! let refused = DomainId::parse("Auto Finance").unwrap_err();
//! assert!(refused.to_string().starts_with("a domain must be 1 to 63 characters"));
//! ```

mod pseudonym;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plain_text::is_one_line;
use crate::text_length::exceeds;
use crate::unique_id::UniqueId;

pub(crate) use pseudonym::OtherForms;
pub use pseudonym::Pseudonym;

/// Why a text is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct InvalidId {
    /// Which identifier, in words fit for a caller ("an item id").
    pub what: &'static str,
    /// The rule that was broken, in words fit for a caller.
    pub rule: &'static str,
}

/// Longest identifier that a caller may choose, in characters: at most 512 bytes,
/// which leaves room for the rest of a DynamoDB sort key (1,024 bytes).
pub const MAX_ID_CHARS: usize = 128;

fn is_opaque_id(text: &str) -> bool {
    !text.is_empty() && !exceeds(text, MAX_ID_CHARS) && text.trim() == text && is_one_line(text)
}

const OPAQUE_RULE: &str = "1 to 128 characters of text of one line, without control characters, overrides of the \
     writing direction, or surrounding spaces";

fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-' || *b == b'_')
}

const SLUG_RULE: &str = "1 to 63 characters of a-z, 0-9, '-' and '_', beginning with a letter";

fn is_key_id(text: &str) -> bool {
    let digits = text.strip_prefix("CF").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
}

const KEY_RULE: &str = "CF and 32 hexadecimal digits in capitals";

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:ident, $rule:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses the identifier.
            ///
            /// # Errors
            /// [`InvalidId`] when the text breaks the rule for this kind.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if $check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId { what: $what, rule: $rule })
                }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A domain: one platform's world (`knowledge`, `auto-finance`).
    DomainId, "a domain", is_slug, SLUG_RULE
);
id!(
    /// A kind of event within a domain (`view`, `enrol`).
    EventType, "an event type", is_slug, SLUG_RULE
);
id!(
    /// A place where a slate is shown (`checkout`).
    Placement, "a placement", is_slug, SLUG_RULE
);
id!(
    /// A campaign of a domain (`first-car`).
    CampaignId, "a campaign", is_slug, SLUG_RULE
);
id!(
    /// An experiment of a domain (`more-diverse`).
    ExperimentId, "an experiment", is_slug, SLUG_RULE
);
id!(
    /// A variant of an experiment (`control`).
    VariantId, "a variant", is_slug, SLUG_RULE
);
id!(
    /// A layer of experiments that take no user of one another (`ranking`).
    LayerId, "a layer", is_slug, SLUG_RULE
);
id!(
    /// A metric of an experiment (`clickers`).
    MetricId, "a metric", is_slug, SLUG_RULE
);
id!(
    /// Something that a user is to be told of, by when that is due.
    PushOrderId, "a push", is_opaque_id, OPAQUE_RULE
);
id!(
    /// A version of the key of pseudonyms (`v1`).
    KeyVersionId, "a key version", is_slug, SLUG_RULE
);
id!(
    /// A catalogue entry's identifier, unique within its domain.
    ItemId, "an item id", is_opaque_id, OPAQUE_RULE
);
id!(
    /// A caller's identifier of one event, unique within its user.
    EventId, "an event id", is_opaque_id, OPAQUE_RULE
);
id!(
    /// The identifier of one served slate.
    RecommendationId, "a recommendation id", is_opaque_id, OPAQUE_RULE
);
id!(
    /// The identifier of one training run.
    TrainingRunId, "a training run id", is_opaque_id, OPAQUE_RULE
);
id!(
    /// The identifier of a write key, which is no secret: it also is an access key
    /// id where requests are signed as AWS does.
    KeyId, "a key id", is_key_id, KEY_RULE
);
impl EventId {
    /// An id from a text that was one before.
    pub(crate) fn of_checked(text: &str) -> Self {
        debug_assert!(is_opaque_id(text));
        Self(text.into())
    }
}

impl PushOrderId {
    /// An id from a text that keeps the rule.
    pub(crate) fn of_text(text: String) -> Self {
        debug_assert!(is_opaque_id(&text));
        Self(text.into())
    }
}

impl KeyVersionId {
    /// That of a version.
    #[must_use]
    pub fn of(version: u32) -> Self {
        Self(format!("v{version}").into())
    }

    /// The version, if it is of one.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        self.0.strip_prefix('v')?.parse().ok()
    }
}

impl From<UniqueId> for RecommendationId {
    /// A UUID's text keeps the rule for identifiers whatever its bits.
    fn from(id: UniqueId) -> Self {
        Self(id.to_string().into())
    }
}

impl From<UniqueId> for KeyId {
    /// A UUID's digits, in capitals.
    fn from(id: UniqueId) -> Self {
        Self(format!("CF{}", id.simple().to_uppercase()).into())
    }
}

impl From<UniqueId> for TrainingRunId {
    /// A UUID's text keeps the rule for identifiers whatever its bits.
    fn from(id: UniqueId) -> Self {
        Self(id.to_string().into())
    }
}

/// A platform's own, raw user id.
///
/// Never logged, and stored only while its platform is to be told something of the user, sealed
/// ([`crate::sealed_user`]): it has no `Serialize`, and its `Debug` hides the text. Beside that its
/// only use is to derive a [`Pseudonym`].
#[derive(Clone, PartialEq, Eq)]
pub struct UserId(Box<str>);

impl UserId {
    /// Parses a raw user id.
    ///
    /// # Errors
    /// [`InvalidId`] when the text is empty, too long or has control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if is_opaque_id(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId { what: "a user id", rule: OPAQUE_RULE })
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text, to be told to the user's own platform and to nobody else.
    #[must_use]
    pub fn for_own_platform(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(hidden)")
    }
}

/// The identifier of a model: the SHA-256 of its manifest, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ModelId(Box<str>);

impl ModelId {
    /// Parses 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`InvalidId`] otherwise.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(is_hex) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId { what: "a model id", rule: "64 lower-case hexadecimal digits" })
        }
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ModelId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_does_not_print_itself() {
        let user = UserId::parse("alice@example.com").unwrap();
        assert!(!format!("{user:?}").contains("alice"));
    }

    #[test]
    fn slugs_and_opaque_ids_refuse_what_could_break_a_key() {
        for bad in ["", "Upper", "1digit", "has space", "a/b", "é", &"x".repeat(64)] {
            assert!(DomainId::parse(bad).is_err(), "{bad:?}");
        }
        for bad in ["", " x", "x ", "a\nb", &"x".repeat(129)] {
            assert!(ItemId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(DomainId::parse("auto-finance").is_ok());
        assert!(ItemId::parse("课程#1/a").is_ok());
    }
}
