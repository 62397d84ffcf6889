//! Fetching from real servers: the misbehaving one over TCP, one behind TLS, vsftpd.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;
mod framing;
mod ftp;
mod guard;
mod ranges;
mod redirects;
mod tls;
mod trouble;
