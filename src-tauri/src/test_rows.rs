//! Views for tests.

use manyhands_engine::HelpMode;
use manyhands_engine::view::{
    Counts, DownloadRow, HelpingRow, Lending, PairingRow, PairingState, RequestRow, RowState,
    Together, View,
};

pub fn request_row(id: &str, name: &str) -> RequestRow {
    RequestRow {
        id: id.to_owned(),
        peer: "PEER".to_owned(),
        name: name.to_owned(),
        friend: true,
        mode: HelpMode::Relay,
        origins: vec!["https://ftp.example.org".to_owned()],
        file_name: Some("debian-13.iso".to_owned()),
        size_bytes: Some(3_900_000_000),
        budget_bytes: 500_000_000,
        expires_in_s: 60,
        offer_block: false,
    }
}

pub fn helping_row(id: &str, name: &str, sent_bytes: u64) -> HelpingRow {
    HelpingRow {
        id: id.to_owned(),
        peer: "PEER".to_owned(),
        name: name.to_owned(),
        mode: HelpMode::Relay,
        origins: vec!["https://ftp.example.org".to_owned()],
        file_name: None,
        size_bytes: None,
        budget_bytes: 500_000_000,
        sent_bytes,
        bytes_per_s: 1_000_000,
    }
}

/// Somebody else has begun it, and this user is to compare.
pub fn pairing_row(id: &str, name: &str) -> PairingRow {
    PairingRow {
        id: id.to_owned(),
        peer: "PEER".to_owned(),
        name: name.to_owned(),
        incoming: true,
        code: Some("012345".to_owned()),
        state: PairingState::Compare,
        expires_in_s: 60,
    }
}

pub fn download_row(id: u64, name: &str, state: RowState) -> DownloadRow {
    DownloadRow {
        id,
        name: name.to_owned(),
        url: "https://ftp.example.org/file".to_owned(),
        host: "ftp.example.org".to_owned(),
        state,
        bytes: 0,
        total: Some(3_900_000_000),
        bytes_per_s: 0,
        remaining_s: None,
        sources: Vec::new(),
        help: Vec::new(),
        failure: None,
        verification: None,
        sha256: None,
        active_s: 0.0,
        path: None,
        actions: Vec::new(),
    }
}

pub fn view(requests: Vec<RequestRow>, helping: Vec<HelpingRow>) -> View {
    View {
        revision: 1,
        counts: Counts::default(),
        bytes_per_s: 41_800_000,
        can_pause_all: true,
        can_resume_all: false,
        matching: 0,
        rows: Vec::new(),
        selected_index: None,
        details: None,
        together: Some(Together {
            device: "DEVICE".to_owned(),
            name: "desk".to_owned(),
            port: 26_269,
            lending: Lending { on: true, ..Lending::default() },
            online: 0,
            peers: Vec::new(),
            requests,
            helping,
            lent_bytes_per_s: 2_000_000,
            lent_today_bytes: 0,
            never_hosts: Vec::new(),
            rules: Vec::new(),
            blocked: Vec::new(),
            pairings: Vec::new(),
            meeting: manyhands_engine::Meeting::default(),
            groups: Vec::new(),
        }),
    }
}
