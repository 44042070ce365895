//! What few observations say: shares, rates, medians and times of a cycle, each with a 95%
//! interval in closed form, drawn towards what is usual where little was seen.
//!
//! Three observations give a wide interval near the usual value, ten thousand a narrow one near
//! what was observed, and nothing gives a number that is not finite.

/// The standard normal quantile that leaves 2.5% above it.
const Z: f64 = 1.959_963_984_540_054;

/// A value with the ends of its 95% interval, `low <= value <= high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What a share usually is, and how many observations that weighs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usual {
    /// The share, 0 to 1; drawn in where it lies outside.
    pub share: f64,
    /// The observations, above 0.
    pub weight: f64,
}

impl Usual {
    /// A share of which nothing is known: Jeffreys' prior of a binomial, Beta(1/2, 1/2).
    pub const UNKNOWN: Self = Self { share: 0.5, weight: 1.0 };
}

/// A share of which `hits` of `trials` were seen: the mean of the Beta posterior from the usual
/// share, within Wilson's score interval for as many observations as both together (Wilson, JASA
/// 22, 1927; with pseudo-observations Agresti and Coull, The American Statistician 52, 1998).
/// Numbers may be fractions, such as effective sizes; what is no number counts as none.
#[must_use]
pub fn share(hits: f64, trials: f64, usual: Usual) -> Spread {
    let (usual_share, weight) = (within_one(usual.share), usual.weight.max(f64::MIN_POSITIVE));
    let (hits, trials) = counted(hits, trials);
    let seen = trials + weight;
    let value = (hits + usual_share * weight) / seen;
    let shrink = 1.0 + Z * Z / seen;
    let centre = (value + Z * Z / (2.0 * seen)) / shrink;
    let variance = value * (1.0 - value) / seen + Z * Z / (4.0 * seen * seen);
    let reach = Z * variance.max(0.0).sqrt() / shrink;
    let (low, high) = (within_one(centre - reach), within_one(centre + reach));
    Spread { value, low: low.min(value), high: high.max(value) }
}

/// Hits and trials as numbers that can be, hits being at most the trials.
fn counted(hits: f64, trials: f64) -> (f64, f64) {
    let trials = if trials.is_finite() { trials.max(0.0) } else { 0.0 };
    let hits = if hits.is_finite() { hits.clamp(0.0, trials) } else { 0.0 };
    (hits, trials)
}

/// Whether so many hits are more than chance explains where `usual` is the share of them, though
/// `tried` such shares are looked at and only what stands out is told: by Chernoff's bound
/// `exp(-n KL(hits / n || usual))` on the probability of so many (Annals of Mathematical
/// Statistics 23, 1952), at 5% for all of them together (Bonferroni). A share of nothing or all
/// stands out nowhere. Numbers may be fractions, as in [`share`].
#[must_use]
pub fn stands_out(hits: f64, trials: f64, usual: f64, tried: usize) -> bool {
    let (hits, trials) = counted(hits, trials);
    if !(usual > 0.0 && usual < 1.0) || hits <= usual * trials {
        return false;
    }
    let part = |seen: f64, expected: f64| {
        if seen > 0.0 { seen * (seen / (expected * trials)).ln() } else { 0.0 }
    };
    let surprise = part(hits, usual) + part(trials - hits, 1.0 - usual);
    surprise > (tried.max(1) as f64 / 0.05).ln()
}

/// How much larger one share is than another, with the hybrid score interval (Newcombe,
/// Statistics in Medicine 17, 1998, method 10). From -1 to 1.
#[must_use]
pub fn difference(one: Spread, other: Spread) -> Spread {
    let value = one.value - other.value;
    let below = f64::hypot(one.value - one.low, other.high - other.value);
    let above = f64::hypot(one.high - one.value, other.value - other.low);
    Spread { value, low: (value - below).max(-1.0), high: (value + above).min(1.0) }
}

fn within_one(share: f64) -> f64 {
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 }
}

/// The mean of values that usually lie anywhere from 0 to 1, of which the usual mean, 1/2, weighs
/// `weight` observations: mean and normal interval of the posterior, with the variance of a
/// uniform value, 1/12, for the usual ones, so that equal values are not taken for certainty.
/// `None` without values or when one is not within 0 to 1.
#[must_use]
pub fn level(values: &[f64], weight: f64) -> Option<Spread> {
    if values.is_empty() || !values.iter().all(|value| (0.0..=1.0).contains(value)) {
        return None;
    }
    let weight = weight.max(f64::MIN_POSITIVE);
    let seen = values.len() as f64 + weight;
    let value = (values.iter().sum::<f64>() + weight / 2.0) / seen;
    let squares: f64 = values.iter().map(|one| (one - value).powi(2)).sum();
    let variance = (squares + weight * (1.0 / 12.0 + (0.5 - value).powi(2))) / seen;
    let reach = Z * (variance / seen).sqrt();
    Some(Spread { value, low: within_one(value - reach), high: within_one(value + reach) })
}

