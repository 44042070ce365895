//! Options that are checked once: `…Options`, which anybody can write, and `…Params`, which
//! are in range.

/// Why hyper-parameters cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {rule}")]
pub struct InvalidOptions {
    /// The option's name.
    pub name: &'static str,
    /// The range it must lie in.
    pub rule: &'static str,
}

/// One rule of an option: whether it holds, the option's name, and its range.
pub(crate) type Rule = (bool, &'static str, &'static str);

/// The first rule that does not hold.
pub(crate) fn first_broken(rules: &[Rule]) -> Option<InvalidOptions> {
    let broken = rules.iter().find(|(holds, ..)| !holds);
    broken.map(|&(_, name, rule)| InvalidOptions { name, rule })
}

pub(crate) fn is_within(value: f32, low: f32, high: f32) -> bool {
    value >= low && value <= high
}

/// The ways between options, which have `rules`, and their checked form.
macro_rules! checked {
    ($options:ident, $params:ident) => {
        impl $options {
            /// Checks the ranges.
            ///
            /// # Errors
            /// [`InvalidOptions`](crate::options::InvalidOptions) naming the first option out
            /// of its range.
            pub fn check(self) -> Result<$params, $crate::options::InvalidOptions> {
                $crate::options::first_broken(&self.rules()).map_or(Ok($params(self)), Err)
            }
        }

        impl $params {
            /// The values.
            #[must_use]
            pub fn options(&self) -> &$options {
                &self.0
            }
        }

        impl TryFrom<$options> for $params {
            type Error = $crate::options::InvalidOptions;

            fn try_from(options: $options) -> Result<Self, Self::Error> {
                options.check()
            }
        }

        impl From<$params> for $options {
            fn from(params: $params) -> Self {
                params.0
            }
        }
    };
}
pub(crate) use checked;
