//! Amounts with their units in the type, and how users write them.

use std::fmt;
use std::str::FromStr;

/// The text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseUnitError {
    /// Not a size.
    #[error("invalid size: '{0}'")]
    Size(String),
    /// Not a number of CPUs.
    #[error("failed to parse {0} as a rational number")]
    Cpus(String),
    /// A CPU fraction finer than a nanocpu.
    #[error("value is too precise")]
    TooPrecise,
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }
    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }
}

/// As Docker reads sizes: a number, then `b`, `k`, `m`, `g`, `t` or `p` (powers of 1024), with an
/// optional `b` or `ib` behind, in either case; fractions are cut.
impl FromStr for Bytes {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let bad = || ParseUnitError::Size(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.');
        let unit = lower.get(digits.len()..).ok_or_else(bad)?.trim();
        let shift = match unit {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            "p" | "pb" | "pib" => 50,
            _ => return Err(bad()),
        };
        if let Ok(whole) = digits.parse::<u64>() {
            return whole.checked_mul(1 << shift).map(Self).ok_or_else(bad);
        }
        let number: f64 = digits.parse().map_err(|_| bad())?;
        let size = number * (1_u64 << shift) as f64;
        if !size.is_finite() || size < 0.0 || size >= u64::MAX as f64 {
            return Err(bad());
        }
        Ok(Self(size as u64))
    }
}

/// As Docker writes binary sizes: four significant digits, `256MiB`, `1.5GiB`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut size = self.0 as f64;
        let mut unit = "B";
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
            if size < 1024.0 {
                break;
            }
            size /= 1024.0;
            unit = next;
        }
        let decimals = match size {
            s if s >= 1000.0 => 0,
            s if s >= 100.0 => 1,
            s if s >= 10.0 => 2,
            _ => 3,
        };
        let number = format!("{size:.decimals$}");
        let number = if number.contains('.') {
            number.trim_end_matches('0').trim_end_matches('.')
        } else {
            &number
        };
        write!(f, "{number}{unit}")
    }
}

/// Billionths of one CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NanoCpus(pub u64);

/// A decimal number of CPUs, `0.25`; at most nine decimals.
impl FromStr for NanoCpus {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, ParseUnitError> {
        let bad = || ParseUnitError::Cpus(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction)
        {
            return Err(bad());
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 9 {
            return Err(ParseUnitError::TooPrecise);
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| bad())? };
        let nanos: u64 = format!("{fraction:0<9}").parse().map_err(|_| bad())?;
        whole
            .checked_mul(1_000_000_000)
            .and_then(|n| n.checked_add(nanos))
            .map(Self)
            .ok_or_else(bad)
    }
}

impl fmt::Display for NanoCpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, size) in [
            ("0", 0),
            ("64m", 64 << 20),
            ("50M", 50 << 20),
            ("1.5g", 3 << 29),
            ("10KiB", 10_240),
            ("7b", 7),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(size)), "{text}");
        }
        for bad in ["", "m", "-1", "5x", "1.2.3", "99999999999999999999g"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        assert_eq!(Bytes(64 << 20).to_string(), "64MiB");
        assert_eq!(Bytes(1536).to_string(), "1.5KiB");
    }

    #[test]
    fn cpus_are_read_exactly() {
        assert_eq!("0.25".parse(), Ok(NanoCpus(250_000_000)));
        assert_eq!("2".parse(), Ok(NanoCpus(2_000_000_000)));
        assert_eq!(NanoCpus(2_500_000_000).to_string(), "2.5");
        assert_eq!("0.0000000001".parse::<NanoCpus>(), Err(ParseUnitError::TooPrecise));
        for bad in ["", ".", "-1", "a", "1e3"] {
            assert!(bad.parse::<NanoCpus>().is_err(), "{bad}");
        }
    }
}