/// How often something happens in a unit of time, of which `count` were seen in `time` units:
/// the Gamma posterior from Jeffreys' prior, its quantiles by Wilson and Hilferty's cube root
/// (PNAS 17, 1931). `None` when no time has passed.
#[must_use]
pub fn rate(count: u64, time: f64) -> Option<Spread> {
    if !(time.is_finite() && time > 0.0) {
        return None;
    }
    let shape = count as f64 + 0.5;
    let quantile = |z: f64| {
        let root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt());
        shape * root.max(0.0).powi(3) / time
    };
    let value = shape / time;
    Some(Spread { value, low: quantile(-Z).min(value), high: quantile(Z).max(value) })
}

/// Fewest values whose smallest and largest have the median between them in 95% of samples:
/// `1 - 2 / 2^n`. Of fewer there is no such interval.
pub const FEWEST_FOR_MEDIAN: usize = 6;

/// The places, in order, of the values that are the median and the ends of its interval whatever
/// the values are distributed like: by the normal approximation of the binomial (Conover,
/// Practical Nonparametric Statistics, 1999, section 3.2), for [`FEWEST_FOR_MEDIAN`] values or
/// more; of fewer the ends are the smallest and the largest. The median of an even number is the
/// lower of the two in the middle, so that it is a value that was there. `None` without values.
#[must_use]
pub fn median_places(values: usize) -> Option<[usize; 3]> {
    let last = values.checked_sub(1)?;
    let (half, reach) = (values as f64 / 2.0, Z * (values as f64).sqrt() / 2.0);
    let low = (half - reach).floor().max(0.0) as usize;
    let high = ((half + reach).ceil() as usize).min(last);
    Some([low.min(last / 2), last / 2, high.max(last / 2)])
}

/// The median with the ends of its interval, by [`median_places`]. `None` without values or when
/// one is not finite. The values are put in order.
#[must_use]
pub fn median(values: &mut [f64]) -> Option<Spread> {
    if !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let [low, middle, high] = median_places(values.len())?;
    values.sort_unstable_by(f64::total_cmp);
    Some(Spread { value: values[middle], low: values[low], high: values[high] })
}

/// Where on a cycle observations lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cycle {
    /// Their mean direction, from 0 to below 1 of the cycle.
    pub mean: f64,
    /// How near each other they lie, 0 to 1: the mean resultant length.
    pub concentration: f64,
    /// How probable it is that as much came of chance: Rayleigh's test.
    pub chance: f64,
}

