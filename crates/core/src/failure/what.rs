//! What exactly went wrong: closer than the code, for windows that make a sentence of it in their own language.

use serde::{Deserialize, Serialize};

macro_rules! whats {
    ($($(#[$doc:meta])* $name:ident = $text:literal, [$($part:literal),*];)*) => {
        /// What exactly happened. Each says which [parts](crate::Failure::parts) its sentence is made of. The written form never changes
        /// once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum What {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl What {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable written form.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What the sentence is made of: names of hosts, numbers, paths. `detail` is what a system or a server said, in its own words.
            #[must_use]
            pub fn parts(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($part),*]),* }
            }
        }
    };
}

whats! {
    // Links and what is typed with them.
    EmptyLink = "link-empty", [];
    LongLink = "link-long", [];
    SpaceInLink = "link-space", [];
    NoServerInLink = "link-no-server", [];
    Scheme = "scheme", ["scheme"];
    RelativePath = "path-relative", ["path"];
    FileName = "file-name", ["name"];
    HeaderShape = "header-shape", [];
    HeaderName = "header-name", ["name"];
    HeaderValue = "header-value", ["name"];
    LongHeader = "header-long", ["name"];
    OurHeader = "header-ours", ["name"];

    // Servers.
    NameNotFound = "name-not-found", ["host"];
    AddressRefused = "address-refused", ["host", "address"];
    NoAnswer = "no-answer", ["host"];
    ConnectionRefused = "connection-refused", ["host"];
    Unreachable = "unreachable", ["host"];
    NotConnected = "not-connected", ["host"];
    Proxy = "proxy", ["host"];
    ProxyFtp = "proxy-ftp", ["host"];
    CertificateName = "certificate-name", ["host"];
    CertificateIssuer = "certificate-issuer", ["host"];
    CertificateExpired = "certificate-expired", ["host"];
    CertificateEarly = "certificate-early", ["host"];
    CertificateRevoked = "certificate-revoked", ["host"];
    NoAuthorities = "no-authorities", ["host"];
    HandshakeEnded = "handshake-ended", ["host"];
    /// Any other reason.
    NotSecure = "not-secure", ["host", "detail"];
    Missing = "missing", ["host", "status"];
    Denied = "denied", ["host", "status"];
    Busy = "busy", ["host", "status"];
    Trouble = "trouble", ["host", "status"];
    NoFile = "no-file", ["host", "status"];
    WebPage = "web-page", ["host"];
    RangeIgnored = "range-ignored", ["host"];
    LengthChanged = "length-changed", ["host", "before", "now"];
    TagChanged = "tag-changed", ["host"];
    TimeChanged = "time-changed", ["host"];
    NothingThere = "nothing-there", ["host"];
    WrongRange = "wrong-range", ["host"];
    Encoded = "encoded", ["host", "encoding"];
    BadAnswer = "bad-answer", ["host"];
    RedirectLoop = "redirect-loop", ["host"];
    RedirectTooMany = "redirect-too-many", ["host"];
    RedirectDowngrade = "redirect-downgrade", ["host"];
    RedirectScheme = "redirect-scheme", ["host"];
    RedirectNowhere = "redirect-nowhere", ["host"];
    NotAgreed = "not-agreed", ["host"];
    Damaged = "damaged", ["host"];
    Lost = "lost", ["host"];
    Stalled = "stalled", ["host", "seconds"];

    // Disks.
    ReadOnly = "read-only", ["path"];
    NoPermission = "no-permission", ["path"];
    NoFolder = "no-folder", ["path"];
    LongName = "name-long", ["path"];
    DiskFull = "disk-full", ["path"];
    FileGone = "file-gone", ["path"];
    Disk = "disk", ["path", "detail"];
    NoRoom = "no-room", ["path", "bytes", "free"];
    ManyAlike = "many-alike", ["path", "name"];
    PartChanged = "part-changed", ["path"];
    PartTaken = "part-taken", ["path"];
    Digest = "digest", ["path", "digest"];
    NotSaved = "not-saved", ["detail"];
    ProfileBroken = "profile", ["detail"];

    // Others.
    DeviceBlocked = "device-blocked", ["name"];
    TooManyRules = "too-many-rules", ["most"];
    TooManyBlocked = "too-many-blocked", ["most"];
    TooManyGroups = "too-many-groups", ["most"];
    TooManyHosts = "too-many-hosts", [];
    NamelessGroup = "group-nameless", [];
    NotAHost = "not-a-host", ["host"];
    NotOnline = "not-online", ["name"];
    NobodyAt = "nobody-at", ["host", "port"];
    NoDevice = "no-device", ["who"];
    SeveralDevices = "several-devices", ["who"];
    OtherDevice = "other-device", ["name", "found", "expected"];
    Itself = "itself", [];
    PairedTooOften = "paired-too-often", ["name"];
    NotAnInvite = "invite-none", [];
    LaterInvite = "invite-later", [];
    InviteServer = "invite-server", [];
    ServerName = "server-name", ["server"];
    ServerSilent = "server-silent", ["server"];
    ServerOther = "server-other", ["server"];
    ServerNone = "server-none", ["server"];
    ServerClock = "server-clock", ["server"];
    ServerBusy = "server-busy", ["server"];
    ServerRefuses = "server-refuses", ["server"];
    ServerPlain = "server-plain", ["server"];
    NoNetwork = "no-network", [];

    // Why the program works alone.
    PortTaken = "port-taken", ["address"];
    NoPort = "no-port", ["address", "detail"];
    NoKey = "no-key", ["detail"];
    NoStart = "no-start", ["detail"];
}
