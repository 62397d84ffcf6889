//! The file name in a `Content-Disposition` (RFC 6266), as servers really write it.

use std::borrow::Cow;

use data_encoding::BASE64_NOPAD;
use percent_encoding::percent_decode;

/// A longer header has no name worth having.
const MAX_HEADER_BYTES: usize = 8 << 10;

/// The name that the server gives, not yet safe for a file system: `filename*` if it makes sense, else `filename`.
pub(crate) fn file_name(header: &[u8]) -> Option<String> {
    if header.len() > MAX_HEADER_BYTES {
        return None;
    }
    let (mut plain, mut extended) = (None, None);
    for (name, value) in parameters(header) {
        if name.eq_ignore_ascii_case(b"filename*") {
            extended = extended.or_else(|| extended_value(&value));
        } else if name.eq_ignore_ascii_case(b"filename") {
            plain = plain.or_else(|| Some(plain_value(&value)));
        }
    }
    extended.or(plain).filter(|name| !name.is_empty())
}

/// The parameters after the disposition type; a missing type is forgiven.
fn parameters(header: &[u8]) -> Vec<(&[u8], Cow<'_, [u8]>)> {
    let (mut rest, mut found) = (header, Vec::new());
    while !rest.is_empty() {
        let end = rest.iter().position(|b| matches!(b, b'=' | b';')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(after) = after.strip_prefix(b"=") else {
            // The type, or something without a value.
            rest = after.get(1..).unwrap_or_default();
            continue;
        };
        let (value, after) = value(after.trim_ascii_start());
        // `attachment filename=x`: the name of the parameter is the last word.
        let name = name.trim_ascii().rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        found.push((name, value));
        rest = after;
    }
    found
}

/// A value and what follows its semicolon.
fn value(text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let next = |rest: &'_ [u8]| rest.iter().position(|b| *b == b';').map(|at| at + 1);
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let at = next(text).unwrap_or(text.len() + 1);
        let value = text.get(..at - 1).unwrap_or(text).trim_ascii();
        return (value.into(), text.get(at..).unwrap_or_default());
    };
    let (mut value, mut bytes) = (Vec::new(), quoted.iter().copied().enumerate().peekable());
    let mut end = quoted.len();
    while let Some((at, byte)) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'"', _) => {
                end = at + 1;
                break;
            }
            // Only these are escapes: others write the paths of Windows like this.
            (b'\\', Some((_, next @ (b'"' | b'\\')))) => {
                value.push(*next);
                bytes.next();
            }
            _ => value.push(byte),
        }
    }
    let rest = quoted.get(end..).unwrap_or_default();
    (value.into(), next(rest).and_then(|at| rest.get(at..)).unwrap_or_default())
}

/// `UTF-8'en'%e2%82%ac` (RFC 8187); `None` for other charsets and broken values.
fn extended_value(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |b| *b == b'\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !escapes_are_whole(text) {
        return None;
    }
    decode_charset(charset, percent_decode(text).collect())
}

fn decode_charset(charset: &[u8], bytes: Vec<u8>) -> Option<String> {
    match charset.to_ascii_lowercase().as_slice() {
        b"utf-8" | b"utf8" | b"us-ascii" => String::from_utf8(bytes).ok(),
        b"iso-8859-1" | b"latin1" => Some(latin1(&bytes)),
        _ => None,
    }
}

/// Encoded words, UTF-8, percent escapes, and Latin-1 for what is nothing else.
fn plain_value(value: &[u8]) -> String {
    if let Some(decoded) = encoded_words(value) {
        return decoded;
    }
    match std::str::from_utf8(value) {
        Ok(text) if text.is_ascii() && text.contains('%') && escapes_are_whole(value) => {
            percent_decode(value).decode_utf8().map_or_else(|_| text.to_owned(), Cow::into_owned)
        }
        Ok(text) => text.to_owned(),
        Err(_) => latin1(value),
    }
}

