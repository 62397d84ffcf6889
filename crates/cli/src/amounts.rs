//! Amounts and rates as people write them.

/// What 64-bit numbers in JSON can hold exactly.
const MOST: f64 = ((1_u64 << 53) - 1) as f64;

/// Reads `10GB`, `500MiB`, `1.5 TB`, `1000`; 0 stands for no bound.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    number.zip(factor(unit)).and_then(bounded).ok_or_else(|| {
        format!("{text:?} is no amount: expected one such as 10GB, 500MiB or 1.5TB; 0 for no bound")
    })
}

/// Reads `20MB/s`, `2MiB/s`, `50mbit`, `1gbit/s`; 0 stands for no limit.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let unit = unit.trim_end_matches("/s").trim_end_matches("ps");
    let factor = match unit.strip_suffix("bit") {
        // Networks count bits in powers of 1000.
        Some("") => Some(1.0 / 8.0),
        Some("k") => Some(1e3 / 8.0),
        Some("m") => Some(1e6 / 8.0),
        Some("g") => Some(1e9 / 8.0),
        Some(_) => None,
        None => factor(unit),
    };
    number.zip(factor).and_then(bounded).ok_or_else(|| {
        format!(
            "{text:?} is no rate: expected one such as 20MB/s, 2MiB/s or 50mbit; 0 for no limit"
        )
    })
}

/// The number at the beginning, and what follows it in lower case.
fn split(text: &str) -> (Option<f64>, String) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.parse::<f64>().ok();
    (number, unit.trim().to_ascii_lowercase())
}

fn factor(unit: impl AsRef<str>) -> Option<f64> {
    let power = |unit: &str| ["", "k", "m", "g", "t"].iter().position(|prefix| *prefix == unit);
    let unit = unit.as_ref();
    let unit = unit.strip_suffix('b').unwrap_or(unit);
    match unit.strip_suffix('i') {
        Some(prefix) => {
            (!prefix.is_empty()).then(|| power(prefix))?.map(|n| 1024_f64.powi(n as i32))
        }
        None => power(unit).map(|n| 1000_f64.powi(n as i32)),
    }
}

/// So many bytes. What is less than one would be rounded to no bound at all.
fn bounded((number, factor): (f64, f64)) -> Option<u64> {
    let bytes = whole(number * factor)?;
    (bytes > 0 || number == 0.0).then_some(bytes)
}

fn whole(bytes: f64) -> Option<u64> {
    (bytes.is_finite() && bytes <= MOST).then_some(bytes.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1000", 1000),
            ("10GB", 10_000_000_000),
            ("10 gb", 10_000_000_000),
            ("500MiB", 500 << 20),
            ("1.5TB", 1_500_000_000_000),
            ("2K", 2000),
            ("2KiB", 2048),
            ("7b", 7),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for bad in [
            "",
            "GB",
            "10XB",
            "-1",
            "1e9",
            "1..2",
            "10iB",
            "99999999TB",
            "10MB/s",
            "∞",
            "0.3",
            "0.0001KB",
        ] {
            let error = parse_bytes(bad).unwrap_err();
            assert!(error.contains("10GB"), "{error}");
        }
    }

    #[test]
    fn rates_are_bytes_or_bits_a_second() {
        for (text, bytes) in [
            ("0", 0),
            ("20MB/s", 20_000_000),
            ("20MB", 20_000_000),
            ("2MiB/s", 2 << 20),
            ("50mbit", 6_250_000),
            ("50 Mbit/s", 6_250_000),
            ("100Mbps", 100_000_000),
            ("1gbit", 125_000_000),
            ("12.5MB/s", 12_500_000),
        ] {
            assert_eq!(parse_rate(text), Ok(bytes), "{text}");
        }
        for bad in ["", "fast", "20MB/h", "1bit", "20MiBit", "-5MB/s"] {
            let error = parse_rate(bad).unwrap_err();
            assert!(error.contains("20MB/s") && error.contains("50mbit"), "{error}");
        }
    }
}
