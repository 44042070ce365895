//! Progress bars, on standard error.

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Foreign;

/// A bar over `total` steps of what `label` says. Hidden where no one watches.
pub fn bar(label: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(Foreign::name(label).to_string());
    let template = "{msg:<28} [{bar:30}] {human_pos}/{human_len} {per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Says what is being done, for as long as it takes. Hidden where no one watches.
pub fn spinner(label: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(Foreign::name(label).to_string());
    spinner.enable_steady_tick(std::time::Duration::from_millis(200));
    spinner
}
