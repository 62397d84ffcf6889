//! Why a download stopped, in the words that people read.

mod what;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

pub use what::What;

/// Why a download failed. `code` is stable and is what front ends translate by; `message` and `hint` are the English texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    /// What happened, one sentence, with the particulars (host, status, path).
    pub message: String,
    /// The same for front ends that speak another language; where there is none, the code has to do.
    #[serde(default, deserialize_with = "known_what", skip_serializing_if = "Option::is_none")]
    pub what: Option<What>,
    /// What the sentence of `what` is made of, by [its names](What::parts).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, String>,
}

/// What a later program tells, and this one does not know, is told by `message` alone: nothing is lost over it.
fn known_what<'de, D: Deserializer<'de>>(from: D) -> Result<Option<What>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.and_then(|text| What::ALL.iter().copied().find(|what| what.as_str() == text)))
}

macro_rules! failure_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $hint:literal;)*) => {
        /// What went wrong. The written form never changes once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FailureCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl FailureCode {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable written form.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What the user can do, in English.
            #[must_use]
            pub fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint),* }
            }
        }
    };
}

failure_codes! {
    BadUrl = "bad-url", "Check the link: it should look like https://example.org/file.";
    UnknownScheme = "unknown-scheme", "Links that begin with http, https or ftp can be downloaded.";
    BadName = "bad-name", "Choose a name without slashes and other special characters.";
    BadDigest = "bad-digest", "Paste the whole SHA-256: 64 digits and letters a to f.";
    BadHeader = "bad-header", "Write one header a line, as in Cookie: name=value.";
    NotFound = "not-found", "Check the link, or look for a newer one on the page that it came from.";
    /// 401, 403, 407 and FTP 530.
    Refused = "refused-by-server", "The server wants a login or does not allow this. Open the page in a browser and copy the link again.";
    ServerError = "server-error", "The server has trouble. Try again later.";
    /// 429 and 503 for longer than we wait.
    TooBusy = "server-busy", "The server asks for patience. Try again later, or with fewer connections.";
    Dns = "name-not-found", "Check the spelling of the server's name and your network connection.";
    /// Refused, unreachable, timed out.
    Connect = "cannot-connect", "Check your network connection; the server may be down. Try again later.";
    Tls = "tls", "The server's certificate cannot be trusted. Check the clock of this computer and the link.";
    /// Lost mid-way, for longer than we try.
    Interrupted = "interrupted", "What has arrived is kept. Start the download again to go on.";
    Redirects = "redirects", "The link leads in a circle or to an address that is not allowed. Look for another link.";
    Protocol = "bad-answer", "The server sends answers that make no sense. Try again, or look for another link.";
    Changed = "changed", "Start the download again to fetch the new file from its beginning; what has arrived is of the old one.";
    DiskFull = "disk-full", "Make room on the disk, then start the download again: what has arrived is kept.";
    Folder = "folder", "Choose another folder, or change who may write to this one.";
    /// The part file was taken away or changed.
    PartLost = "part-lost", "Start the download again; it begins anew.";
    WrongDigest = "wrong-digest", "The file is kept beside it as NAME.mismatch. Check the digest, or download it again.";
    /// Somebody paused it while it was waited for.
    Paused = "paused", "Start it again when you want the rest: what has arrived is kept.";
    /// Somebody took the download off the list while it was waited for.
    Removed = "removed", "Add the link again if you still want the file.";
    /// The list of downloads cannot be written.
    Profile = "profile", "Make room on the disk of your profile, or see to its rights, then start the download again.";
    /// Given as a host that is never lent for.
    NoHost = "no-host", "Write names such as example.org, or addresses, without https:// and without what follows the name.";
    /// Rules, blocked devices, hosts.
    TooMany = "too-many", "Take off some that you no longer need.";
    Blocked = "blocked", "Unblock the device first.";
    /// A device that is meant by its id or its address.
    PeerNotFound = "peer-not-found", "See that Manyhands runs there and that nothing between the two blocks its port; or give its address.";
    /// Another device answers where a friend was. Nothing was sent to it.
    OtherKey = "other-key", "Ask your friend, not over this network, whether its key is new. If so, remove the friend and pair anew, comparing the digits on both screens.";
    PairingRefused = "pairing-refused", "Wait ten minutes, then try again.";
    BadInvite = "bad-invite", "Copy the whole invite, from manyhands://join? to its end, or ask for a new one.";
    NoGroup = "no-group", "Look at the list of your groups.";
    NoRendezvous = "no-rendezvous", "Give the address that the rendezvous server prints when it starts, such as https://rendezvous.example.org:8470.";
    /// Another rendezvous server answers there than was expected. Nothing was sent to it.
    ServerKey = "server-key", "Ask whoever runs the server whether its key is new. If so, a new invite is needed; if not, somebody pretends to be the server.";
    Clock = "clock", "Set the clock of this computer: date, time and time zone.";
    /// A rendezvous server at http://, without encryption, is used only where that was allowed.
    PlainHttp = "plain-http", "Ask for an https:// address. Where somebody else takes care of encryption, start the program with --insecure-http.";
    Internal = "internal", "This is a mistake in Manyhands. Please report it; what has arrived is kept.";
}

impl Failure {
    #[must_use]
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), what: None, parts: BTreeMap::new() }
    }

    /// Says what exactly happened; `values` are those of [`What::parts`], in that order.
    #[must_use]
    pub fn because<const N: usize>(mut self, what: What, values: [&dyn ToString; N]) -> Self {
        debug_assert_eq!(what.parts().len(), N, "{what:?} has other parts");
        self.what = Some(what);
        let names = what.parts().iter().map(|name| (*name).to_owned());
        self.parts = names.zip(values.map(ToString::to_string)).collect();
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_kept_with_its_parts_and_may_be_missing() {
        let bare = Failure::new(FailureCode::NotFound, "a.example does not have it.");
        let stored = r#"{"code":"not-found","message":"a.example does not have it."}"#;
        assert_eq!(serde_json::to_string(&bare).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Failure>(stored).unwrap(), bare);

        let told = bare.because(What::Missing, [&"a.example", &404]);
        let stored = r#"{"code":"not-found","message":"a.example does not have it.","what":"missing","parts":{"host":"a.example","status":"404"}}"#;
        assert_eq!(serde_json::to_string(&told).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Failure>(stored).unwrap(), told);
    }

    #[test]
    fn what_a_later_program_tells_is_left_out_and_the_failure_stays() {
        let stored = r#"{"code":"not-found","message":"a.example is gone.","what":"from-a-later-program","parts":{"host":"a.example"}}"#;
        let read: Failure = serde_json::from_str(stored).unwrap();
        assert_eq!((read.what, read.message.as_str()), (None, "a.example is gone."));
        for what in What::ALL {
            let stored =
                format!(r#"{{"code":"not-found","message":"","what":"{}"}}"#, what.as_str());
            assert_eq!(serde_json::from_str::<Failure>(&stored).unwrap().what, Some(*what));
        }
        assert!(
            serde_json::from_str::<Failure>(r#"{"code":"tls","message":"","what":null}"#).is_ok()
        );
    }

    #[test]
    fn everything_that_can_happen_is_written_in_its_own_way() {
        let written: std::collections::BTreeSet<_> =
            What::ALL.iter().map(|what| what.as_str()).collect();
        assert_eq!(written.len(), What::ALL.len());
    }
}
