//! `Forwarded` (RFC 7239): what one proxy says of whom it serves.

use std::net::IpAddr;

/// The address of `for` in one element, which is what stands between commas. `None`: it is not said, hidden (`unknown`, `_hidden`), said
/// twice, or not written as the RFC has it.
///
/// A text in quotes may have neither commas, semicolons nor escapes here, which addresses do not need: so a comma always ends an element, and no
/// quote that a client has left open takes in what a proxy has written behind it.
pub(crate) fn for_address(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').filter(|text| text.bytes().all(is_plain))?,
            None => Some(value).filter(|text| is_token(text))?,
        };
        if !is_token(name) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None;
            }
            found = Some(node(value)?);
        }
    }
    found
}

/// `192.0.2.43`, `192.0.2.43:4711`, `[2001:db8::1]`, `[2001:db8::1]:_hidden`.
fn node(text: &str) -> Option<IpAddr> {
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (six, port) = rest.split_once(']')?;
            (IpAddr::V6(six.parse().ok()?), port)
        }
        None => {
            let (four, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (IpAddr::V4(four.parse().ok()?), port)
        }
    };
    let is_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(port) => match port.strip_prefix('_') {
            Some(hidden) => !hidden.is_empty() && is_token(hidden),
            None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
        },
    };
    is_port.then(|| address.to_canonical())
}

/// RFC 9110, § 5.6.2.
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

fn is_plain(byte: u8) -> bool {
    (byte.is_ascii_graphic() || byte == b' ') && !b"\"\\,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_says_one_address_or_none() {
        for (element, expected) in [
            ("for=192.0.2.43", Some("192.0.2.43")),
            ("For=192.0.2.43", Some("192.0.2.43")),
            (" for=192.0.2.43 ", Some("192.0.2.43")),
            ("for=\"192.0.2.43:4711\"", Some("192.0.2.43")),
            ("for=\"192.0.2.43:_port\"", Some("192.0.2.43")),
            ("for=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17")),
            ("for=\"[2001:db8:cafe::17]\"", Some("2001:db8:cafe::17")),
            ("for=\"[::ffff:192.0.2.1]\"", Some("192.0.2.1")),
            ("proto=https; for=192.0.2.60;by=203.0.113.43", Some("192.0.2.60")),
            ("by=203.0.113.43;for=192.0.2.60;host=\"a.example:443\"", Some("192.0.2.60")),
            ("for=unknown", None),
            ("for=_gazonk", None),
            ("by=192.0.2.43", None),
            ("192.0.2.43", None),
            ("", None),
            ("for=", None),
            ("for=\"\"", None),
            ("for=192.0.2.43;for=192.0.2.44", None),
            ("for=192.0.2.43;", None),
            ("for =192.0.2.43", None),
            ("for= 192.0.2.43", None),
            // Colons and brackets need quotes.
            ("for=192.0.2.43:4711", None),
            ("for=[2001:db8::1]", None),
            ("for=2001:db8::1", None),
            ("for=\"2001:db8::1\"", None),
            ("for=\"192.0.2.43", None),
            ("for=192.0.2.43\"", None),
            ("for=\"192.0.2.43\"x", None),
            ("for=\"\\192.0.2.43\"", None),
            ("for=\"192.0.2.43:\"", None),
            ("for=\"192.0.2.43:123456\"", None),
            ("for=\"192.0.2.43:_\"", None),
            ("for=\"[192.0.2.43]\"", None),
            ("for=\"[2001:db8::1%eth0]\"", None),
            ("for=\"[2001:db8::1]4711\"", None),
            ("for=192.0.2.43;secret=\"a;b\"", None),
            ("for=192.0.2.43;by=ä", None),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(for_address(element), expected, "{element}");
        }
    }
}