/// Every percent sign begins an escape.
fn escapes_are_whole(value: &[u8]) -> bool {
    value.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(at, _)| {
        value.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    })
}

/// `=?utf-8?B?5paH?= =?utf-8?Q?_=2Etxt?=` (RFC 2047), wholly made of such words.
fn encoded_words(value: &[u8]) -> Option<String> {
    let (mut text, mut rest) = (String::new(), value.trim_ascii());
    while !rest.is_empty() {
        let mut parts = rest.strip_prefix(b"=?")?.splitn(4, |b| *b == b'?');
        let (charset, coding, word) = (parts.next()?, parts.next()?, parts.next()?);
        let after = parts.next()?.strip_prefix(b"=")?;
        let bytes = match coding {
            b"B" | b"b" => BASE64_NOPAD.decode(without_padding(word)).ok()?,
            b"Q" | b"q" => {
                let word: Vec<u8> = word
                    .iter()
                    .map(|b| match b {
                        b'=' => b'%',
                        b'_' => b' ',
                        b => *b,
                    })
                    .collect();
                percent_decode(&word).collect()
            }
            _ => return None,
        };
        text.push_str(&decode_charset(charset, bytes)?);
        rest = after.trim_ascii_start();
    }
    (!text.is_empty()).then_some(text)
}

/// Base64 without the `=` at its end, which some forget.
fn without_padding(word: &[u8]) -> &[u8] {
    let end = word.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    word.get(..end).unwrap_or_default()
}

