//! What stands for a user, under the key of one version and, while keys rotate, of others.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{InvalidId, OPAQUE_RULE, is_opaque_id};

/// The keyed pseudonym of a user or person: see [`crate::pseudonym`].
///
/// While keys rotate, a user has a form for each version of the key. The newest one is
/// canonical: it is what this is compared by, shown as and serialised as. Beside it this
/// knows the earlier forms, under which something of the user may still be stored; of one
/// that was only read from somewhere nothing is known beside its text.
#[derive(Clone)]
pub struct Pseudonym {
    text: Box<str>,
    others: Option<Arc<OtherForms>>,
}

/// Forms beside the canonical one, each of the first life.
pub(crate) struct OtherForms {
    /// Those of earlier versions that are looked up, oldest first.
    pub(crate) earlier: Vec<Box<str>>,
    /// Which of them new records are written under; none of them, when the canonical one is.
    pub(crate) written: Option<usize>,
}

/// What parts the number of a life from the user's own pseudonym. No pseudonym has it.
const LIFE_MARK: char = '~';
/// What begins a pseudonym, before the version of its key.
const VERSION_MARK: char = 'v';
/// What parts the version from the rest.
const VERSION_END: char = '_';

impl Pseudonym {
    /// Parses the identifier.
    ///
    /// # Errors
    /// [`InvalidId`] when the text breaks the rule for this kind.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        if is_opaque_id(text) {
            Ok(Self::of_checked(text.into()))
        } else {
            Err(InvalidId { what: "a pseudonym", rule: OPAQUE_RULE })
        }
    }

    fn of_checked(text: Box<str>) -> Self {
        Self { text, others: None }
    }

    /// The pseudonym that a digest is written as, under the key of a version.
    pub(crate) fn of_digest(version: u32, digest: &[u8]) -> Self {
        let digest = data_encoding::BASE64URL_NOPAD.encode(digest);
        Self::of_checked(format!("{VERSION_MARK}{version}{VERSION_END}{digest}").into())
    }

    /// The same, known by other forms as well.
    pub(crate) fn with_others(self, others: OtherForms) -> Self {
        let others = (!others.earlier.is_empty()).then(|| Arc::new(others));
        Self { others, ..self }
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The version of the key that it was made with, if it says so.
    #[must_use]
    pub fn key_version(&self) -> Option<u32> {
        let (version, _) = self.text.strip_prefix(VERSION_MARK)?.split_once(VERSION_END)?;
        version.parse().ok()
    }

    /// Every form under which something of the user may be stored, oldest first and this
    /// one last: the same life in each.
    pub fn forms(&self) -> impl Iterator<Item = Self> + '_ {
        let earlier = self.others.iter().flat_map(|others| &others.earlier);
        earlier.map(|own| of_life(own, self.life())).chain([self.alone()])
    }

    /// The oldest form that is looked up: all later ones follow from it.
    #[must_use]
    pub fn oldest_form(&self) -> Self {
        self.forms().next().unwrap_or_else(|| self.alone())
    }

    /// The form that new records of the user are written under.
    #[must_use]
    pub fn written_form(&self) -> Self {
        let others = self.others.as_deref();
        let written = others.and_then(|others| others.earlier.get(others.written?));
        written.map_or_else(|| self.alone(), |own| of_life(own, self.life()))
    }

    /// Without its other forms.
    fn alone(&self) -> Self {
        Self::of_checked(self.text.clone())
    }
}

fn of_life(own: &str, life: u32) -> Pseudonym {
    Pseudonym::of_checked(match life {
        0 => own.into(),
        life => format!("{own}{LIFE_MARK}{life}").into(),
    })
}

/// A user whose data were erased and who comes back begins another life. The first one's
/// pseudonym is the user's own, `v1_…`; the others' have their number behind it, `v1_…~1`.
/// All that is recorded of a user is recorded under the pseudonym of a life, and so
/// belongs to that life and no other, whatever any clock says and however late it arrives.
impl Pseudonym {
    /// The user's pseudonym in a life, the first being number 0.
    #[must_use]
    pub fn in_life(&self, life: u32) -> Self {
        Self { others: self.others.clone(), ..of_life(self.own_text(), life) }
    }

    /// The user's own pseudonym: that of their first life, which stands for them in all.
    #[must_use]
    pub fn own(&self) -> Self {
        self.in_life(0)
    }

    /// Which of the user's lives it is of.
    #[must_use]
    pub fn life(&self) -> u32 {
        self.parts().map_or(0, |(_, life)| life)
    }

    pub(crate) fn own_text(&self) -> &str {
        self.parts().map_or(&self.text, |(own, _)| own)
    }

    fn parts(&self) -> Option<(&str, u32)> {
        let (own, life) = self.text.rsplit_once(LIFE_MARK)?;
        Some((own, life.parse().ok().filter(|life| *life > 0)?))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pseudonym").field(&self.text).finish()
    }
}

impl PartialEq for Pseudonym {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pseudonym {}

impl PartialOrd for Pseudonym {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pseudonym {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Pseudonym {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl AsRef<str> for Pseudonym {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pseudonym {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Pseudonym {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pseudonym {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_life_of_a_user_has_a_pseudonym_of_its_own_that_tells_whose_it_is() {
        let own = Pseudonym::parse("v1_u").unwrap();
        assert_eq!((own.life(), own.own(), own.in_life(0)), (0, own.clone(), own.clone()));
        for life in [1, 2, u32::MAX] {
            let later = own.in_life(life);
            assert_ne!(later, own);
            assert_eq!((later.life(), later.own()), (life, own.clone()));
            assert_eq!(later.in_life(3), own.in_life(3));
            assert_eq!(Pseudonym::parse(later.as_str()).unwrap(), later);
        }
        assert_eq!(Pseudonym::parse("v1_u~x").unwrap().life(), 0);
    }

    #[test]
    fn other_forms_are_of_the_same_life_and_no_part_of_what_it_is() {
        let alone = Pseudonym::parse("v3_c").unwrap();
        let earlier = vec!["v1_a".into(), "v2_b".into()];
        let known = alone.clone().with_others(OtherForms { earlier, written: Some(1) });
        assert_eq!(known, alone);
        assert_eq!(serde_json::to_string(&known).unwrap(), "\"v3_c\"");
        let texts = |pseudonym: &Pseudonym| {
            pseudonym.forms().map(|form| form.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(texts(&known.in_life(2)), ["v1_a~2", "v2_b~2", "v3_c~2"]);
        assert_eq!(texts(&known.in_life(2).own()), ["v1_a", "v2_b", "v3_c"]);
        assert_eq!(known.in_life(1).written_form().as_str(), "v2_b~1");
        assert_eq!(known.oldest_form().as_str(), "v1_a");
        assert_eq!(texts(&alone), ["v3_c"]);
        assert_eq!((alone.written_form(), alone.oldest_form()), (alone.clone(), alone));
    }

    #[test]
    fn the_version_of_its_key_is_told_by_its_text() {
        let version = |text| Pseudonym::parse(text).unwrap().key_version();
        assert_eq!((version("v1_u"), version("v12_u~3")), (Some(1), Some(12)));
        assert_eq!((version("u"), version("v_u"), version("vx_u")), (None, None, None));
    }
}
