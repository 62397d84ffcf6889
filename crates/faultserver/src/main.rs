//! `manyhands-faultserver`: the misbehaving origin as a program.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use manyhands_faultserver::{Behaviour, FaultServer, Framing, Ranges, Reply};

/// An HTTP origin that misbehaves on demand. Prints the URL of its file, then serves until it is stopped.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Length of the file.
    #[arg(long, default_value_t = 1 << 20)]
    bytes: u64,
    /// The content is a function of seed and offset.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Bytes per second and connection.
    #[arg(long)]
    rate: Option<u64>,
    /// Bytes per second and client address.
    #[arg(long)]
    rate_per_address: Option<u64>,
    /// Bytes per second in all.
    #[arg(long)]
    rate_total: Option<u64>,
    /// Answer 200 with the whole file to every range.
    #[arg(long)]
    no_ranges: bool,
    /// Send chunks of so many bytes and no length.
    #[arg(long)]
    chunked: Option<usize>,
    /// Send no ETag and no Last-Modified.
    #[arg(long)]
    no_validators: bool,
    /// Become another file after so many answers.
    #[arg(long)]
    change_after: Option<usize>,
    /// Close the connection after so many bytes of an answer.
    #[arg(long)]
    close_after: Option<u64>,
    /// Reset the connection after so many bytes of an answer.
    #[arg(long)]
    reset_after: Option<u64>,
    /// Fall silent after so many bytes of an answer.
    #[arg(long)]
    stall_after: Option<u64>,
    /// Only so many answers suffer from the three above.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    faulty_answers: usize,
    /// Invert the byte at this offset.
    #[arg(long)]
    corrupt_byte_at: Option<u64>,
    /// Answer 403 to more answers than this at a time.
    #[arg(long)]
    max_connections: Option<usize>,
    /// Milliseconds to wait before each answer.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Content-Disposition, as it is.
    #[arg(long)]
    content_disposition: Option<String>,
    /// Answer every later request for the file with 403.
    #[arg(long)]
    one_time: bool,
    /// Answer the first requests with these statuses, one each.
    #[arg(long, value_delimiter = ',')]
    script: Vec<u16>,
    /// Path in the printed URL.
    #[arg(long, default_value = "/file.bin")]
    path: String,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let validator = |value: Option<String>| value.filter(|_| !args.no_validators);
    let default = Behaviour::default();
    let server = FaultServer::listen(
        args.listen,
        Behaviour {
            bytes: args.bytes,
            seed: args.seed,
            ranges: if args.no_ranges { Ranges::Ignore } else { Ranges::Honour },
            framing: args.chunked.map_or(Framing::Length, Framing::Chunked),
            etag: validator(default.etag),
            last_modified: validator(default.last_modified),
            content_disposition: args.content_disposition,
            change_after: args.change_after,
            script: args.script.iter().map(|status| Reply::Status(*status, None)).collect(),
            max_connections: args.max_connections,
            one_time: args.one_time,
            delay_before_head: Duration::from_millis(args.delay_ms),
            close_after_bytes: args.close_after,
            reset_after_bytes: args.reset_after,
            stall_after_bytes: args.stall_after,
            faulty_answers: args.faulty_answers,
            corrupt_byte_at: args.corrupt_byte_at,
            rate_per_connection: args.rate,
            rate_per_address: args.rate_per_address,
            rate_total: args.rate_total,
            ..Behaviour::default()
        },
    )?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", server.url(&args.path))?;
    out.flush()?;
    server.join();
    Ok(())
}
