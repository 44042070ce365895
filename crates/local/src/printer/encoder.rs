//! The text encoder that is installed.

use std::fmt::{self, Display};

use crossfold_lab::output::Foreign;
use crossfold_registry::encoders::EncoderPointer;

/// What was done, and with which encoder.
pub(crate) struct EncoderText<'a> {
    pub(crate) done: &'static str,
    pub(crate) pointer: &'a EncoderPointer,
}

impl Display for EncoderText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EncoderPointer { identity, format, source, licence, size, installed_at } = self.pointer;
        writeln!(
            f,
            "{}: {} {}",
            self.done,
            Foreign::name(&identity.name),
            Foreign::name(&identity.version)
        )?;
        writeln!(f, "  from       {}", Foreign::name(source))?;
        writeln!(f, "  licence    {}", Foreign::name(licence))?;
        writeln!(f, "  artefact   {:.1} MB, {}", *size as f64 / 1e6, Foreign::name(format))?;
        writeln!(f, "  SHA-256    {}", Foreign::name(&identity.sha256))?;
        writeln!(f, "  installed  {installed_at}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

    use super::*;

    #[test]
    fn an_encoder_is_told_with_its_licence() {
        let pointer: EncoderPointer = serde_json::from_value(serde_json::json!({
            "identity": {"name": "use\u{1b}[2J", "version": "0.2.1", "sha256": "ab"},
            "format": "universal/1", "source": "PyPI x", "licence": "Apache-2.0",
            "size": 45_000_000, "installed_at": "2026-11-26T00:00:00Z",
        }))
        .unwrap();
        let text = EncoderText { done: "Installed", pointer: &pointer }.to_string();
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("licence    Apache-2.0"), "{text}");
        assert!(text.contains("45.0 MB, universal/1"), "{text}");
    }
}