/// Where on a cycle observations lie, each from 0 to below 1 of it: circular mean, mean resultant
/// length and Rayleigh's test with Wilkie's approximation (Mardia and Jupp, Directional
/// Statistics, 2000, sections 2.3 and 6.3; Wilkie, Applied Statistics 32, 1983). `None` without
/// observations or when one is not finite.
#[must_use]
pub fn cycle(places: impl IntoIterator<Item = f64>) -> Option<Cycle> {
    let (mut sine, mut cosine, mut count) = (0.0, 0.0, 0.0);
    for place in places {
        let (s, c) = (place * std::f64::consts::TAU).sin_cos();
        (sine, cosine, count) = (sine + s, cosine + c, count + 1.0);
    }
    let resultant = f64::hypot(sine, cosine);
    if count == 0.0 || !resultant.is_finite() {
        return None;
    }
    let mean = (sine.atan2(cosine) / std::f64::consts::TAU).rem_euclid(1.0);
    let exponent = (1.0 + 4.0 * count + 4.0 * (count * count - resultant * resultant)).max(0.0);
    let chance = (exponent.sqrt() - (1.0 + 2.0 * count)).exp();
    Some(Cycle {
        mean: if mean < 1.0 { mean } else { 0.0 },
        concentration: (resultant / count).min(1.0),
        chance: chance.min(1.0),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 5e-4
    }

    #[test]
    fn a_share_is_wilsons_of_what_was_seen_and_what_is_usual_together() {
        // 8 of 10 without anything usual: .490 to .943 (Newcombe 1998, method 3, by hand).
        let alone = share(8.0, 10.0, Usual { share: 0.5, weight: 1e-12 });
        assert!(near(alone.low, 0.4902) && near(alone.high, 0.9433), "{alone:?}");
        assert!(near(alone.value, 0.8));
        let drawn = share(8.0, 10.0, Usual { share: 0.2, weight: 10.0 });
        assert!(near(drawn.value, 0.5) && drawn.low < 0.5 && drawn.high > 0.5);
    }

    #[test]
    fn what_stands_out_is_beyond_the_exact_binomial_for_all_that_were_tried() {
        // 5 of 5 at a quarter: .25^5 = .00098, beyond 5% of 20 and not of 100.
        assert!(stands_out(5.0, 5.0, 0.25, 20) && !stands_out(5.0, 5.0, 0.25, 100));
        // 3 of 12 at .025: .0029, within 5% of 40.
        assert!(!stands_out(3.0, 12.0, 0.025, 40) && stands_out(6.0, 12.0, 0.025, 40));
        for (hits, trials, usual) in
            [(5.0, 5.0, 1.0), (5.0, 5.0, 0.0), (1.0, 5.0, 0.2), (0.0, 0.0, 0.5)]
        {
            assert!(!stands_out(hits, trials, usual, 1), "{hits} of {trials} at {usual}");
        }
        assert!(!stands_out(f64::NAN, f64::INFINITY, f64::NAN, 0));
    }

    #[test]
    fn a_difference_of_shares_is_newcombes() {
        // 56 of 70 and 48 of 80: .0524 to .3339 (Newcombe 1998, table II, method 10).
        let nothing = Usual { share: 0.5, weight: 1e-12 };
        let gap = difference(share(56.0, 70.0, nothing), share(48.0, 80.0, nothing));
        assert!(near(gap.value, 0.2) && near(gap.low, 0.0524) && near(gap.high, 0.3339), "{gap:?}");
    }

    #[test]
    fn a_rate_is_the_quantiles_of_its_gamma() {
        // Gamma(10.5, 1): 2.5% 5.1415, 97.5% 17.7395 (scipy.stats.gamma.ppf).
        let ten = rate(10, 1.0).unwrap();
        assert!((ten.low - 5.14).abs() < 0.03 && (ten.high - 17.74).abs() < 0.03, "{ten:?}");
        assert!(near(rate(10, 4.0).unwrap().value, 10.5 / 4.0));
        assert_eq!(rate(3, 0.0), None);
        assert_eq!(rate(3, f64::NAN), None);
    }

    #[test]
    fn a_median_is_a_value_that_was_there_within_its_order_statistics() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        // Of 100 values the 41st and the 60th or 61st.
        let spread = median(&mut values).unwrap();
        assert_eq!((spread.value, spread.low, spread.high), (50.0, 41.0, 61.0));
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [1.0, f64::NAN]), None);
        let one = median(&mut [7.0]).unwrap();
        assert_eq!((one.low, one.value, one.high), (7.0, 7.0, 7.0));
    }

    #[test]
    fn equal_values_are_not_taken_for_certainty() {
        let three = level(&[1.0; 3], 4.0).unwrap();
        assert!(three.value < 0.75 && three.low < 0.6, "{three:?}");
        let many = level(&[1.0; 1_000], 4.0).unwrap();
        assert!(many.low > 0.95, "{many:?}");
        assert_eq!(level(&[1.5], 4.0), None);
        assert_eq!(level(&[], 4.0), None);
    }

    #[test]
    fn times_around_midnight_have_their_mean_at_midnight() {
        let around = cycle([23.0 / 24.0, 1.0 / 24.0]).unwrap();
        assert!(around.mean < 1e-9 || around.mean > 1.0 - 1e-9, "{around:?}");
        assert!(near(around.concentration, (std::f64::consts::TAU / 24.0).cos()));
        let spread = cycle((0..24).map(|hour| f64::from(hour) / 24.0)).unwrap();
        assert!(spread.concentration < 1e-9 && near(spread.chance, 1.0), "{spread:?}");
        // Two of two in the same place may well be chance, twenty are not.
        assert!(cycle([0.3; 2]).unwrap().chance > 0.1);
        assert!(cycle([0.3; 20]).unwrap().chance < 1e-6);
        assert_eq!(cycle([]), None);
        assert_eq!(cycle([f64::INFINITY]), None);
    }

    proptest! {
        #[test]
        fn every_interval_is_in_order_and_narrows_with_what_was_seen(
            hits in 0.0..1.0f64, trials in 0.0..1e6f64, usual in 0.0..1.0f64, weight in 0.1..20.0f64,
        ) {
            let usual = Usual { share: usual, weight };
            let few = share(hits * trials, trials, usual);
            prop_assert!(0.0 <= few.low && few.low <= few.value && few.value <= few.high && few.high <= 1.0);
            let more = share(hits * trials * 100.0, trials * 100.0, usual);
            prop_assert!(trials < 1.0 || (more.value - hits).abs() <= (few.value - hits).abs() + 1e-9);
            prop_assert!(more.high - more.low <= few.high - few.low + 1e-3 || trials < 10.0);
        }

        #[test]
        fn a_rate_is_finite_and_in_order(count in 0..1_000_000u64, time in 1e-3..1e6f64) {
            let rate = rate(count, time).unwrap();
            prop_assert!(0.0 <= rate.low && rate.low <= rate.value && rate.value <= rate.high);
            prop_assert!(rate.high.is_finite());
        }

        #[test]
        fn the_places_of_a_median_are_places(values in 1..20_000usize) {
            let [low, middle, high] = median_places(values).unwrap();
            prop_assert!(low <= middle && middle <= high && high < values);
        }
    }
}
