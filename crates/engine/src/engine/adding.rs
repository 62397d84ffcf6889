//! What a person wants to download, as it was typed or pasted, and whom it may be asked of.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use manyhands_core::{
    Ask, AskTerms, DEFAULT_CONNECTIONS, DownloadId, DownloadSpec, Failure, FailureCode,
    HeaderField, MAX_CONNECTIONS, ModeWish, What,
};
use manyhands_origin::{HeaderError, Origins};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::engine::Engine;
use crate::shell::Command;

/// What a person wants to download.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct NewDownload {
    /// As it was typed or pasted.
    pub url: String,
    /// Absolute; the user's folder for downloads when not given.
    pub dir: Option<PathBuf>,
    /// The file's name; otherwise the server's or the link's.
    pub out: Option<String>,
    /// 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// To the server at most, 1 to 16; 8 when not given.
    pub connections: Option<u8>,
    /// Header fields for the link's own server, each as `Name: value`; they may be secrets, such as a login's cookie.
    #[ts(optional, as = "Option<Vec<String>>")]
    pub headers: Vec<String>,
    /// Whom to ask for help, and for how many seconds peers that appear are asked; nobody when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub ask: Option<AskFor>,
    /// What an earlier instance made of this wish, by its id: that is meant, even if it is finished by now.
    #[ts(skip)]
    pub known_as: Option<u64>,
}

/// Without the link and what the header fields hold, which may be secrets.
impl fmt::Debug for NewDownload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, dir, out, sha256, connections, headers, ask, known_as } = self;
        f.debug_struct("NewDownload")
            .field("dir", dir)
            .field("out", out)
            .field("sha256", sha256)
            .field("connections", connections)
            .field("headers", &headers.len())
            .field("ask", ask)
            .field("known_as", known_as)
            .finish_non_exhaustive()
    }
}

/// Whom to ask for help with a new download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct AskFor {
    /// `none`, `friends`, `everyone`, or device ids with commas between.
    #[ts(type = "string")]
    pub who: Ask,
    #[ts(type = "number")]
    pub wait_s: u64,
    /// How they may help; `auto` when not given.
    #[serde(default)]
    #[ts(optional, type = "'auto' | 'relay' | 'fetch'")]
    pub mode: Option<ModeWish>,
    /// Let strangers, too, fetch what nothing vouches for: plain http or ftp without a known digest. Not, when not given.
    #[serde(default)]
    #[ts(optional)]
    pub unverified: Option<bool>,
}

impl Engine {
    /// Adds a download and starts it, or goes on with the unfinished one of the same link, folder and name.
    ///
    /// # Errors
    /// What was given makes no sense: the link, the folder, the name or the digest.
    pub async fn add(&self, new: &NewDownload) -> Result<DownloadId, Failure> {
        if let Some(id) = new.known_as.map(DownloadId)
            && self.row(id).await?.is_some()
        {
            return Ok(id);
        }
        let spec = Box::new(self.spec(new)?);
        let id = self.ask(|answer| Command::Add { spec, answer }).await?;
        if let Some(ask) = &new.ask {
            self.ask_for_help(id, ask).await?;
        }
        Ok(id)
    }

    /// Asks peers for help with a download: those who are there, and those who appear within the time.
    ///
    /// # Errors
    /// The engine has ended.
    pub async fn ask_for_help(&self, id: DownloadId, ask: &AskFor) -> Result<(), Failure> {
        let wait = Duration::from_secs(ask.wait_s);
        let mode = ask.mode.unwrap_or_default();
        let unverified = ask.unverified.unwrap_or_default();
        let terms = AskTerms { ask: ask.who.clone(), mode, unverified };
        self.ask(|answer| Command::Ask { id, terms, wait, answer }).await
    }

    fn spec(&self, new: &NewDownload) -> Result<DownloadSpec, Failure> {
        let url = Origins::check_url(&new.url)?;
        let dir = new.dir.clone().unwrap_or_else(|| self.seen.download_dir.clone());
        if !dir.is_absolute() {
            let message = format!("{} is not an absolute path.", dir.display());
            return Err(Failure::new(FailureCode::Folder, message)
                .because(What::RelativePath, [&dir.display()]));
        }
        let out = new.out.as_deref().map(str::trim).filter(|out| !out.is_empty());
        if let Some(out) = out
            && manyhands_origin::safe_name(out).as_deref() != Some(out)
        {
            let message = format!("{out:?} cannot be the name of a file.");
            return Err(Failure::new(FailureCode::BadName, message).because(What::FileName, [&out]));
        }
        let sha256 = new.sha256.as_deref().map(str::trim).filter(|digest| !digest.is_empty());
        let sha256 = sha256.map(str::parse).transpose();
        let sha256 = sha256
            .map_err(|error| Failure::new(FailureCode::BadDigest, format!("This is {error}.")))?;
        let headers =
            new.headers.iter().map(|field| check_header(field)).collect::<Result<_, _>>()?;
        let max_connections =
            new.connections.unwrap_or(DEFAULT_CONNECTIONS).clamp(1, MAX_CONNECTIONS);
        let out = out.map(str::to_owned);
        Ok(DownloadSpec { url, dir, out, sha256, headers, max_connections })
    }
}

/// Reads `Name: value`, as browsers and curl write a header.
///
/// # Errors
/// It cannot be sent, or must not be.
pub fn check_header(text: &str) -> Result<HeaderField, Failure> {
    manyhands_origin::check_header(text).map_err(|why| {
        let mut text = why.to_string();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let failure = Failure::new(FailureCode::BadHeader, format!("{text}."));
        match &why {
            HeaderError::Shape => failure.because(What::HeaderShape, []),
            HeaderError::Name(name) => failure.because(What::HeaderName, [name]),
            HeaderError::Value(name) => failure.because(What::HeaderValue, [name]),
            HeaderError::TooLong(name) => failure.because(What::LongHeader, [name]),
            HeaderError::Ours(name) => failure.because(What::OurHeader, [name]),
        }
    })
}
