//! `lend`: help others until stopped.

use std::collections::BTreeMap;

use manyhands_engine::view::{HelpingRow, LendingChange, PairingRow, RequestRow};
use manyhands_engine::{AcceptRule, Config, Engine, NetworkConfig};
use serde_json::{Value, json};

use crate::arguments::{Accept, Global, Lend};
use crate::instance::{data_dir, ended_by_signal, network};
use crate::output::size;
use crate::{FAILED, USAGE};

pub async fn run(global: &Global, lend: &Lend) -> u8 {
    let data_dir = match data_dir(global) {
        Ok(data_dir) => data_dir,
        Err(problem) => {
            eprintln!("manyhands-cli: {problem}");
            return USAGE;
        }
    };
    let network = NetworkConfig { lending: change(lend), ..network(global) };
    let network = Some(network);
    let engine = match Engine::open(Config { data_dir, network, or_alone: false }).await {
        Ok(engine) => engine,
        Err(error) => {
            eprintln!("manyhands-cli: {error}");
            return FAILED;
        }
    };
    let mut told = Told { json: lend.json, ..Told::default() };
    if let Some(device) = engine.device() {
        let listens: Vec<_> = device.listens.iter().map(ToString::to_string).collect();
        let event = json!({
            "event": "lending", "peer": device.id.to_string(), "name": device.name, "listens": listens,
        });
        told.tell(&event, &format!("{} is ready to help; device {}", device.name, device.id));
    }
    let mut changes = engine.changes();
    let ended = ended_by_signal();
    tokio::pin!(ended);
    let code = loop {
        tokio::select! {
            code = &mut ended => break code,
            changed = changes.changed() => {
                if changed.is_err() {
                    break FAILED;
                }
                let (Ok(requests), Ok(helping)) = (engine.requests().await, engine.helping().await) else {
                    break FAILED;
                };
                told.look(requests, helping);
                told.look_at_pairings(engine.pairings().await.unwrap_or_default());
            }
        }
    };
    engine.shutdown().await;
    code
}

/// How this run differs from what the profile says.
fn change(lend: &Lend) -> LendingChange {
    LendingChange {
        on: Some(true),
        accept: Some(match lend.accept {
            Accept::Ask => AcceptRule::Ask,
            Accept::Friends => AcceptRule::Friends,
            Accept::All => AcceptRule::All,
        }),
        allow_private_origins: Some(lend.allow_private_origins),
        daily_bytes: lend.terms.budget,
        bytes_per_s: lend.terms.limit,
        hours: lend.terms.hours,
    }
}

/// What was told already.
#[derive(Default)]
struct Told {
    json: bool,
    requests: BTreeMap<String, RequestRow>,
    helping: BTreeMap<String, HelpingRow>,
    pairings: BTreeMap<String, PairingRow>,
}

impl Told {
    fn look(&mut self, requests: Vec<RequestRow>, helping: Vec<HelpingRow>) {
        for request in &requests {
            if !self.requests.contains_key(&request.id) {
                let short: String = request.id.chars().take(8).collect();
                let words = format!(
                    "{} asks for help with {} from {}: up to {}. Answer with: accept {short} or decline {short}",
                    request.name,
                    request.file_name.as_deref().unwrap_or("a file"),
                    request.origins.join(", "),
                    size(request.budget_bytes),
                );
                self.tell(&with_event("request", request), &words);
            }
        }
        for session in &helping {
            if !self.helping.contains_key(&session.id) {
                let words = format!("helping {} with {}", session.name, session.origins.join(", "));
                self.tell(&with_event("helping", session), &words);
            }
        }
        for session in
            self.helping.values().filter(|known| !helping.iter().any(|now| now.id == known.id))
        {
            let words = format!("done helping {}: {}", session.name, size(session.sent_bytes));
            self.tell(&with_event("helped", session), &words);
        }
        self.requests = requests.into_iter().map(|request| (request.id.clone(), request)).collect();
        self.helping = helping.into_iter().map(|session| (session.id.clone(), session)).collect();
    }

    fn look_at_pairings(&mut self, pairings: Vec<PairingRow>) {
        for pairing in &pairings {
            if self.pairings.get(&pairing.id).is_none_or(|known| known.state != pairing.state) {
                self.tell(&with_event("pairing", pairing), &crate::pair::words(pairing));
            }
        }
        self.pairings = pairings.into_iter().map(|pairing| (pairing.id.clone(), pairing)).collect();
    }

    fn tell(&self, event: &Value, words: &str) {
        if self.json {
            println!("{event}");
        } else {
            eprintln!("{words}");
        }
    }
}

/// A row as an event.
pub fn with_event(event: &str, row: &impl serde::Serialize) -> Value {
    let mut value = serde_json::to_value(row).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("event".into(), event.into());
    }
    value
}
