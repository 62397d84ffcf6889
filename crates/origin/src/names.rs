//! Names that are safe for a file in a folder, on every system.

use percent_encoding::percent_decode_str;
use url::Url;

/// The longest name given out. File systems take 255 bytes; the rest is room for ` (12)`, `.part` and `.mismatch`.
pub const MAX_NAME_BYTES: usize = 230;

/// What follows the last dot is kept when a name is cut, up to this length with its dot.
const MAX_EXTENSION_BYTES: usize = 24;
/// Longer texts are cut before anything else is done with them.
const MAX_INPUT_BYTES: usize = 8 << 10;

/// Makes a plain file name of what a stranger calls a file.
///
/// One component (what follows the last `/` or `\`), without control and invisible formatting characters, with `_` for what
/// Windows forbids, no leading dots, no trailing dots and spaces, no reserved device name, at most [`MAX_NAME_BYTES`] bytes
/// with its extension kept. `None` when nothing is left.
#[must_use]
pub fn safe_name(text: &str) -> Option<String> {
    let text = cut(text, MAX_INPUT_BYTES);
    let base = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let base: String = base
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c })
        .collect();
    let name = base.trim_start_matches(|c: char| c == '.' || c.is_whitespace());
    let mut name = trim_end(name).to_owned();
    if name.chars().all(|c| c == '_') {
        return None;
    }
    if is_device(&name) {
        name.insert(0, '_');
    }
    Some(shorten(&name))
}

/// The name in the path of the final URL, or, when that one has no extension, in that of the original one.
pub(crate) fn of_urls(final_url: &Url, original: &Url) -> Option<String> {
    let (last, first) = (of_url(final_url), of_url(original));
    match (last, first) {
        (Some(last), Some(first)) if !last.contains('.') && first.contains('.') => Some(first),
        (last, first) => last.or(first),
    }
}

fn of_url(url: &Url) -> Option<String> {
    let segment = url.path_segments()?.next_back()?;
    let decoded = percent_decode_str(segment).decode_utf8();
    safe_name(decoded.as_deref().unwrap_or(segment))
}

/// Control characters, and those that change how the text around them looks or hide in it. The joiners U+200C and U+200D
/// stay: Persian and emoji are spelled with them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn trim_end(name: &str) -> &str {
    name.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// `CON`, `nul.txt`, `com1`, `LPT¹ .log`: devices on Windows, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    ["COM", "LPT"].iter().filter_map(|port| stem.strip_prefix(port)).any(|number| {
        let mut chars = number.chars();
        matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    })
}

fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| name.len() - dot <= MAX_EXTENSION_BYTES);
    let (mut stem, mut extension) = name.split_at(dot.unwrap_or(name.len()));
    // `.tar.gz` is one extension.
    if let Some(before) = stem.strip_suffix(".tar") {
        (stem, extension) = name.split_at(before.len());
    }
    format!("{}{extension}", trim_end(cut(stem, MAX_NAME_BYTES - extension.len())))
}

