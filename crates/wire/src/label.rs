//! Texts from other machines that are shown to people.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// What a device calls itself has at most so many characters: more would push a prompt's buttons
/// out of sight.
pub const DEVICE_NAME_CHARS: usize = 40;
/// A file name in a prompt has at most so many characters.
pub const FILE_NAME_CHARS: usize = 120;
/// A letter carries at most so many combining marks; what stacks more writes over its neighbours.
const MAX_MARKS: usize = 3;

/// A short text that cannot disturb what stands around it, wherever it is shown: window,
/// notification, terminal, log.
///
/// There is one way to make one, [`Label::neutralised`], and decoding a message goes through it. It
/// takes out control and formatting characters (so no line break, escape sequence or reversal of
/// the writing direction), private-use and unassigned-plane characters and stacks of combining
/// marks, turns `< > & " ' \`` into characters that look alike and mean nothing in markup, folds
/// white space and cuts to `MAX_CHARS`. It may come out empty: then show the short device id.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Label<const MAX_CHARS: usize>(String);

pub type DeviceName = Label<DEVICE_NAME_CHARS>;
pub type FileName = Label<FILE_NAME_CHARS>;

impl<const MAX_CHARS: usize> Label<MAX_CHARS> {
    /// What is left of `text` when everything disturbing is taken out. Doing it twice changes
    /// nothing.
    #[must_use]
    pub fn neutralised(text: &str) -> Self {
        let (mut label, mut chars, mut marks, mut space) = (String::new(), 0, 0, false);
        for letter in text.chars() {
            if letter.is_whitespace() {
                space = chars > 0;
                continue;
            }
            if disturbs(letter) {
                continue;
            }
            let mark = is_mark(letter);
            marks = if mark { marks + 1 } else { 0 };
            if marks > MAX_MARKS || (mark && (chars == 0 || space)) {
                continue;
            }
            let room = MAX_CHARS.saturating_sub(chars);
            if room < 1 + usize::from(space) {
                break;
            }
            if space {
                label.push(' ');
                chars += 1;
                space = false;
            }
            label.push(look_alike(letter));
            chars += 1;
        }
        Self(label)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Characters that steer the text around them or show nothing (Unicode's Cc, Cf, Co and the planes
/// without letters).
fn disturbs(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
            | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{E000}'..='\u{F8FF}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}'
            | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{1FFFE}' | '\u{1FFFF}' | '\u{40000}'..)
}

fn is_mark(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5BD}' | '\u{610}'..='\u{61A}'
        | '\u{64B}'..='\u{65F}' | '\u{E31}' | '\u{E34}'..='\u{E3A}' | '\u{E47}'..='\u{E4E}'
        | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE20}'..='\u{FE2F}')
}

fn look_alike(letter: char) -> char {
    match letter {
        '<' => '‹',
        '>' => '›',
        '&' => '＆',
        '"' => '”',
        '\'' | '`' => '’',
        letter => letter,
    }
}

impl<const MAX_CHARS: usize> fmt::Debug for Label<MAX_CHARS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX_CHARS: usize> fmt::Display for Label<MAX_CHARS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de, const MAX_CHARS: usize> Deserialize<'de> for Label<MAX_CHARS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::neutralised(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_from_the_network_cannot_disturb_what_stands_around_them() {
        for (from, to) in [
            ("Mo's laptop", "Mo’s laptop"),
            ("李雷的笔记本", "李雷的笔记本"),
            ("  a \t\r\n b  ", "a b"),
            ("\u{1b}[31mred\u{7}", "[31mred"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("a\u{2066}b\u{200b}c\u{feff}d\u{2028}e", "abcd e"),
            ("<b onclick=\"x()\">&amp;'`</b>", "‹b onclick=”x()”›＆amp;’’‹/b›"),
            ("Z\u{301}\u{301}\u{301}\u{301}\u{301}a", "Z\u{301}\u{301}\u{301}a"),
            ("\u{301}a", "a"),
            ("\u{e0041}\u{e0042}tag \u{f8ff}", "tag"),
            ("\u{3164}\u{115f}", ""),
            ("", ""),
        ] {
            assert_eq!(DeviceName::neutralised(from).as_str(), to, "{from:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_when_it_is_decoded() {
        let json = format!("\"{}\"", "ä".repeat(1000));
        let name: DeviceName = serde_json::from_str(&json).unwrap();
        assert_eq!(name.as_str(), "ä".repeat(DEVICE_NAME_CHARS));
    }

    proptest! {
        #[test]
        fn a_neutral_name_stays_as_it_is_and_short(text in any::<String>()) {
            let once = Label::<12>::neutralised(&text);
            let chars = once.as_str().chars().count();
            prop_assert!(chars <= 12);
            let disturbing = |c: char| c.is_control() || "<>&\"'`\u{202e}".contains(c);
            prop_assert!(!once.as_str().chars().any(disturbing));
            prop_assert_eq!(&Label::<12>::neutralised(once.as_str()), &once);
        }
    }
}