/// Every byte is the character of its number.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_found_as_servers_write_them() {
        let cases: &[(&str, Option<&str>)] = &[
            // Plain.
            ("attachment; filename=file.txt", Some("file.txt")),
            ("attachment; filename=\"file.txt\"", Some("file.txt")),
            ("inline; filename=\"file.txt\"", Some("file.txt")),
            ("ATTACHMENT; FILENAME=\"file.txt\"", Some("file.txt")),
            ("attachment;filename=file.txt", Some("file.txt")),
            ("attachment ;  filename  =  \"file.txt\"  ", Some("file.txt")),
            ("attachment; filename=file.txt;", Some("file.txt")),
            ("attachment; size=12; filename=file.txt", Some("file.txt")),
            ("attachment; filename=file.txt; size=12", Some("file.txt")),
            ("attachment; filename=two words.txt", Some("two words.txt")),
            ("attachment; filename='quoted.txt'", Some("'quoted.txt'")),
            ("form-data; name=\"x\"; filename=\"file.txt\"", Some("file.txt")),
            // Nothing to find.
            ("", None),
            ("attachment", None),
            ("attachment;", None),
            ("attachment; filename", None),
            ("attachment; filename=", None),
            ("attachment; filename=\"\"", None),
            ("attachment; name=file.txt", None),
            ("attachment; xfilename=file.txt", None),
            ("attachment; filename-x=file.txt", None),
            (";;;=;=;", None),
            // Broken, but clear.
            ("filename=file.txt", Some("file.txt")),
            ("filename=\"file.txt\"", Some("file.txt")),
            ("attachment filename=file.txt", Some("file.txt")),
            ("attachment; filename=\"file.txt", Some("file.txt")),
            ("attachment; filename=\"file.txt\" junk; x=y", Some("file.txt")),
            ("; filename=file.txt", Some("file.txt")),
            ("attachment; filename=first.txt; filename=second.txt", Some("first.txt")),
            // Quotes.
            ("attachment; filename=\"a;b.txt\"", Some("a;b.txt")),
            ("attachment; filename=\"a=b; filename=c.txt\"", Some("a=b; filename=c.txt")),
            ("attachment; x=\"; filename=no.txt\"; filename=yes.txt", Some("yes.txt")),
            ("attachment; filename=\"say \\\"hi\\\".txt\"", Some("say \"hi\".txt")),
            ("attachment; filename=\"back\\\\slash\"", Some("back\\slash")),
            ("attachment; filename=\"C:\\dir\\file.txt\"", Some("C:\\dir\\file.txt")),
            ("attachment; filename=\"ends with \\", Some("ends with \\")),
            // filename*
            ("attachment; filename*=UTF-8''na%C3%AFve.txt", Some("naïve.txt")),
            ("attachment; filename*=utf-8'en'%E2%82%AC%20rates.txt", Some("€ rates.txt")),
            ("attachment; filename*=UTF-8''plain.txt", Some("plain.txt")),
            ("attachment; filename*=iso-8859-1''caf%E9.txt", Some("café.txt")),
            ("attachment; filename*=\"UTF-8''quoted%20it.txt\"", Some("quoted it.txt")),
            ("attachment; filename*= UTF-8''space.txt", Some("space.txt")),
            ("attachment; FileName*=UTF-8''case.txt", Some("case.txt")),
            ("attachment; filename=a.txt; filename*=UTF-8''b.txt", Some("b.txt")),
            ("attachment; filename*=UTF-8''b.txt; filename=a.txt", Some("b.txt")),
            ("attachment; filename*=UTF-8''%; filename=a.txt", Some("a.txt")),
            ("attachment; filename*=UTF-8''%zz.txt; filename=a.txt", Some("a.txt")),
            ("attachment; filename*=UTF-8''%ff%fe; filename=a.txt", Some("a.txt")),
            ("attachment; filename*=klingon''x; filename=a.txt", Some("a.txt")),
            ("attachment; filename*=no-quotes.txt; filename=a.txt", Some("a.txt")),
            ("attachment; filename*=UTF-8''", None),
            ("attachment; filename*=UTF-8''a'b.txt", Some("a'b.txt")),
            ("attachment; filename*=UTF-8''..%2F..%2Fpasswd", Some("../../passwd")),
            // Raw UTF-8, escapes, encoded words.
            ("attachment; filename=\"文件.zip\"", Some("文件.zip")),
            ("attachment; filename=文件.zip", Some("文件.zip")),
            ("attachment; filename=\"%E6%96%87%E4%BB%B6.zip\"", Some("文件.zip")),
            ("attachment; filename=\"a%20b.txt\"", Some("a b.txt")),
            ("attachment; filename=\"100%.txt\"", Some("100%.txt")),
            ("attachment; filename=\"50%25 off.txt\"", Some("50% off.txt")),
            ("attachment; filename=\"%ff.txt\"", Some("%ff.txt")),
            ("attachment; filename=\"=?utf-8?B?5paH5Lu2LnppcA==?=\"", Some("文件.zip")),
            ("attachment; filename==?UTF-8?Q?caf=C3=A9_1.txt?=", Some("café 1.txt")),
            ("attachment; filename=\"=?utf-8?Q?a?= =?utf-8?Q?b.txt?=\"", Some("ab.txt")),
            ("attachment; filename=\"=?iso-8859-1?Q?caf=E9.txt?=\"", Some("café.txt")),
            ("attachment; filename=\"=?utf-8?X?abc?=\"", Some("=?utf-8?X?abc?=")),
            ("attachment; filename=\"=?utf-8?B?***?=\"", Some("=?utf-8?B?***?=")),
        ];
        for (header, expected) in cases {
            assert_eq!(file_name(header.as_bytes()).as_deref(), *expected, "{header}");
        }
        assert_eq!(file_name(b"attachment; filename=\"caf\xe9.txt\"").as_deref(), Some("café.txt"));
        let long = format!("attachment; filename={}", "x".repeat(MAX_HEADER_BYTES));
        assert_eq!(file_name(long.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_trouble(header in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = file_name(&header);
        }

        #[test]
        fn any_quoted_name_is_read_back(name in "[^\\p{Cc}%=]{1,60}") {
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("attachment; filename=\"{quoted}\"; x=y");
            prop_assert_eq!(file_name(header.as_bytes()), Some(name));
        }
    }
}
