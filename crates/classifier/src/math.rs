//! Elementary functions that give the same bits on every machine: the C library's `log`
//! and `exp` differ between versions, `libm`'s are compiled in.

/// Natural logarithm.
pub(crate) fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// Exponential function.
pub(crate) fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// Power of a number that is not negative.
pub(crate) fn pow(x: f64, exponent: f64) -> f64 {
    libm::pow(x, exponent)
}

/// `ln(sum(exp(x)))` without overflow: the maximum is taken out first.
pub(crate) fn log_sum_exp(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = x.clone().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return max;
    }
    max + ln(x.map(|v| exp(v - max)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_sum_exp_survives_large_scores() {
        let x = [1000.0, 1000.0, -5000.0];
        assert!((log_sum_exp(x.iter().copied()) - (1000.0 + 2f64.ln())).abs() < 1e-12);
    }
}
