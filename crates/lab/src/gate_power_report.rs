//! What `bench gate` prints.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Instant;

use anyhow::Result;
use crossfold_core::model::bridges::BridgeKind;
use serde::Serialize;
use serde_json::Value;

/// How often something happened, with its 95% interval: Wilson, "Probable Inference, the
/// Law of Succession, and Statistical Inference" (1927).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Rate {
    pub(crate) times: usize,
    pub(crate) of: usize,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Standard errors to each side.
const Z: f64 = 1.96;

impl Rate {
    pub(crate) fn of(times: usize, of: usize) -> Self {
        let (n, share) = (of.max(1) as f64, times as f64 / of.max(1) as f64);
        let middle = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        let (low, high) = ((middle - half) / scale, (middle + half) / scale);
        Self { times, of, low: low.max(0.0), high: high.min(1.0) }
    }

    fn text(&self) -> String {
        format!("{}/{} [{:.2}, {:.2}]", self.times, self.of, self.low, self.high)
    }
}

/// One direction of one world.
#[derive(Serialize)]
pub(crate) struct PowerRow {
    pub(crate) world: &'static str,
    pub(crate) direction: String,
    pub(crate) linked: usize,
    /// Times the rule before served a bridge.
    pub(crate) before: Rate,
    /// Times the gate serves one.
    pub(crate) now: Rate,
    pub(crate) kinds_served: BTreeMap<BridgeKind, usize>,
    /// Mean NDCG@20 of people held out from everything.
    pub(crate) popularity: f64,
    pub(crate) served_before: f64,
    pub(crate) served_now: f64,
    /// The kind that is best over all draws, and its mean.
    pub(crate) best: Option<(BridgeKind, f64)>,
    pub(crate) by_kind: BTreeMap<BridgeKind, f64>,
}

/// All of them.
#[derive(Serialize)]
pub(crate) struct GateReport {
    pub(crate) resamplings: u64,
    pub(crate) rows: Vec<PowerRow>,
}

impl GateReport {
    pub(crate) fn print(&self, json: bool, started: Instant) -> Result<()> {
        if json {
            let mut json = serde_json::to_value(self)?;
            json["seconds"] = Value::from(started.elapsed().as_secs_f64());
            println!("{}", serde_json::to_string_pretty(&json)?);
            return Ok(());
        }
        print!("{self}");
        println!("{:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    }
}

impl Display for GateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [
            "world",
            "direction",
            "linked",
            "times a bridge was served by the rule before",
            "times by the gate now",
            "ndcg@20 of popularity",
            "ndcg@20 served by the rule before",
            "ndcg@20 served now",
            "best kind and its ndcg@20",
        ];
        writeln!(f, "| {} |", columns.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(columns.len()))?;
        for row in &self.rows {
            let best = row.best.map(|(kind, mean)| format!("{kind:?} {mean:.4}"));
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {:.4} | {:.4} | {:.4} | {} |",
                row.world,
                row.direction,
                row.linked,
                row.before.text(),
                row.now.text(),
                row.popularity,
                row.served_before,
                row.served_now,
                best.unwrap_or_else(|| "none was measured".to_owned())
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_name_of_its_own_and_the_best_kind_is_named() {
        let row = PowerRow {
            world: "w",
            direction: "a -> b".into(),
            linked: 60,
            before: Rate::of(0, 2),
            now: Rate::of(1, 2),
            kinds_served: BTreeMap::new(),
            popularity: 0.1,
            served_before: 0.1,
            served_now: 0.2,
            best: Some((BridgeKind::Joint, 0.25)),
            by_kind: BTreeMap::new(),
        };
        let text = GateReport { resamplings: 2, rows: vec![row] }.to_string();
        let cells = |line: &str| -> Vec<String> {
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        let lines: Vec<Vec<String>> = text.lines().map(cells).collect();
        let names: std::collections::BTreeSet<&String> = lines[0][1..10].iter().collect();
        assert_eq!(names.len(), 9, "{text}");
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
        assert_eq!(lines[2][9], "Joint 0.2500");
    }

    #[test]
    fn the_interval_of_a_rate_is_wilsons() {
        // 0 of 40: up to 8.8%; 20 of 40: 35.2% to 64.8%.
        let none = Rate::of(0, 40);
        assert!(none.low == 0.0 && (none.high - 0.0876).abs() < 1e-3, "{none:?}");
        let half = Rate::of(20, 40);
        assert!((half.low - 0.352).abs() < 1e-3 && (half.high - 0.648).abs() < 1e-3, "{half:?}");
        assert_eq!(Rate::of(0, 0).of, 0);
    }
}
