//! An engine on a profile of its own, and a server that does as it is told.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;
use std::time::Duration;

use manyhands_engine::view::{DownloadRow, RowState};
use manyhands_engine::{Config, DownloadId, Engine, NewDownload};
use manyhands_faultserver::{Behaviour, FaultServer, content};

/// Far more than anything here takes; only a download that hangs gets there.
pub const LONG: Duration = Duration::from_secs(60);

pub struct World {
    pub server: FaultServer,
    pub root: tempfile::TempDir,
    pub engine: Option<Engine>,
}

impl World {
    pub async fn new(behaviour: Behaviour) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut world = Self { server: FaultServer::start(behaviour), root, engine: None };
        world.start().await;
        world
    }

    pub async fn start(&mut self) {
        let data_dir = self.root.path().join("profile");
        self.engine =
            Some(Engine::open(Config { data_dir, network: None, or_alone: false }).await.unwrap());
    }

    pub async fn stop(&mut self) {
        self.engine.take().unwrap().shutdown().await;
    }

    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    pub fn dir(&self) -> PathBuf {
        self.root.path().join("files")
    }

    pub fn wanted(&self) -> NewDownload {
        NewDownload {
            url: self.server.url("/file.bin"),
            dir: Some(self.dir()),
            ..NewDownload::default()
        }
    }

    /// The same under another name.
    pub async fn add_as(&self, out: &str) -> DownloadId {
        let wanted = NewDownload { out: Some(out.to_owned()), ..self.wanted() };
        self.engine().add(&wanted).await.unwrap()
    }

    pub async fn add(&self) -> DownloadId {
        self.engine().add(&self.wanted()).await.unwrap()
    }

    pub async fn row(&self, id: DownloadId) -> DownloadRow {
        self.engine().row(id).await.unwrap().unwrap()
    }

    /// Waits until the download is as wanted.
    pub async fn until(
        &self,
        id: DownloadId,
        wanted: impl Fn(&DownloadRow) -> bool,
    ) -> DownloadRow {
        let mut changes = self.engine().changes();
        let waiting = async {
            loop {
                let row = self.row(id).await;
                if wanted(&row) {
                    return row;
                }
                changes.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(LONG, waiting).await {
            Ok(row) => row,
            Err(_) => panic!(
                "still {:?} after {} requests",
                self.row(id).await,
                self.server.requests().len()
            ),
        }
    }

    /// Waits until the download is completed or failed.
    pub async fn over(&self, id: DownloadId) -> DownloadRow {
        self.until(id, |row| matches!(row.state, RowState::Completed | RowState::Failed)).await
    }

    /// The finished file is the server's, and nothing else lies beside it.
    pub fn assert_file(&self, row: &DownloadRow, seed: u64, bytes: u64) {
        assert_eq!(row.state, RowState::Completed, "{row:?}");
        let got = std::fs::read(row.path.as_ref().unwrap()).unwrap();
        assert_eq!(got.len() as u64, bytes);
        assert!(got == content(seed, 0..bytes), "other bytes than the server's");
        assert_eq!(self.names(), [row.name.as_str()]);
    }

    /// The names of what lies in the folder.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.dir()) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
