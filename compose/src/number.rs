//! Numbers as Go writes them.

use serde_json::Number;

/// A number as Go's `%v` writes it: floats in the shortest form, with an exponent below `1e-4` and
/// from `1e+06`.
pub(crate) fn format_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => format_float(float),
        _ => number.to_string(),
    }
}

/// A float in Go's shortest `g` form.
pub(crate) fn format_float(float: f64) -> String {
    // Rust's `e` form has the shortest digits that read back the same, as Go's has.
    with_exponent(&format!("{float:e}"))
}

/// Serializes a float of single precision by its shortest digits: 0.3, not 0.30000001192092896.
pub(crate) fn single<S: serde::Serializer>(float: &f32, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(float.to_string().parse().unwrap_or_else(|_| f64::from(*float)))
}

/// Turns `-1.25e-7` into Go's `-1.25e-07`, and into a plain number where Go writes one.
fn with_exponent(scientific: &str) -> String {
    const EXPONENT_FROM: i32 = 6;
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific.to_owned();
    };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific.to_owned() };
    if !(-4..EXPONENT_FROM).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = exponent + 1;
    let plain = if point <= 0 {
        format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
    } else {
        let point = point.unsigned_abs() as usize;
        match digits.len() > point {
            true => format!("{}.{}", &digits[..point], &digits[point..]),
            false => format!("{digits}{}", "0".repeat(point - digits.len())),
        }
    };
    format!("{sign}{plain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (float, text) in [
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (12_345.678, "12345.678"),
            (100_000.0, "100000"),
            (1.0, "1"),
            (-0.0, "-0"),
            (-2.5, "-2.5"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(format_float(float), text);
        }
        assert_eq!(format_number(&Number::from(7)), "7");
    }
}
