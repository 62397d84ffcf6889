//! `pair`, `pairings`, `confirm`, `refuse`: two people compare six digits.

use std::io::{BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

use manyhands_engine::view::{PairingRow, PairingState};
use manyhands_engine::{ControlError, Failure, FailureCode, PairingCode, Remote};
use serde_json::json;
use tokio::sync::oneshot;

use crate::arguments::{Global, Pair, Pairings};
use crate::instance::{Instance, data_dir, ended_by_signal, network};
use crate::lend::with_event;
use crate::{DONE, FAILED, USAGE};

/// One of both said no.
const REFUSED: u8 = 3;
/// Nobody answered in time.
const EXPIRED: u8 = 4;
/// The other device broke the rules of pairing.
const CHEATED: u8 = 5;
/// Somebody who is not there yet is looked for so often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub async fn run(global: &Global, pair: &Pair) -> u8 {
    let data_dir = match data_dir(global) {
        Ok(data_dir) => data_dir,
        Err(problem) => {
            eprintln!("manyhands-cli: {problem}");
            return USAGE;
        }
    };
    let instance = match Instance::open(data_dir, Some(network(global))).await {
        Ok(instance) => instance,
        Err(error) => {
            eprintln!("manyhands-cli: {error}");
            return FAILED;
        }
    };
    if let Err(problem) = instance.join(global).await {
        return crate::peers::complain(&problem.text, problem.code);
    }
    let mut begun = None;
    let ended = tokio::select! {
        ended = to_its_end(&instance, pair, &mut begun) => Ok(ended),
        code = ended_by_signal() => Err(code),
    };
    let code = match ended {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            complain(&failure, pair.json);
            FAILED
        }
        Err(code) => {
            if let Some(id) = begun {
                let _ = instance.answer_pairing(&id, false).await;
            }
            code
        }
    };
    if let Instance::Here(engine) = &instance {
        engine.shutdown().await;
    }
    code
}

/// Pairs; `begun` is the id of the pairing once there is one.
async fn to_its_end(
    instance: &Instance,
    pair: &Pair,
    begun: &mut Option<String>,
) -> Result<u8, Failure> {
    let id = begin(instance, pair).await?;
    *begun = Some(id.clone());
    let mut row = instance.pairing_after(&id, PairingState::Connecting).await?;
    loop {
        let Some(now) = &row else { return Ok(EXPIRED) };
        tell(now, pair.json);
        let code = match now.state {
            PairingState::Compare => {
                row = compare(instance, pair, now).await?;
                continue;
            }
            PairingState::Connecting | PairingState::WaitingForOther => None,
            PairingState::Paired => Some(DONE),
            PairingState::Refused => Some(REFUSED),
            PairingState::Expired => Some(EXPIRED),
            PairingState::Cheated => Some(CHEATED),
            PairingState::Failed => Some(FAILED),
        };
        if let Some(code) = code {
            return Ok(code);
        }
        row = instance.pairing_after(&id, now.state).await?;
    }
}

/// Somebody who is not there yet may be found within the time that was given.
async fn begin(instance: &Instance, pair: &Pair) -> Result<String, Failure> {
    let deadline = Instant::now() + Duration::from_secs(pair.wait);
    loop {
        match instance.pair(&pair.who).await {
            Err(failure)
                if failure.code == FailureCode::PeerNotFound && Instant::now() < deadline =>
            {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            begun => return begun,
        }
    }
}

/// Finds out what the user says, and says it. Gives what became of it, also when it ends before.
async fn compare(
    instance: &Instance,
    pair: &Pair,
    row: &PairingRow,
) -> Result<Option<PairingRow>, Failure> {
    let shown = row.code.as_ref().and_then(|code| code.parse::<PairingCode>().ok());
    let over = instance.pairing_after(&row.id, PairingState::Compare);
    let same = match (pair.yes_if, shown) {
        (Some(code), shown) => Some(shown == Some(code)),
        (None, _) if std::io::stdin().is_terminal() => {
            tokio::select! {
                same = ask() => Some(same),
                over = over => {
                    eprintln!();
                    return over;
                }
            }
        }
        (None, Some(code)) => {
            eprintln!(
                "If so: manyhands-cli confirm {code}; otherwise: manyhands-cli refuse {code}"
            );
            None
        }
        (None, None) => Some(false),
    };
    if let Some(same) = same {
        instance.answer_pairing(&row.id, same).await?;
    }
    instance.pairing_after(&row.id, PairingState::Compare).await
}

/// The question on the terminal; everything but a yes is a no.
async fn ask() -> bool {
    eprint!("Does the other screen show the same? [y/N] ");
    let _ = std::io::stderr().flush();
    let (answer, answered) = oneshot::channel();
    // A thread of its own: nothing waits for somebody who does not type.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let word = line.trim().to_ascii_lowercase();
        let _ = answer.send(read.is_ok() && (word == "y" || word == "yes"));
    });
    answered.await.unwrap_or(false)
}

/// The pairings of the running instance.
pub async fn list(global: &Global, list: &Pairings) -> u8 {
    let rows = match running(global) {
        Ok(remote) => remote.pairings().await,
        Err(code) => return code,
    };
    match rows {
        Ok(rows) => {
            for row in rows {
                if list.json {
                    println!("{}", with_event("pairing", &row));
                } else {
                    let code = row.code.as_deref().map_or_else(|| "-------".to_owned(), spoken);
                    println!("{code}  {}  {}  {}", row.peer, row.name, state_word(row.state));
                }
            }
            DONE
        }
        Err(error) => nobody_runs(&error),
    }
}

