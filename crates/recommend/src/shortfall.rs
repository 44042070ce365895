//! What a slate was made without, as `degraded` names it.

/// Something that could not be used for a slate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortfall {
    /// There is no model, or none that can be read.
    NoModel,
    /// It could not be asked whether there is a newer model.
    StaleModel,
    /// The model knows nothing of a target.
    DomainNotInModel,
    /// The definitions may be outdated.
    StaleDefinitions,
    /// The person could not be read, and with them their consents.
    NoProfile,
    /// The user's own history could not be read.
    NoHistory,
    /// Not all of the person's history could be looked through.
    PartialHistory,
    /// The catalogue of a target could not be read.
    NoCatalogue,
    /// The newest changes of a catalogue could not be read.
    StaleCatalogue,
    /// The catalogue of a domain that reasons speak of could not be read.
    NoTitles,
    /// New items could not be ranked by their text, for want of the encoder.
    NoEncoder,
    /// What the placement says of a target cannot be read any more.
    PlacementOutdated,
    /// It could not be told which items have the words that are looked for.
    NoSearch,
    /// The decision could not be logged.
    NotLogged,
}

impl Shortfall {
    /// The stable code.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoModel => "no_model",
            Self::StaleModel => "stale_model",
            Self::DomainNotInModel => "domain_not_in_model",
            Self::StaleDefinitions => "stale_definitions",
            Self::NoProfile => "no_profile",
            Self::NoHistory => "no_history",
            Self::PartialHistory => "partial_history",
            Self::NoCatalogue => "no_catalogue",
            Self::StaleCatalogue => "stale_catalogue",
            Self::NoTitles => "no_titles",
            Self::NoEncoder => "no_encoder",
            Self::PlacementOutdated => "placement_outdated",
            Self::NoSearch => "no_search",
            Self::NotLogged => "not_logged",
        }
    }
}

/// What could not be used for a slate, each once, in the order in which it was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Degraded(Vec<Shortfall>);

impl Degraded {
    /// The codes of what is named so far.
    pub(crate) fn codes(&self) -> Vec<&'static str> {
        self.0.iter().map(|shortfall| shortfall.as_str()).collect()
    }

    /// Whether something is named.
    pub(crate) fn names(&self, shortfall: Shortfall) -> bool {
        self.0.contains(&shortfall)
    }

    /// Names something.
    pub(crate) fn add(&mut self, shortfall: Shortfall) {
        if !self.0.contains(&shortfall) {
            self.0.push(shortfall);
        }
    }
}
