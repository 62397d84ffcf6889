//! Links as people type them, and the parts of them that may be shown.

use manyhands_core::{Failure, FailureCode, What};
use url::Url;

/// Longer links are refused: browsers stop at 2 MiB, servers mostly at 8 KiB.
pub const MAX_URL_BYTES: usize = 64 << 10;

/// What can be downloaded.
const SCHEMES: [&str; 3] = ["http", "https", "ftp"];

/// See [`crate::Origins::check_url`].
pub(crate) fn check_url(text: &str) -> Result<Url, Failure> {
    let text = text.trim().trim_matches(|c| matches!(c, '<' | '>' | '"'));
    let bad = |why: &str| Failure::new(FailureCode::BadUrl, format!("This is no link: {why}."));
    if text.is_empty() {
        return Err(bad("it is empty").because(What::EmptyLink, []));
    }
    if text.len() > MAX_URL_BYTES {
        return Err(bad("it is too long").because(What::LongLink, []));
    }
    if text.contains(|c: char| c.is_control() || c == ' ') {
        let failure = bad("there is a space or a line break in it");
        return Err(failure.because(What::SpaceInLink, []));
    }
    // A host with a port parses as a URL, too: `example.org:8080/file` has the scheme `example.org`.
    let url = match Url::parse(text) {
        Ok(url) if !looks_like_host(url.scheme()) => url,
        _ if host_and_path(text) => {
            Url::parse(&format!("https://{text}")).map_err(|error| bad(&error.to_string()))?
        }
        Ok(url) => url,
        Err(error) => return Err(bad(&error.to_string())),
    };
    if !SCHEMES.contains(&url.scheme()) {
        return Err(Failure::new(
            FailureCode::UnknownScheme,
            format!(
                "Links that begin with \"{}:\" cannot be downloaded; http, https and ftp can.",
                url.scheme()
            ),
        )
        .because(What::Scheme, [&url.scheme()]));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("it names no server").because(What::NoServerInLink, []));
    }
    Ok(url)
}

/// `example.org/file`, `example.org:8080/file`: a name with a dot, then a path that is more than a slash.
fn host_and_path(text: &str) -> bool {
    let Some((authority, path)) = text.split_once('/') else { return false };
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    looks_like_host(host)
        && !path.is_empty()
        && port.parse::<u16>().is_ok()
        && host.split('.').all(|label| !label.is_empty())
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn looks_like_host(text: &str) -> bool {
    text.contains('.')
}

/// The host as it is shown and consented to: with the port where it is not the scheme's own.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The root of a URL's origin.
pub(crate) fn root_of(url: &Url) -> Url {
    let mut root = without_user(url);
    root.set_path("/");
    root.set_query(None);
    root
}

/// Adds the root of a URL's origin to those on the way.
pub(crate) fn add_root(origins: &mut Vec<Url>, url: &Url) {
    let root = root_of(url);
    if !origins.contains(&root) {
        origins.push(root);
    }
}

/// The URL as it is requested: no user info, no fragment.
pub(crate) fn without_user(url: &Url) -> Url {
    let mut url = url.clone();
    // These fail for URLs that cannot have user info: there is none to remove.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_paste_becomes_a_link_or_a_reason() {
        let cases = [
            ("http://example.org/file", "http://example.org/file"),
            ("  https://example.org/a b", "bad-url"),
            ("\t<https://example.org/file>\n", "https://example.org/file"),
            ("HTTPS://EXAMPLE.org/File", "https://example.org/File"),
            ("example.org/file.iso", "https://example.org/file.iso"),
            ("example.org:8080/file.iso", "https://example.org:8080/file.iso"),
            ("bücher.example/buch.pdf", "https://xn--bcher-kva.example/buch.pdf"),
            ("192.0.2.7/file", "https://192.0.2.7/file"),
            ("ftp://example.org/pub/file", "ftp://example.org/pub/file"),
            ("ftp://user:p%40ss@example.org/f", "ftp://user:p%40ss@example.org/f"),
            ("", "bad-url"),
            ("   ", "bad-url"),
            ("file", "bad-url"),
            ("example.org", "bad-url"),
            ("example.org/", "bad-url"),
            ("..//file", "bad-url"),
            ("/etc/passwd", "bad-url"),
            ("http://", "bad-url"),
            ("http:///", "bad-url"),
            ("https://exa mple.org/file", "bad-url"),
            ("https://example.org/file\nhttps://example.org/other", "bad-url"),
            ("http://[::1/file", "bad-url"),
            ("http://example.org:99999/file", "bad-url"),
            ("magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a", "unknown-scheme"),
            ("file:///etc/passwd", "unknown-scheme"),
            ("gopher://example.org/1", "unknown-scheme"),
            ("sftp://example.org/file", "unknown-scheme"),
            ("javascript:alert(1)", "unknown-scheme"),
            ("data:text/plain,hello", "unknown-scheme"),
            ("mailto:someone@example.org", "unknown-scheme"),
            ("C:\\Users\\file", "unknown-scheme"),
        ];
        for (text, expected) in cases {
            let got = check_url(text)
                .map_or_else(|failure| failure.code.as_str().to_owned(), |url| url.to_string());
            assert_eq!(got, expected, "{text:?}");
        }
        assert!(check_url(&format!("http://example.org/{}", "a".repeat(MAX_URL_BYTES))).is_err());
    }

    #[test]
    fn an_unknown_scheme_is_answered_with_the_known_ones() {
        let failure = check_url("magnet:?xt=1").unwrap_err();
        assert_eq!(
            failure.message,
            "Links that begin with \"magnet:\" cannot be downloaded; http, https and ftp can."
        );
    }
}