/// At most `max` bytes, without cutting a character.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_strangers_become_plain_file_names() {
        let cases = [
            ("file.txt", "file.txt"),
            ("two words.txt", "two words.txt"),
            ("a/b/c.txt", "c.txt"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\windows\\win.ini", "win.ini"),
            ("C:\\Users\\me\\file.txt", "file.txt"),
            ("C:file.txt", "C_file.txt"),
            ("/absolute", "absolute"),
            ("file.txt:stream", "file.txt_stream"),
            ("what?.txt", "what_.txt"),
            ("a<b>c|d\"e*f", "a_b_c_d_e_f"),
            (".bashrc", "bashrc"),
            ("...hidden", "hidden"),
            (" . leading", "leading"),
            ("trailing. . .", "trailing"),
            ("trailing  ", "trailing"),
            ("nul\0byte.txt", "nulbyte.txt"),
            ("line\r\nbreak.txt", "linebreak.txt"),
            ("tab\there", "tabhere"),
            ("del\u{7f}ete", "delete"),
            ("c1\u{85}control", "c1control"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("\u{2066}isolated\u{2069}.txt", "isolated.txt"),
            ("zero\u{200b}width.txt", "zerowidth.txt"),
            ("\u{feff}bom.txt", "bom.txt"),
            ("tag\u{e0041}.txt", "tag.txt"),
            ("می\u{200c}خواهم.pdf", "می\u{200c}خواهم.pdf"),
            ("文件.zip", "文件.zip"),
            ("résumé.pdf", "résumé.pdf"),
            ("👩\u{200d}🚀.png", "👩\u{200d}🚀.png"),
            ("CON", "_CON"),
            ("con.txt", "_con.txt"),
            ("NUL.tar.gz", "_NUL.tar.gz"),
            ("com1", "_com1"),
            ("COM0.log", "_COM0.log"),
            ("lpt9.x", "_lpt9.x"),
            ("LPT².x", "_LPT².x"),
            ("CONIN$", "_CONIN$"),
            ("aux .txt", "_aux .txt"),
            ("console.txt", "console.txt"),
            ("com10", "com10"),
            ("comb", "comb"),
            ("-rf", "-rf"),
            ("~", "~"),
            ("a..b", "a..b"),
        ];
        for (text, expected) in cases {
            assert_eq!(safe_name(text).as_deref(), Some(expected), "{text:?}");
        }
        for nothing in ["", ".", "..", "...", " ", "/", "a/", "a\\", "../", "\0", "?", "\u{202e}"] {
            assert_eq!(safe_name(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension_and_its_characters_whole() {
        let name = safe_name(&format!("{}.tar.gz", "ü".repeat(200))).unwrap();
        assert!(name.len() <= MAX_NAME_BYTES && name.len() > MAX_NAME_BYTES - 2);
        assert!(name.ends_with("ü.tar.gz"));
        assert_eq!(safe_name(&"x".repeat(300)).unwrap().len(), MAX_NAME_BYTES);
        let no_extension = format!("a.{}", "x".repeat(300));
        assert_eq!(safe_name(&no_extension).unwrap().len(), MAX_NAME_BYTES);
        let spaces = format!("a{}.iso", " ".repeat(300));
        assert_eq!(safe_name(&spaces).as_deref(), Some("a.iso"));
    }

    #[test]
    fn the_last_segment_of_the_path_is_the_name() {
        let check = |last: &str, first: &str| {
            of_urls(&Url::parse(last).unwrap(), &Url::parse(first).unwrap())
        };
        let name = |url: &str| check(url, url);
        assert_eq!(name("http://example.org/a/b.iso?x=/c.txt#d").as_deref(), Some("b.iso"));
        assert_eq!(name("http://example.org/a%20b.iso").as_deref(), Some("a b.iso"));
        assert_eq!(name("http://example.org/%E6%96%87.zip").as_deref(), Some("文.zip"));
        assert_eq!(name("http://example.org/%ff%fe.zip").as_deref(), Some("%ff%fe.zip"));
        assert_eq!(name("http://example.org/..%2f..%2fpasswd").as_deref(), Some("passwd"));
        assert_eq!(name("http://example.org/%2e%2e"), None);
        assert_eq!(name("http://example.org/"), None);
        assert_eq!(name("http://example.org"), None);
        let (cdn, link) = ("http://cdn.example/3f9c0a", "http://example.org/debian.iso");
        assert_eq!(check(cdn, link).as_deref(), Some("debian.iso"));
        assert_eq!(check("http://example.org/", link).as_deref(), Some("debian.iso"));
        assert_eq!(check(link, cdn).as_deref(), Some("debian.iso"));
    }

    proptest! {
        #[test]
        fn a_safe_name_is_always_one_plain_component(text in any::<String>()) {
            check_plain(&text)?;
        }

        #[test]
        fn so_it_is_for_texts_made_to_break_it(
            text in prop::collection::vec(
                prop::sample::select(vec![
                    "..", ".", "/", "\\", "\0", "\u{202e}", "con", "COM1", ":", " ", "ü", "文", "*",
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ".tar",
                ]),
                0..24,
            )
        ) {
            check_plain(&text.concat())?;
        }
    }

    fn check_plain(text: &str) -> Result<(), TestCaseError> {
        let Some(name) = safe_name(text) else { return Ok(()) };
        prop_assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES);
        let components: Vec<_> = std::path::Path::new(&name).components().collect();
        prop_assert_eq!(components, [std::path::Component::Normal(name.as_ref())]);
        prop_assert!(!name.contains(['\\', ':', '\0']) && !name.starts_with('.'));
        prop_assert!(!name.ends_with(['.', ' ']) && !name.chars().any(is_invisible));
        prop_assert!(!is_device(&name), "{}", name);
        prop_assert_eq!(safe_name(&name), Some(name), "what is safe stays as it is");
        Ok(())
    }
}
