//! `manyhands-cli`: the engine without a window, for servers, scripts and tests.

mod amounts;
mod arguments;
mod get;
mod groups;
mod instance;
mod lend;
mod lookout;
mod output;
mod pair;
mod peers;
mod place;
mod rules;

use std::process::ExitCode;

use clap::Parser;
use manyhands_engine::view;

use crate::arguments::{Arguments, Command};

/// All downloads completed.
const DONE: u8 = 0;
/// At least one failed.
const FAILED: u8 = 1;
/// The command line makes no sense; what clap uses, too.
const USAGE: u8 = 2;
/// Ended by Ctrl-C, the state saved: 128 + SIGINT.
const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM, the state saved: 128 + 15.
const TERMINATED: u8 = 143;

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(log_filter(&arguments.global.log))
        .init();
    if let Err(problem) = groups::read_rendezvous(&mut arguments) {
        eprintln!("manyhands-cli: {problem}");
        return USAGE.into();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("manyhands-cli: cannot start: {error}");
            return FAILED.into();
        }
    };
    let code = runtime.block_on(async {
        if let Err(problem) = groups::join_first(&arguments).await {
            return peers::complain(&problem.text, problem.code);
        }
        match arguments.command {
            Command::Get(get) => get::run(&arguments.global, get).await,
            Command::Lend(lend) => lend::run(&arguments.global, &lend).await,
            Command::Group(group) => groups::run(&arguments.global, &group.action).await,
            Command::Friends(friends) => peers::friends(&arguments.global, &friends).await,
            Command::Pair(pair) => pair::run(&arguments.global, &pair).await,
            Command::Pairings(list) => pair::list(&arguments.global, &list).await,
            Command::Confirm(code) => pair::answer(&arguments.global, code.code, true).await,
            Command::Refuse(code) => pair::answer(&arguments.global, code.code, false).await,
            Command::Requests(requests) => peers::requests(&arguments.global, &requests).await,
            Command::Accept(accepting) => peers::accept(&arguments.global, &accepting).await,
            Command::Decline(decision) => {
                peers::decide(&arguments.global, &decision, view::Decision::NotNow).await
            }
            Command::Rules(rules) => rules::run(&arguments.global, &rules).await,
            Command::Block(device) => rules::block(&arguments.global, &device).await,
            Command::Unblock(device) => rules::unblock(&arguments.global, &device).await,
        }
    });
    code.into()
}

/// A bare level is meant for our own parts; those of others speak up when something is wrong.
fn log_filter(level: &str) -> tracing_subscriber::EnvFilter {
    let others = if level.contains(['=', ',']) { "" } else { ",sled=warn,hyper=warn,reqwest=warn" };
    tracing_subscriber::EnvFilter::new(format!("{level}{others}"))
}
