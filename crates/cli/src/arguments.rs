//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use manyhands_engine::view::RuleTerms;
use manyhands_engine::{Ask, Hours, MAX_CONNECTIONS, PairingCode, Sha256Digest};

use crate::amounts::{parse_bytes, parse_rate};

/// Manyhands without a window: downloads files, alone or together with friends on the same network.
#[derive(Debug, Parser)]
#[command(name = "manyhands-cli", version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub struct Global {
    /// The profile: queue, piece maps, keys. Default: that of the desktop program
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// What others see. Default: the computer's name
    #[arg(long, value_name = "NAME", global = true)]
    pub name: Option<String>,
    /// Where to listen for peers. Default: port 26269 on all addresses, or any other when that is taken
    #[arg(long, value_name = "ADDR:PORT", global = true)]
    pub listen: Option<SocketAddr>,
    /// Neither announce nor look for peers by multicast
    #[arg(long, global = true)]
    pub no_mdns: bool,
    /// A group at a rendezvous server to be in, by its invite, manyhands://join?…; it is kept in the profile. For `group create` the
    /// server, https://HOST:PORT. Whoever reads an invite is a member, and what is on a command line other users of this machine
    /// can see: give - to have it read from standard input, or use the environment variable
    #[arg(
        long,
        value_name = "INVITE|URL",
        global = true,
        env = "MANYHANDS_RENDEZVOUS",
        hide_env_values = true
    )]
    pub rendezvous: Option<String>,
    /// Use rendezvous servers at http://, too, where everybody on the way can read and change what is said
    #[arg(long, global = true)]
    pub insecure_http: bool,
    /// What to log on standard error: error, warn, info, debug, or a filter such as manyhands_origin=debug
    #[arg(long, value_name = "LEVEL", global = true, default_value = "warn")]
    pub log: String,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download files and wait until they are there
    Get(Get),
    /// Help others: fetch for them what you agree to. Runs until stopped
    Lend(Lend),
    /// Who is there
    Friends(Friends),
    /// Make sure that a friend's device is your friend's: both screens show six digits, which you compare
    Pair(Pair),
    /// The pairings under way, with their codes
    Pairings(Pairings),
    /// Say that the other screen shows the same code
    Confirm(Code),
    /// Say that it shows another one, or that you do not want to pair
    Refuse(Code),
    /// Groups at rendezvous servers: how friends find one another where multicast does not reach
    Group(Group),
    /// The help requests that wait for an answer
    Requests(Requests),
    /// Agree to a help request
    Accept(Accepting),
    /// Decline a help request
    Decline(Decision),
    /// On what terms others are helped, and who always is; shown, or changed
    Rules(Rules),
    /// Never hear of a device again; whatever runs with it ends
    Block(Device),
    /// Let a blocked device come in again, as a stranger
    Unblock(Device),
}

#[derive(Debug, Args)]
pub struct Get {
    /// Links that begin with http, https or ftp
    #[arg(required = true, value_name = "URL")]
    pub urls: Vec<String>,
    /// Where to; made when missing. Default: the current folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The file's name, for a single link. Default: the server's or the link's
    #[arg(long, value_name = "NAME")]
    pub out: Option<String>,
    /// The SHA-256 that the file must have, for a single link
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<Sha256Digest>,
    /// Connections to the server at most; as many are opened as pay. Default: 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_CONNECTIONS)))]
    pub connections: Option<u8>,
    /// Whom to ask for help: none, friends, everyone, or device ids with commas between. Naming peers is your word that they
    /// may fetch what nothing vouches for
    #[arg(long, value_name = "WHO", default_value = "none")]
    pub ask: Ask,
    /// How long peers that appear are asked, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub ask_wait: u64,
    /// How others may help. relay: they carry your own encrypted connection and can neither read nor change it (https);
    /// fetch: they get the link and fetch it themselves; auto: relay for https, otherwise fetch where no secret is in the link
    #[arg(long, value_enum, default_value = "auto")]
    pub mode: Mode,
    /// Let strangers, too, fetch what nothing vouches for: plain http or ftp without --sha256
    #[arg(long)]
    pub unverified: bool,
    /// A header for the link's own server, such as a login's cookie; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Tell progress and results on standard output, a JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Lend {
    /// Whose requests are accepted without asking: ask (nobody's), friends or all
    #[arg(long, value_enum, default_value = "ask")]
    pub accept: Accept,
    /// Also fetch from private network addresses (10.x, 192.168.x, fd00:: …)
    #[arg(long)]
    pub allow_private_origins: bool,
    #[command(flatten)]
    pub terms: TermsGiven,
    /// Tell what happens on standard output, a JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    Auto,
    Relay,
    Fetch,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Accept {
    Ask,
    Friends,
    All,
}

#[derive(Debug, Args)]
pub struct Friends {
    /// How long to look for peers before answering
    #[arg(long, value_name = "SECONDS", default_value = "3")]
    pub wait: u64,
    /// A JSON object a line on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 paired, 1 nobody met or another device than the friend who was there, 3 refused, 4 nobody \
                        answered in time, 5 the other device broke the rules."
)]
pub struct Pair {
    /// A device's id, eight characters or more of its beginning, or its address such as 192.168.1.7, [2001:db8::1]:26269 or
    /// mo.example.org
    #[arg(value_name = "ID|ADDR")]
    pub who: String,
    /// Answer yes if the code is this one, and no otherwise, in place of asking
    #[arg(long, value_name = "CODE")]
    pub yes_if: Option<PairingCode>,
    /// How long to look for the device
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub wait: u64,
    /// Tell what happens on standard output, a JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Pairings {
    /// A JSON object a line on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Code {
    /// The six digits that this device shows
    #[arg(value_name = "CODE")]
    pub code: PairingCode,
}

