//! How numbers of bytes and the names of others are printed outside of the page.

/// Decimal, as on the web pages that files come from, and as the page prints them.
const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
const STEP: f64 = 1000.0;
/// Characters of a name that are shown: a menu or a notification with a longer one hides what else it says.
const MAX_NAME: usize = 60;

/// `3.9 GB`, `812 MB`, `1.0 kB`, `17 B`.
pub fn bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    // 999.95 would be printed as 1000.0 of the smaller unit.
    while value >= STEP - 0.5 && unit < UNITS.len() - 1 {
        value /= STEP;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit > 0 && value < 99.95 {
        format!("{value:.1} {name}")
    } else {
        format!("{value:.0} {name}")
    }
}

/// The same for a server. Who a server belongs to is told by the end of its name: where it is too long, that stays.
pub fn plain_host(host: &str) -> String {
    let length = host.chars().count();
    if length <= MAX_NAME {
        return plain(host);
    }
    plain(&['…'].into_iter().chain(host.chars().skip(length - (MAX_NAME - 1))).collect::<String>())
}

/// What somebody else calls something, as one short line: without control characters and without those that turn the
/// direction of writing and so make a name look like another.
pub fn plain(name: &str) -> String {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown: String = name
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .filter(|c| !turns(*c))
        .take(MAX_NAME + 1)
        .collect();
    if shown.chars().count() > MAX_NAME {
        shown = shown.chars().take(MAX_NAME - 1).chain(['…']).collect();
    }
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_printed_as_the_page_prints_them() {
        for (number, text) in [
            (0, "0 B"),
            (17, "17 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (99_951, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (812_000_000, "812 MB"),
            (3_900_000_000, "3.9 GB"),
            (41_800_000, "41.8 MB"),
        ] {
            assert_eq!(bytes(number), text, "{number}");
        }
    }

    #[test]
    fn names_are_one_short_line_that_reads_as_it_is() {
        for (name, shown) in [
            ("Lin", "Lin"),
            ("  Lin\n\tasks ", "Lin  asks"),
            ("exe.\u{202e}gpj", "exe.gpj"),
            ("\u{7}", ""),
            ("林 & <b>", "林 & <b>"),
        ] {
            assert_eq!(plain(name), shown);
        }
        let long = plain(&"a".repeat(1000));
        assert_eq!(long.chars().count(), MAX_NAME);
        assert!(long.ends_with('…'));
        assert_eq!(plain(&"b".repeat(MAX_NAME)), "b".repeat(MAX_NAME));
    }

    #[test]
    fn a_server_s_name_keeps_its_end() {
        assert_eq!(plain_host("ftp.example.org:8080"), "ftp.example.org:8080");
        let long = plain_host(&format!("ftp.example.org.{}.evil.test", "a".repeat(200)));
        assert_eq!(long.chars().count(), MAX_NAME);
        assert!(long.starts_with('…') && long.ends_with("aaa.evil.test"), "{long}");
    }
}
