//! Saying in the log how far the inputs have drifted: the alarm counts on it.

use crossfold_core::training::drift::{DRIFT_THRESHOLD, DriftReport, DriftStatus};

/// Writes a line for each domain that could be judged. `template.yaml` makes a
/// metric of `psi`, by these messages.
pub(crate) fn log_drift(report: &DriftReport) {
    for (domain, drift) in &report.domains {
        let Some(psi) = drift.largest() else { continue };
        let (model, days, events) = (&report.model, report.days, drift.events);
        if drift.status == DriftStatus::Drifted {
            tracing::warn!(
                %model, %domain, psi, threshold = DRIFT_THRESHOLD, days, events,
                new_items = drift.new_items,
                event_types = drift.event_types.map(|index| index.psi),
                popularity = drift.popularity.map(|index| index.psi),
                events_per_person = drift.events_per_person.map(|index| index.psi),
                "inputs have drifted"
            );
        } else {
            tracing::info!(%model, %domain, psi, days, events, "inputs are as the model knows them");
        }
    }
}