#[derive(Debug, Args)]
pub struct Group {
    #[command(subcommand)]
    pub action: GroupAction,
}

#[derive(Debug, Subcommand)]
pub enum GroupAction {
    /// Make a group at the server that --rendezvous names, and show its invite. The server that answers is trusted from then on:
    /// compare its id with what its log prints
    Create {
        /// What its members see
        name: String,
        /// Make it only where the server has this id
        #[arg(long, value_name = "ID")]
        server_id: Option<String>,
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Be in the group of an invite
    Join {
        /// manyhands://join?…, or - to read it from standard input. Default: that of --rendezvous
        invite: Option<String>,
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Be in it no more; its server and its members see this device no more
    Leave(Named),
    /// The groups that this device is in, how it stands with their servers, and who is there
    List {
        /// A JSON object a line on standard output
        #[arg(long)]
        json: bool,
    },
    /// Show a group's invite. Whoever has it is a member
    Invite {
        #[command(flatten)]
        group: Named,
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Leave a group for a new one of the same name, and show the new invite: whoever has the old one alone is no member of it
    Rotate {
        #[command(flatten)]
        group: Named,
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// How others are found from now on
    Meet {
        #[arg(value_enum)]
        how: Meet,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Meet {
    /// On the local network and at the servers of the groups
    Automatic,
    /// On the local network alone: no server hears of this device
    LanOnly,
    /// At the servers alone: nothing is announced on the local network
    ServerOnly,
}

#[derive(Debug, Args)]
pub struct Named {
    /// The group's name, its id, or eight characters or more of its beginning
    #[arg(value_name = "GROUP")]
    pub group: String,
}

#[derive(Debug, Args)]
pub struct Requests {
    /// A JSON object a line on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Decision {
    /// The request's id, or enough of its beginning
    #[arg(value_name = "ID")]
    pub id: String,
}

#[derive(Debug, Args)]
pub struct Accepting {
    #[command(flatten)]
    pub request: Decision,
    /// And from now on without being asked, within these terms and those for all
    #[arg(long)]
    pub always: bool,
    #[command(flatten)]
    pub terms: TermsGiven,
}

/// How much, how fast and when; what is not given stays as it is, or is without a bound of its own.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct TermsGiven {
    /// How much from midnight to midnight, such as 10GB or 500MiB; 0: no bound
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub budget: Option<u64>,
    /// How fast at most, such as 20MB/s, 2MiB/s or 50mbit; 0: no limit
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub limit: Option<u64>,
    /// When, such as 22-08 or 22:30-8:15; 0-24: always
    #[arg(long, value_name = "FROM-TO")]
    pub hours: Option<Hours>,
}

impl TermsGiven {
    pub fn is_given(self) -> bool {
        self.budget.is_some() || self.limit.is_some() || self.hours.is_some()
    }

    /// The terms of one peer: what is not given is as it is for all.
    pub fn rule(self) -> RuleTerms {
        self.over(RuleTerms::default())
    }

    /// The terms of a peer that has some: what is not given stays.
    pub fn over(self, before: RuleTerms) -> RuleTerms {
        RuleTerms {
            daily_bytes: self.budget.unwrap_or(before.daily_bytes),
            bytes_per_s: self.limit.unwrap_or(before.bytes_per_s),
            hours: self.hours.or(before.hours),
        }
    }
}

#[derive(Debug, Args)]
pub struct Rules {
    #[command(subcommand)]
    pub change: Option<RuleChange>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum RuleChange {
    /// Always help this device, without asking; it is a friend from then on
    Always {
        #[command(flatten)]
        device: Device,
        #[command(flatten)]
        terms: TermsGiven,
    },
    /// Be asked about this friend's requests again
    Remove(Device),
    /// Never help with what is on this host, or beneath it
    Never { host: String },
    /// Help with what is on this host again
    LendFor { host: String },
    /// Help nobody: what runs ends at once, and who asks is told so
    Off,
    /// Help again
    On,
}

#[derive(Debug, Args)]
pub struct Device {
    /// The device's id; of a known one, 8 letters or more of its beginning are enough
    #[arg(value_name = "DEVICE")]
    pub device: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_of_a_rule_stays_as_it_was() {
        let before = RuleTerms { daily_bytes: 7, bytes_per_s: 8, hours: "22-08".parse().ok() };
        assert!(before.hours.is_some());
        let given = TermsGiven { limit: Some(9), ..TermsGiven::default() };
        assert_eq!(given.over(before), RuleTerms { bytes_per_s: 9, ..before });
        let lifted = TermsGiven { budget: Some(0), ..TermsGiven::default() };
        assert_eq!(lifted.over(before), RuleTerms { daily_bytes: 0, ..before });
    }
}
