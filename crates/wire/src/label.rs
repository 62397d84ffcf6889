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

/// What is written above, below or through the letter before it: Unicode's combining classes 1 and from
/// 10 on, and the enclosing marks. Those of class 0 belong to scripts that say themselves how many
/// there are.
fn is_mark(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5BD}' | '\u{5BF}'
        | '\u{5C1}'..='\u{5C2}' | '\u{5C4}'..='\u{5C5}' | '\u{5C7}' | '\u{610}'..='\u{61A}'
        | '\u{64B}'..='\u{65F}' | '\u{670}' | '\u{6D6}'..='\u{6DC}' | '\u{6DF}'..='\u{6E4}'
        | '\u{6E7}'..='\u{6E8}' | '\u{6EA}'..='\u{6ED}' | '\u{711}' | '\u{730}'..='\u{74A}'
        | '\u{7EB}'..='\u{7F3}' | '\u{7FD}' | '\u{816}'..='\u{819}' | '\u{81B}'..='\u{823}'
        | '\u{825}'..='\u{827}' | '\u{829}'..='\u{82D}' | '\u{859}'..='\u{85B}'
        | '\u{897}'..='\u{89F}' | '\u{8CA}'..='\u{8E1}' | '\u{8E3}'..='\u{8FF}'
        | '\u{951}'..='\u{954}' | '\u{9FE}' | '\u{C55}'..='\u{C56}' | '\u{E31}'
        | '\u{E34}'..='\u{E3A}' | '\u{E47}'..='\u{E4E}' | '\u{EB8}'..='\u{EB9}'
        | '\u{EC8}'..='\u{ECB}' | '\u{F18}'..='\u{F19}' | '\u{F35}' | '\u{F37}' | '\u{F39}'
        | '\u{F71}'..='\u{F72}' | '\u{F74}' | '\u{F7A}'..='\u{F7D}' | '\u{F80}'
        | '\u{F82}'..='\u{F83}' | '\u{F86}'..='\u{F87}' | '\u{FC6}' | '\u{108D}'
        | '\u{135D}'..='\u{135F}' | '\u{17DD}' | '\u{18A9}' | '\u{1939}'..='\u{193B}'
        | '\u{1A17}'..='\u{1A18}' | '\u{1A75}'..='\u{1A7C}' | '\u{1A7F}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1B6B}'..='\u{1B73}' | '\u{1CD0}'..='\u{1CD2}' | '\u{1CD4}'..='\u{1CE0}'
        | '\u{1CE2}'..='\u{1CE8}' | '\u{1CED}' | '\u{1CF4}' | '\u{1CF8}'..='\u{1CF9}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{2CEF}'..='\u{2CF1}'
        | '\u{2DE0}'..='\u{2DFF}' | '\u{302A}'..='\u{302F}' | '\u{A66F}'..='\u{A672}'
        | '\u{A674}'..='\u{A67D}' | '\u{A69E}'..='\u{A69F}' | '\u{A6F0}'..='\u{A6F1}'
        | '\u{A8E0}'..='\u{A8F1}' | '\u{A92B}'..='\u{A92D}' | '\u{AAB0}' | '\u{AAB2}'..='\u{AAB4}'
        | '\u{AAB7}'..='\u{AAB8}' | '\u{AABE}'..='\u{AABF}' | '\u{AAC1}' | '\u{FB1E}'
        | '\u{FE20}'..='\u{FE2F}' | '\u{101FD}' | '\u{102E0}' | '\u{10376}'..='\u{1037A}'
        | '\u{10A0D}' | '\u{10A0F}' | '\u{10A38}'..='\u{10A3A}' | '\u{10AE5}'..='\u{10AE6}'
        | '\u{10D24}'..='\u{10D27}' | '\u{10D69}'..='\u{10D6D}' | '\u{10EAB}'..='\u{10EAC}'
        | '\u{10EFA}'..='\u{10EFF}' | '\u{10F46}'..='\u{10F50}' | '\u{10F82}'..='\u{10F85}'
        | '\u{11100}'..='\u{11102}' | '\u{11366}'..='\u{1136C}' | '\u{11370}'..='\u{11374}'
        | '\u{1145E}' | '\u{16AF0}'..='\u{16AF4}' | '\u{16B30}'..='\u{16B36}' | '\u{1BC9E}'
        | '\u{1D165}'..='\u{1D169}' | '\u{1D16D}'..='\u{1D172}' | '\u{1D17B}'..='\u{1D182}'
        | '\u{1D185}'..='\u{1D18B}' | '\u{1D1AA}'..='\u{1D1AD}' | '\u{1D242}'..='\u{1D244}'
        | '\u{1E000}'..='\u{1E006}' | '\u{1E008}'..='\u{1E018}' | '\u{1E01B}'..='\u{1E021}'
        | '\u{1E023}'..='\u{1E024}' | '\u{1E026}'..='\u{1E02A}' | '\u{1E08F}'
        | '\u{1E130}'..='\u{1E136}' | '\u{1E2AE}' | '\u{1E2EC}'..='\u{1E2EF}'
        | '\u{1E4EC}'..='\u{1E4EF}' | '\u{1E5EE}'..='\u{1E5EF}' | '\u{1E8D0}'..='\u{1E8D6}'
        | '\u{1E944}'..='\u{1E949}')
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
            ("a\u{A8E0}\u{A8E0}\u{A8E1}\u{2DE0}\u{1E8D0}b", "a\u{A8E0}\u{A8E0}\u{A8E1}b"),
            (
                "\u{1014}\u{103D}\u{103E}\u{1036}\u{1037}",
                "\u{1014}\u{103D}\u{103E}\u{1036}\u{1037}",
            ),
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
