//! What the program says outside of its page, in each language that the page speaks.

use manyhands_engine::HelpMode;
use serde::Deserialize;

use crate::sizes::bytes;

/// The languages of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Language {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "zh-CN")]
    Chinese,
}

/// Every text. A language without one of them does not compile.
#[derive(Debug)]
pub struct Words {
    pub show: &'static str,
    pub help: &'static str,
    pub not_now: &'static str,
    pub stop: &'static str,
    pub lending: &'static str,
    pub pause_all: &'static str,
    pub resume_all: &'static str,
    pub quit: &'static str,
    /// A requester that did not say its name.
    pub somebody: &'static str,
    /// What the requester did not name: strangers never do.
    pub a_file: &'static str,
    /// The same at the beginning of a sentence.
    pub a_file_first: &'static str,
    /// Who asks and is no friend: anybody can take a friend's name.
    pub stranger: fn(&str) -> String,
    /// What helping with it is: to carry what nobody on the way can read …
    pub relays: &'static str,
    /// … or to download.
    pub fetches: &'static str,
    /// Somebody begins to pair: who.
    pub pairs: fn(&str) -> String,
    /// What is to be done about it.
    pub pairs_how: &'static str,
    /// What a yes means beyond the help: who was helped is a friend from then on.
    pub befriends: &'static str,
    /// Why one cannot say yes here.
    pub more_servers: &'static str,
    /// Between two sentences.
    pub gap: &'static str,
    /// Between the names of a list.
    pub comma: &'static str,
    /// After a number of bytes.
    pub per_second: &'static str,
    /// More than is listed: `3 more`.
    pub more: fn(usize) -> String,
    /// A help request in the menu: who, what.
    pub request: fn(&str, &str) -> String,
    /// A file and its size, in the menu.
    pub file: fn(&str, &str) -> String,
    /// A file and its size, within a sentence.
    pub sized: fn(&str, &str) -> String,
    /// Its price there: from where, how much.
    pub price: fn(&str, &str) -> String,
    /// A session in the menu: whom, with what.
    pub helping: fn(&str, &str) -> String,
    /// What it has come to.
    pub sent: fn(&str) -> String,
    /// The title of a help request: who.
    pub asks: fn(&str) -> String,
    /// What it would cost: what, from where, how much, how many servers.
    pub cost: fn(&str, &str, &str, usize) -> String,
    pub finished: &'static str,
    pub failed: &'static str,
    /// Why it failed is told by the page.
    pub failed_why: fn(&str) -> String,
    /// Several downloads: finished, failed.
    pub ended: fn(usize, usize) -> String,
    pub goes_on: &'static str,
    pub goes_on_why: &'static str,
}

impl Language {
    /// The one that the page would choose by itself: the system's.
    pub fn of_system() -> Self {
        // In the order of POSIX (locale, 8.2): what is set and not empty decides.
        let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
        let locale = names.iter().filter_map(|name| std::env::var(name).ok());
        locale
            .into_iter()
            .find(|value| !value.is_empty())
            .as_deref()
            .map_or_else(Self::default, Self::of_locale)
    }

    fn of_locale(locale: &str) -> Self {
        let language = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("zh") { Self::Chinese } else { Self::English }
    }

    pub fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }
}

impl Words {
    /// What helping is, in this mode.
    pub fn mode(&self, mode: HelpMode) -> &'static str {
        match mode {
            HelpMode::Relay => self.relays,
            HelpMode::Fetch => self.fetches,
        }
    }

    /// `41.8 MB/s`.
    pub fn throughput(&self, bytes_per_s: u64) -> String {
        bytes(bytes_per_s) + self.per_second
    }
}

static ENGLISH: Words = Words {
    show: "Show Manyhands",
    help: "Help",
    not_now: "Not now",
    stop: "Stop",
    lending: "Lending",
    pause_all: "Pause all",
    resume_all: "Resume all",
    quit: "Quit",
    somebody: "Somebody",
    a_file: "a file",
    a_file_first: "A file",
    stranger: |who| format!("{who} (a stranger)"),
    relays: "You only carry an encrypted connection: you can neither see nor change what is in it.",
    fetches: "Your computer downloads it in your name and passes it on.",
    pairs: |who| format!("{who} wants to pair"),
    pairs_how: "Open the window and compare the six digits with those on the other screen.",
    befriends: "Helping makes this stranger a friend.",
    more_servers: "All servers are shown in the window: answer there.",
    gap: " ",
    comma: ", ",
    per_second: "/s",
    more: |n| format!("{n} more …"),
    request: |who, what| format!("{who}: {what}"),
    file: |name, size| format!("{name}, {size}"),
    sized: |name, size| format!("{name} ({size})"),
    price: |from, budget| format!("from {from}, up to {budget} of your line"),
    helping: |who, what| format!("Helping {who}: {what}"),
    sent: |bytes| format!("{bytes} sent"),
    asks: |who| format!("{who} asks for help"),
    cost: |what, from, budget, servers| {
        let who = if servers == 1 { "server" } else { "servers" };
        format!("{what} from {from}: up to {budget} of your line. The {who} will see your address.")
    },
    finished: "Download finished",
    failed: "Download failed",
    failed_why: |name| format!("{name}. The window says why."),
    ended: |finished, failed| match (finished, failed) {
        (finished, 0) => format!("{finished} downloads finished"),
        (0, failed) => format!("{failed} downloads failed"),
        (finished, failed) => format!("Downloads: {finished} finished, {failed} failed"),
    },
    goes_on: "Manyhands goes on",
    goes_on_why: "Its window is closed; downloads and helping go on. The icon in the tray brings the window back, and ends the program.",
};

