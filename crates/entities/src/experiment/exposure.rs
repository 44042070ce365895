//! Which variants made a decision, as it is logged with it.
//!
//! One text, of at most [`MAX_SERVED`] variants with commas between them:
//!
//! | text | what it says |
//! | --- | --- |
//! | `more-diverse:control` | the variant `control` of the experiment `more-diverse` |
//! | `prices:low@3` | the same where shares follow what is learnt: drawn by the shares number 3 |
//! | `more-diverse:diverse!` | asked for by the caller, to try it: nobody's exposure |
//! | `holdout` | the user is of those whom no experiment takes |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{ExperimentId, VariantId};

/// Most variants that make one decision: as many as there are layers that meet.
pub const MAX_SERVED: usize = 4;

/// The text of who is held out.
const HOLDOUT: &str = "holdout";

/// A variant that made a decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServedVariant {
    /// Of which experiment.
    pub experiment: ExperimentId,
    /// Which.
    pub variant: VariantId,
    /// By which shares it was drawn, where they follow what is learnt.
    pub allocation: Option<u32>,
    /// Whether the caller named it, so that it is no exposure.
    pub is_tried: bool,
}

/// What experiments had to do with a decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Exposure {
    /// These variants made it, in order of their experiments.
    Served(Vec<ServedVariant>),
    /// The user is held out of all experiments.
    HeldOut,
}

/// A text tells no exposure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no text of variants")]
pub struct InvalidExposure(String);

impl Exposure {
    /// The variant of an experiment that made the decision, if one did and that is an exposure.
    #[must_use]
    pub fn of(&self, experiment: &ExperimentId) -> Option<&ServedVariant> {
        let Self::Served(served) = self else { return None };
        served.iter().find(|served| served.experiment == *experiment && !served.is_tried)
    }
}

impl fmt::Display for ServedVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.experiment, self.variant)?;
        if let Some(allocation) = self.allocation {
            write!(f, "@{allocation}")?;
        }
        if self.is_tried { f.write_str("!") } else { Ok(()) }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Served(served) = self else { return f.write_str(HOLDOUT) };
        for (at, variant) in served.iter().enumerate() {
            write!(f, "{}{variant}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for ServedVariant {
    type Err = InvalidExposure;

    fn from_str(text: &str) -> Result<Self, InvalidExposure> {
        let invalid = || InvalidExposure(text.to_owned());
        let (named, is_tried) = match text.strip_suffix('!') {
            Some(named) => (named, true),
            None => (text, false),
        };
        let (named, allocation) = match named.split_once('@') {
            Some((named, number)) => (named, Some(number.parse().map_err(|_| invalid())?)),
            None => (named, None),
        };
        let (experiment, variant) = named.split_once(':').ok_or_else(invalid)?;
        Ok(Self {
            experiment: experiment.parse().map_err(|_| invalid())?,
            variant: variant.parse().map_err(|_| invalid())?,
            allocation,
            is_tried,
        })
    }
}

impl FromStr for Exposure {
    type Err = InvalidExposure;

    fn from_str(text: &str) -> Result<Self, InvalidExposure> {
        if text == HOLDOUT {
            return Ok(Self::HeldOut);
        }
        let served: Vec<ServedVariant> =
            text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        match served.len() {
            1..=MAX_SERVED => Ok(Self::Served(served)),
            _ => Err(InvalidExposure(text.to_owned())),
        }
    }
}

impl Serialize for Exposure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Exposure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_read_as_it_was() {
        for text in ["holdout", "a:b", "a:b@3", "a:b!", "a:b@12!,c-d:e_f", "a:b,c:d,e:f,g:h"] {
            let read: Exposure = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            let json = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<Exposure>(&json).unwrap(), read);
        }
    }

    #[test]
    fn another_text_is_refused() {
        for text in ["", "a", "a:", ":b", "a:b,", "a:b@", "a:b@x", "A:b", "a:b,c:d,e:f,g:h,i:j"] {
            assert!(text.parse::<Exposure>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_caller_tries_is_no_exposure() {
        let exposure: Exposure = "a:b!,c:d@2".parse().unwrap();
        assert!(exposure.of(&"a".parse().unwrap()).is_none());
        assert_eq!(exposure.of(&"c".parse().unwrap()).unwrap().allocation, Some(2));
        assert!(Exposure::HeldOut.of(&"c".parse().unwrap()).is_none());
    }
}
