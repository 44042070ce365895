//! How far means of few observations are to be drawn towards the mean of what they belong to.

/// Count, mean and sum of squared deviations, fed one by one (Welford, Technometrics 4, 1962).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) count: u64,
    pub(super) mean: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn of(value: f64) -> Self {
        Self { count: 1, mean: value, squares: 0.0 }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let before = self.count as f64;
        self.count += other.count;
        let share = other.count as f64 / self.count as f64;
        let apart = other.mean - self.mean;
        self.squares += other.squares + before * share * apart * apart;
        self.mean += share * apart;
    }

    pub(super) fn all<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        parts.into_iter().for_each(|part| all.merge(part));
        all
    }

    /// The mean drawn towards another as by so many observations of that; that other itself by
    /// endlessly many.
    pub(super) fn drawn(&self, towards: f64, observations: f64) -> f64 {
        let own = self.count as f64 / (self.count as f64 + observations);
        // Without observations of either, own is no number.
        if observations.is_finite() && own > 0.0 {
            towards + own * (self.mean - towards)
        } else {
            towards
        }
    }
}

/// How many observations the mean of a group weighs for each of its members: the variance
/// within members over that between them, by the analysis of variance (Searle, Casella,
/// McCulloch, "Variance Components", 1992, section 3.6), which is what empirical Bayes draws by
/// (Efron and Morris, JASA 70, 1975). Infinite where members differ no more than chance makes
/// them, or where nothing can be said of it.
pub(super) fn pull(groups: &[Vec<Moments>]) -> f64 {
    let (mut count, mut members, mut within) = (0.0, 0.0, 0.0);
    let (mut between, mut between_degrees, mut unevenness) = (0.0, 0.0, 0.0);
    for group in groups {
        let all = Moments::all(group);
        let size = all.count as f64;
        for member in group {
            let own = member.count as f64;
            within += member.squares;
            between += own * (member.mean - all.mean).powi(2);
            unevenness += own * own / size;
        }
        count += size;
        members += group.len() as f64;
        between_degrees += group.len().saturating_sub(1) as f64;
    }
    if count <= members || between_degrees < 1.0 || count <= unevenness {
        return f64::INFINITY;
    }
    let within = within / (count - members);
    let excess = between - between_degrees * within;
    if excess <= 0.0 {
        return f64::INFINITY;
    }
    within * (count - unevenness) / excess
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Moments {
        let ones: Vec<Moments> = values.iter().map(|value| Moments::of(*value)).collect();
        Moments::all(&ones)
    }

    #[test]
    fn a_balanced_table_by_hand() {
        // Within: 2 + 2 over 2 degrees. Between: 2 * (2^2 + 2^2) = 16 over 1. Excess 14, of
        // 4 - 2 = 2 observations a degree: the variance between is 7.
        let found = pull(&[vec![of(&[0.0, 2.0]), of(&[4.0, 6.0])]]);
        assert!((found - 2.0 / 7.0).abs() < 1e-12, "{found}");
        let drawn = of(&[0.0, 2.0]).drawn(3.0, found);
        assert!((drawn - (2.0 + 3.0 * 2.0 / 7.0) / (2.0 + 2.0 / 7.0)).abs() < 1e-12);
    }

    #[test]
    fn members_that_differ_by_chance_alone_are_one() {
        assert_eq!(pull(&[vec![of(&[0.0, 2.0]), of(&[0.0, 2.0])]]), f64::INFINITY);
        assert_eq!(pull(&[vec![of(&[0.0]), of(&[2.0])]]), f64::INFINITY);
        assert_eq!(pull(&[vec![of(&[0.0, 3.0])]]), f64::INFINITY);
        assert_eq!(pull(&[]), f64::INFINITY);
        assert_eq!(of(&[0.0, 2.0]).drawn(3.0, f64::INFINITY), 3.0);
        assert_eq!(Moments::default().drawn(3.0, 0.0), 3.0);
    }

    #[test]
    fn members_without_chance_are_themselves() {
        assert_eq!(pull(&[vec![of(&[1.0, 1.0]), of(&[2.0, 2.0])]]), 0.0);
        assert_eq!(of(&[1.0, 1.0]).drawn(3.0, 0.0), 1.0);
    }
}
