//! `GET /v1/hello`: who are you, what can you do, are you lending.

use serde::{Deserialize, Serialize};

use crate::{DeviceName, List, PROTOCOL_VERSION, Text};

/// More features than this are not listed.
pub const MAX_FEATURES: usize = 16;

/// What a device says of itself. Its id is not in here: the TLS handshake has proved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: ProtocolRange,
    #[serde(default)]
    pub name: DeviceName,
    /// Whether help requests are welcome now. Asking nevertheless is answered with a decline.
    #[serde(default)]
    pub lending: bool,
    /// What goes beyond the first version; unknown ones are passed over. See [`Feature`].
    #[serde(default)]
    pub features: List<Text<32>, MAX_FEATURES>,
    /// Program and version, for logs.
    #[serde(default)]
    pub software: Text<64>,
}

/// The versions that a device speaks. Both sides use the highest common one; each request names its
/// version in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolRange {
    pub min: u16,
    pub max: u16,
}

/// A feature that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// The helper fetches ranges itself.
    Fetch,
    /// The helper carries the requester's own connections.
    Relay,
}

impl Feature {
    pub const ALL: [Self; 2] = [Self::Fetch, Self::Relay];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Relay => "relay",
        }
    }
}

impl Hello {
    /// A greeting of this program: version [`PROTOCOL_VERSION`] alone, all its
    /// features.
    #[must_use]
    pub fn new(name: DeviceName, lending: bool) -> Self {
        Self {
            protocol: ProtocolRange { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
            name,
            lending,
            features: List::new(Feature::ALL.map(|feature| Text::cut(feature.as_str())).to_vec())
                .unwrap_or_default(),
            software: Text::cut(concat!("manyhands/", env!("CARGO_PKG_VERSION"))),
        }
    }

    #[must_use]
    pub fn can(&self, feature: Feature) -> bool {
        self.features.iter().any(|text| text.as_str() == feature.as_str())
    }

    /// Whether there is a version that both speak.
    #[must_use]
    pub fn is_compatible(&self) -> bool {
        (self.protocol.min..=self.protocol.max).contains(&PROTOCOL_VERSION)
    }
}
