//! How probable it is to see so many: the tail of a negative binomial law.
//!
//! A count whose rate is Gamma distributed (mean m, from b hours' worth of evidence) is negative binomial with shape
//! m × b. The shape is held at `SHAPE_MAX`: counts of people and machines are burstier than a known rate alone would
//! make them. The tail is summed as a geometric series with the greatest ratio of neighbours that it has, so what comes
//! out is never less than the tail, and at ten times the mean at most five times of it.
//!
//! Method: Gelman et al., "Bayesian Data Analysis", section 2.6 (Poisson model with a Gamma prior).

use super::baseline::Expected;

/// The greatest shape.
const SHAPE_MAX: f64 = 4.0;

/// The logarithm of an upper bound of the probability of at least `count`; 0 where that is all but certain.
#[must_use]
pub fn ln_at_least(count: u64, expected: Expected) -> f64 {
    let mean = expected.mean.max(f64::MIN_POSITIVE);
    let shape = (mean * expected.weight).clamp(f64::MIN_POSITIVE, SHAPE_MAX);
    let n = count as f64;
    let more = mean / (mean + shape);
    let ratio = (more * (n + shape) / (n + 1.0)).max(more);
    if ratio >= 1.0 {
        return 0.0;
    }
    let ways = ln_gamma(n + shape) - ln_gamma(shape) - ln_gamma(n + 1.0);
    let exactly = ways + shape * (shape / (mean + shape)).ln() + n * more.ln();
    (exactly - (1.0 - ratio).ln()).min(0.0)
}

/// The logarithm of the gamma function of a positive number: Stirling's series from 10 on, below by the recurrence.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 10.0 {
        below += x.ln();
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - below
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The law's own terms, added up one by one.
    fn summed(count: u64, mean: f64, shape: f64) -> f64 {
        let (fewer, more) = (shape / (mean + shape), mean / (mean + shape));
        let mut term = fewer.powf(shape);
        let mut sum = 0.0;
        for n in 0..200_000_u32 {
            if u64::from(n) >= count {
                sum += term;
            }
            term *= more * (f64::from(n) + shape) / f64::from(n + 1);
        }
        sum
    }

    #[test]
    fn the_bound_is_never_below_the_tail_and_close_to_it_far_out() {
        for (mean, counts) in [
            (0.05, [1, 2, 4]),
            (0.5, [1, 5, 7]),
            (3.0, [3, 30, 42]),
            (20.0, [20, 200, 280]),
            (300.0, [300, 3_000, 4_200]),
        ] {
            for weight in [0.1, 1.0, 6.0] {
                let expected = Expected { mean, weight };
                let shape = (mean * weight).min(SHAPE_MAX);
                for count in counts {
                    let (bound, tail) = (ln_at_least(count, expected).exp(), summed(count, mean, shape));
                    let is_far = count as f64 >= 10.0 * mean;
                    assert!(bound >= tail * (1.0 - 1e-9), "{mean} {weight} {count}: {bound} < {tail}");
                    assert!(!is_far || bound <= 5.0 * tail, "{mean} {weight} {count}: {bound} of {tail}");
                }
            }
        }
    }

    #[test]
    fn the_logarithm_of_the_gamma_function_is_that_of_the_factorials() {
        let mut factorial = 1.0_f64;
        for n in 1..30_u32 {
            assert!((ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-9, "{n}");
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-9);
    }
}