/// The user's word on the one open pairing with this code.
pub async fn answer(global: &Global, code: PairingCode, same: bool) -> u8 {
    let remote = match running(global) {
        Ok(remote) => remote,
        Err(code) => return code,
    };
    let rows = match remote.pairings().await {
        Ok(rows) => rows,
        Err(error) => return nobody_runs(&error),
    };
    let shown = code.to_string();
    let open = |row: &&PairingRow| match row.state {
        PairingState::Compare => true,
        PairingState::WaitingForOther => !same,
        _ => false,
    };
    let mut matching = rows.iter().filter(|row| row.code.as_deref() == Some(&shown)).filter(open);
    let row = match (matching.next(), matching.next()) {
        (Some(row), None) => row,
        (None, _) => {
            eprintln!("manyhands-cli: no pairing that waits for you shows {}", code.spoken());
            return FAILED;
        }
        (Some(_), Some(_)) => {
            eprintln!(
                "manyhands-cli: two pairings show {}: refuse both and begin anew",
                code.spoken()
            );
            return FAILED;
        }
    };
    match remote.answer_pairing(&row.id, same).await {
        Ok(true) => {
            let said = if same { "Confirmed" } else { "Refused" };
            eprintln!("{said}: {} (device {})", row.name, row.peer);
            DONE
        }
        Ok(false) => {
            eprintln!("manyhands-cli: the pairing with {} is over", row.name);
            FAILED
        }
        Err(error) => nobody_runs(&error),
    }
}

impl Instance {
    async fn pair(&self, who: &str) -> Result<String, Failure> {
        match self {
            Self::Here(engine) => engine.pair(who).await,
            Self::Running(remote) => remote.pair(who).await.map_err(|error| gone(&error))?,
        }
    }

    async fn answer_pairing(&self, id: &str, same: bool) -> Result<bool, Failure> {
        match self {
            Self::Here(engine) => engine.answer_pairing(id, same).await,
            Self::Running(remote) => {
                remote.answer_pairing(id, same).await.map_err(|error| gone(&error))
            }
        }
    }

    async fn pairing_after(
        &self,
        id: &str,
        seen: PairingState,
    ) -> Result<Option<PairingRow>, Failure> {
        match self {
            Self::Here(engine) => engine.pairing_after(id, seen).await,
            Self::Running(remote) => {
                remote.pairing_after(id, seen).await.map_err(|error| gone(&error))?
            }
        }
    }
}

/// What there is to say of a pairing.
pub fn words(row: &PairingRow) -> String {
    let name = &row.name;
    match (row.state, &row.code) {
        (PairingState::Connecting, _) => format!("pairing with {name}"),
        (PairingState::Compare, Some(code)) if row.incoming => format!(
            "{name} wants to pair (device {}). The code here is {}. If {name}'s screen shows the same: manyhands-cli confirm {code}; otherwise: manyhands-cli refuse {code}",
            row.peer,
            spoken(code),
        ),
        (PairingState::Compare, code) => format!(
            "pairing with {name} (device {}): the code here is {}",
            row.peer,
            code.as_deref().map(spoken).unwrap_or_default(),
        ),
        (PairingState::WaitingForOther, _) => format!("waiting for {name} to say the same"),
        (PairingState::Paired, _) => format!("paired: {name} is a friend, with certainty"),
        (PairingState::Refused, _) => {
            format!("not paired with {name}: one of both said no. Nothing has changed")
        }
        (PairingState::Expired, _) => {
            format!("not paired with {name}: nobody answered in time. Nothing has changed")
        }
        (PairingState::Cheated, _) => format!(
            "not paired with {name}: the other device broke the rules of pairing, somebody may be between. Nothing has changed"
        ),
        (PairingState::Failed, _) => {
            format!("not paired: {name} cannot be reached, or wants no more pairings now")
        }
    }
}

fn tell(row: &PairingRow, as_json: bool) {
    if as_json {
        println!("{}", with_event("pairing", row));
    } else {
        eprintln!("{}", words(row));
    }
}

/// `123 456`.
fn spoken(code: &str) -> String {
    code.parse::<PairingCode>().map_or_else(|_| code.to_owned(), PairingCode::spoken)
}

fn state_word(state: PairingState) -> &'static str {
    match state {
        PairingState::Connecting => "connecting",
        PairingState::Compare => "compare",
        PairingState::WaitingForOther => "waiting for the other",
        PairingState::Paired => "paired",
        PairingState::Refused => "refused",
        PairingState::Expired => "expired",
        PairingState::Cheated => "cheated",
        PairingState::Failed => "failed",
    }
}

fn running(global: &Global) -> Result<Remote, u8> {
    data_dir(global).map(|data_dir| Remote::of(&data_dir)).map_err(|problem| {
        eprintln!("manyhands-cli: {problem}");
        USAGE
    })
}

fn nobody_runs(error: &ControlError) -> u8 {
    eprintln!("manyhands-cli: nobody runs on this profile: {error}");
    FAILED
}

fn gone(error: &ControlError) -> Failure {
    Failure::new(FailureCode::Internal, error.to_string())
}

fn complain(failure: &Failure, as_json: bool) {
    if as_json {
        let (code, hint) = (failure.code.as_str(), failure.code.hint());
        println!(
            "{}",
            json!({"event": "failed", "code": code, "message": failure.message, "hint": hint})
        );
    } else {
        eprintln!("manyhands-cli: {} {}", failure.message, failure.code.hint());
    }
}