static CHINESE: Words = Words {
    show: "显示 Manyhands",
    help: "帮忙",
    not_now: "暂时不",
    stop: "停止",
    lending: "出借",
    pause_all: "全部暂停",
    resume_all: "全部继续",
    quit: "退出",
    somebody: "某人",
    a_file: "一个文件",
    a_file_first: "一个文件",
    stranger: |who| format!("{who}（陌生人）"),
    relays: "你只转运一条加密连接：既看不到也改不了其中的内容。",
    fetches: "你的电脑以你的名义下载，并转交给对方。",
    pairs: |who| format!("{who} 想要配对"),
    pairs_how: "请打开窗口，与对方屏幕上的六位数字比对。",
    befriends: "帮忙后，这个陌生人会成为你的好友。",
    more_servers: "全部服务器见窗口，请在那里回答。",
    gap: "",
    comma: "、",
    per_second: "/秒",
    more: |n| format!("还有 {n} 个…"),
    request: |who, what| format!("{who}：{what}"),
    file: |name, size| format!("{name}，{size}"),
    sized: |name, size| format!("{name}（{size}）"),
    price: |from, budget| format!("来自 {from}，最多占用你的线路 {budget}"),
    helping: |who, what| format!("正在帮助 {who}：{what}"),
    sent: |bytes| format!("已发送 {bytes}"),
    asks: |who| format!("{who} 请你帮忙"),
    cost: |what, from, budget, servers| {
        let who = if servers == 1 { "该" } else { "这些" };
        format!("{what}，来自 {from}：最多占用你的线路 {budget}。{who}服务器会看到你的地址。")
    },
    finished: "下载完成",
    failed: "下载失败",
    failed_why: |name| format!("{name}。原因见窗口。"),
    ended: |finished, failed| match (finished, failed) {
        (finished, 0) => format!("{finished} 个下载已完成"),
        (0, failed) => format!("{failed} 个下载失败"),
        (finished, failed) => format!("下载：{finished} 个完成，{failed} 个失败"),
    },
    goes_on: "Manyhands 仍在运行",
    goes_on_why: "窗口已关闭；下载和帮助会继续。点击托盘图标可重新打开窗口或退出程序。",
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text, with something in each gap.
    fn all(words: &Words) -> Vec<String> {
        let mut texts: Vec<_> = [
            words.show,
            words.help,
            words.not_now,
            words.stop,
            words.lending,
            words.pause_all,
            words.resume_all,
            words.quit,
            words.somebody,
            words.a_file,
            words.a_file_first,
            words.befriends,
            words.relays,
            words.fetches,
            words.pairs_how,
            words.more_servers,
            words.comma,
            words.per_second,
            words.finished,
            words.failed,
            words.goes_on,
            words.goes_on_why,
        ]
        .map(str::to_owned)
        .into();
        texts.extend([
            (words.more)(3),
            (words.request)("A", "B"),
            (words.file)("A", "B"),
            (words.sized)("A", "B"),
            (words.price)("A", "B"),
            (words.helping)("A", "B"),
            (words.sent)("A"),
            (words.asks)("A"),
            (words.stranger)("A"),
            (words.pairs)("A"),
            (words.cost)("A", "B", "C", 1),
            (words.failed_why)("A"),
            (words.ended)(2, 0),
            (words.ended)(0, 2),
            (words.ended)(2, 3),
        ]);
        texts
    }

    #[test]
    fn chinese_says_everything_in_chinese() {
        for (english, chinese) in all(&ENGLISH).iter().zip(all(&CHINESE)) {
            assert_ne!(*english, chinese);
            assert!(english.is_ascii() || english.contains('…'), "{english}");
            assert!(!chinese.is_ascii(), "{chinese}");
        }
    }

    #[test]
    fn no_gap_is_forgotten() {
        for words in [&ENGLISH, &CHINESE] {
            let cost = (words.cost)("what", "from", "budget", 2);
            for part in ["what", "from", "budget"] {
                assert!(cost.contains(part), "{cost}");
            }
            let ended = (words.ended)(7, 9);
            assert!(ended.contains('7') && ended.contains('9'), "{ended}");
            for text in [(words.request)("who", "what"), (words.helping)("who", "what")] {
                assert!(text.contains("who") && text.contains("what"), "{text}");
            }
        }
    }

    #[test]
    fn the_system_s_locale_chooses_the_language() {
        for (locale, language) in [
            ("zh_CN.UTF-8", Language::Chinese),
            ("zh", Language::Chinese),
            ("zh-Hans", Language::Chinese),
            ("en_GB.UTF-8", Language::English),
            ("C.UTF-8", Language::English),
            ("zhx", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_locale(locale), language, "{locale}");
        }
    }

    #[test]
    fn the_page_s_names_of_languages_are_understood() {
        for (name, language) in [("en", Language::English), ("zh-CN", Language::Chinese)] {
            let told = serde_json::from_value::<Language>(name.into());
            assert_eq!(told.ok(), Some(language), "{name}");
        }
    }
}
